package signalr_test

import (
	"errors"
	"iter"
	"testing"

	"github.com/chatcluster/chatcluster/server/signalr"
)

type helper struct{}

func (helper) Promoted(*signalr.Context) string { return "must not be callable" }

type testHub struct {
	helper
	gone chan error
}

func (h *testHub) OnDisconnected(_ *signalr.Context, cause error) {
	if h.gone != nil {
		h.gone <- cause
	}
}

func (*testHub) Echo(_ *signalr.Context, value string) string         { return value }
func (*testHub) Add(_ *signalr.Context, left, right int) (int, error) { return left + right, nil }
func (*testHub) Nothing(*signalr.Context)                             {}
func (*testHub) Fail(_ *signalr.Context, text string) error           { return errors.New(text) }
func (*testHub) FailOpenly(_ *signalr.Context, text string) error {
	return signalr.NewHubError("%s", text)
}
func (*testHub) Panic(*signalr.Context)        { panic("secret") }
func (*testHub) Abort(ctx *signalr.Context)    { ctx.Abort() }
func (*testHub) NoContext(value string) string { return value }

func (*testHub) Broadcast(ctx *signalr.Context, text string) error {
	return ctx.Clients().All().Send(ctx, "Receive", text)
}

func (*testHub) Ask(ctx *signalr.Context, question string) (answer string, err error) {
	err = ctx.Clients().Caller().Invoke(ctx, &answer, "Answer", question)
	return answer, err
}

func (*testHub) Count(_ *signalr.Context, to int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range to {
			if !yield(i) {
				return
			}
		}
	}
}

func (*testHub) Sum(_ *signalr.Context, items iter.Seq2[int, error]) (sum int, err error) {
	for item, err := range items {
		if err != nil {
			return 0, err
		}
		sum += item
	}
	return sum, nil
}

func TestInvocationsAreAnswered(t *testing.T) {
	_, address := startHub(t, &testHub{}, signalr.HubOptions{}, signalr.EndpointOptions{})
	for _, test := range []struct{ name, call, answer string }{
		{"a value", `{"type":1,"invocationId":"1","target":"Echo","arguments":["hi"]}`, `{"type":3,"invocationId":"1","result":"hi"}`},
		{"any case", `{"type":1,"invocationId":"1","target":"eCHO","arguments":["hi"]}`, `{"type":3,"invocationId":"1","result":"hi"}`},
		{"a value and no error", `{"type":1,"invocationId":"1","target":"Add","arguments":[1,2]}`, `{"type":3,"invocationId":"1","result":3}`},
		{"nothing", `{"type":1,"invocationId":"1","target":"Nothing","arguments":[]}`, `{"type":3,"invocationId":"1","result":null}`},
		{"a hidden error", `{"type":1,"invocationId":"1","target":"Fail","arguments":["secret"]}`, `{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'Fail' on the server."}`},
		{"an error of any case", `{"type":1,"invocationId":"1","target":"fAIL","arguments":["secret"]}`, `{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'Fail' on the server."}`},
		{"an open error", `{"type":1,"invocationId":"1","target":"FailOpenly","arguments":["no"]}`, `{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'FailOpenly' on the server. HubException: no"}`},
		{"a panic", `{"type":1,"invocationId":"1","target":"Panic","arguments":[]}`, `{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'Panic' on the server."}`},
		{"an unknown method", `{"type":1,"invocationId":"1","target":"Nope","arguments":[]}`, `{"type":3,"invocationId":"1","error":"Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist."}`},
		{"a promoted method", `{"type":1,"invocationId":"1","target":"Promoted","arguments":[]}`, `{"type":3,"invocationId":"1","error":"Failed to invoke 'Promoted' due to an error on the server. HubException: Method does not exist."}`},
		{"an event", `{"type":1,"invocationId":"1","target":"OnDisconnected","arguments":[null]}`, `{"type":3,"invocationId":"1","error":"Failed to invoke 'OnDisconnected' due to an error on the server. HubException: Method does not exist."}`},
		{"a method without context", `{"type":1,"invocationId":"1","target":"NoContext","arguments":["x"]}`, `{"type":3,"invocationId":"1","error":"Failed to invoke 'NoContext' due to an error on the server. HubException: Method does not exist."}`},
		{"too few arguments", `{"type":1,"invocationId":"1","target":"Echo","arguments":[]}`, `{"type":3,"invocationId":"1","error":"Failed to invoke 'Echo' due to an error on the server."}`},
		{"too few arguments in any case", `{"type":1,"invocationId":"1","target":"eCHO","arguments":[]}`, `{"type":3,"invocationId":"1","error":"Failed to invoke 'Echo' due to an error on the server."}`},
		{"a wrong argument", `{"type":1,"invocationId":"1","target":"Add","arguments":["1",2]}`, `{"type":3,"invocationId":"1","error":"Failed to invoke 'Add' due to an error on the server."}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := connect(t, address)
			c.send(test.call)
			c.expect(test.answer)
			c.send(`{"type":1,"invocationId":"2","target":"Echo","arguments":["still here"]}`)
			c.expect(`{"type":3,"invocationId":"2","result":"still here"}`)
		})
	}
}

func TestBroadcastReachesAllClients(t *testing.T) {
	hub, address := startHub(t, &testHub{}, signalr.HubOptions{}, signalr.EndpointOptions{})
	one, two := connect(t, address), connect(t, address)
	one.send(`{"type":1,"target":"Broadcast","arguments":["a"]}`)
	one.expect(`{"type":1,"target":"Receive","arguments":["a"]}`)
	two.expect(`{"type":1,"target":"Receive","arguments":["a"]}`)
	if err := hub.Clients().All().Send(t.Context(), "Receive", "b"); err != nil {
		t.Fatal(err)
	}
	one.expect(`{"type":1,"target":"Receive","arguments":["b"]}`)
	two.expect(`{"type":1,"target":"Receive","arguments":["b"]}`)
}

func TestClientAnswersACallOfTheServer(t *testing.T) {
	_, address := startHub(t, &testHub{}, signalr.HubOptions{}, signalr.EndpointOptions{})
	c := connect(t, address)
	c.send(`{"type":1,"invocationId":"1","target":"Ask","arguments":["why"]}`)
	c.expect(`{"type":1,"invocationId":"s1","target":"Answer","arguments":["why"]}`)
	c.send(`{"type":3,"invocationId":"s1","result":"because"}`)
	c.expect(`{"type":3,"invocationId":"1","result":"because"}`)
}

func TestStreamsBothWays(t *testing.T) {
	_, address := startHub(t, &testHub{}, signalr.HubOptions{}, signalr.EndpointOptions{})
	c := connect(t, address)
	c.send(`{"type":4,"invocationId":"1","target":"Count","arguments":[2]}`)
	c.expect(`{"type":2,"invocationId":"1","item":0}`, `{"type":2,"invocationId":"1","item":1}`, `{"type":3,"invocationId":"1"}`)
	c.send(`{"type":1,"invocationId":"2","target":"Sum","arguments":[],"streamIds":["s"]}`,
		`{"type":2,"invocationId":"s","item":40}`, `{"type":2,"invocationId":"s","item":2}`, `{"type":3,"invocationId":"s"}`)
	c.expect(`{"type":3,"invocationId":"2","result":42}`)
}

func TestAMethodMayTellItsClientThatAnItemCannotBeRead(t *testing.T) {
	_, address := startHub(t, &testHub{}, signalr.HubOptions{}, signalr.EndpointOptions{})
	c := connect(t, address)
	c.send(`{"type":1,"invocationId":"1","target":"Sum","arguments":[],"streamIds":["s"]}`, `{"type":2,"invocationId":"s","item":"x"}`)
	c.expect(`{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'Sum' on the server. HubException: Failed to bind Stream message."}`)
}

func TestASequenceMeansNothingWithoutStatefulReconnect(t *testing.T) {
	for _, version := range []string{"1", "2"} {
		t.Run("version "+version, func(t *testing.T) {
			_, address := startHub(t, &testHub{}, signalr.HubOptions{}, signalr.EndpointOptions{})
			c := dial(t, address)
			c.send(`{"protocol":"json","version":` + version + `}`)
			c.expect(`{}`)
			c.send(`{"type":9,"sequenceId":5}`, `{"type":9,"sequenceId":-3}`, `{"type":1,"invocationId":"1","target":"Echo","arguments":["heard"]}`)
			c.expect(`{"type":3,"invocationId":"1","result":"heard"}`)
		})
	}
}

func TestAbortClosesWithoutInvitation(t *testing.T) {
	hub := &testHub{gone: make(chan error, 1)}
	_, address := startHub(t, hub, signalr.HubOptions{}, signalr.EndpointOptions{})
	c := connect(t, address)
	c.send(`{"type":1,"target":"Abort","arguments":[]}`)
	c.expect(`{"type":7}`)
	c.expectClose(1000)
	if cause := <-hub.gone; cause != nil {
		t.Errorf("OnDisconnected got %v, want nil", cause)
	}
}

func TestGarbageEndsOnlyTheConnectionThatSentIt(t *testing.T) {
	_, address := startHub(t, &testHub{}, signalr.HubOptions{}, signalr.EndpointOptions{})
	bystander := connect(t, address)
	for _, garbage := range []string{`garbage`, `{}`, `{"type":1,"target":"Echo"}`, `{"type":3,"invocationId":"1","result":1,"error":"x"}`} {
		c := connect(t, address)
		c.send(garbage)
		c.expect(`{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`)
		c.expectClose(1000)
	}
	bystander.send(`{"type":1,"invocationId":"1","target":"Echo","arguments":["alive"]}`)
	bystander.expect(`{"type":3,"invocationId":"1","result":"alive"}`)
}
