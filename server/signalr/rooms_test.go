package signalr_test

import (
	"iter"
	"strings"
	"testing"

	"github.com/chatcluster/chatcluster/server/signalr"
)

// Rooms is the hub that README.md shows.
type Rooms struct{}

// OnConnected greets a client with its id.
func (Rooms) OnConnected(ctx *signalr.Context) error {
	return ctx.Clients().Caller().Send(ctx, "Welcome", ctx.ConnectionID())
}

// Join puts the caller into a room. The name is kept with the connection.
func (Rooms) Join(ctx *signalr.Context, room, name string) error {
	if room == "" {
		return signalr.NewHubError("A room needs a name.") // clients see the text of a HubError, and of no other
	}
	if err := ctx.Items().Set("name", name); err != nil {
		return err
	}
	if err := ctx.Groups().Add(ctx, ctx.ConnectionID(), room); err != nil {
		return err
	}
	return ctx.Clients().OthersInGroup(room).Send(ctx, "Joined", name)
}

// Ask asks another client, wherever it is connected, and returns its answer.
func (Rooms) Ask(ctx *signalr.Context, connectionID, question string) (answer string, err error) {
	err = ctx.Clients().Client(connectionID).Invoke(ctx, &answer, "Answer", question)
	return answer, err
}

// Count sends a stream; it ends early if the client cancels it.
func (Rooms) Count(_ *signalr.Context, to int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for number := range to {
			if !yield(number) {
				return
			}
		}
	}
}

// Sum reads a stream of the client.
func (Rooms) Sum(_ *signalr.Context, numbers iter.Seq2[int, error]) (sum int, err error) {
	for number, err := range numbers {
		if err != nil {
			return 0, err // the client ended its stream with an error, or went away
		}
		sum += number
	}
	return sum, nil
}

func TestTheHubOfTheREADMEWorks(t *testing.T) {
	_, address := startHub(t, Rooms{}, signalr.HubOptions{}, signalr.EndpointOptions{})
	ann, annID := enter(t, address)
	ben, _ := enter(t, address)
	ann.send(`{"type":1,"invocationId":"1","target":"Join","arguments":["kitchen","Ann"]}`)
	ann.expect(`{"type":3,"invocationId":"1","result":null}`)
	ben.send(`{"type":1,"invocationId":"1","target":"Join","arguments":["kitchen","Ben"]}`)
	ben.expect(`{"type":3,"invocationId":"1","result":null}`)
	ann.expect(`{"type":1,"target":"Joined","arguments":["Ben"]}`)
	ben.send(`{"type":1,"invocationId":"2","target":"Join","arguments":["","Ben"]}`)
	ben.expect(`{"type":3,"invocationId":"2","error":"An unexpected error occurred invoking 'Join' on the server. HubException: A room needs a name."}`)

	ben.send(`{"type":1,"invocationId":"3","target":"Ask","arguments":["` + annID + `","tea?"]}`)
	question, err := ann.receive()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(question, `"invocationId":"`)
	invocation, _, _ := strings.Cut(rest, `"`)
	ann.send(`{"type":3,"invocationId":"` + invocation + `","result":"yes"}`)
	ben.expect(`{"type":3,"invocationId":"3","result":"yes"}`)

	ben.send(`{"type":4,"invocationId":"4","target":"Count","arguments":[2]}`)
	ben.expect(`{"type":2,"invocationId":"4","item":0}`, `{"type":2,"invocationId":"4","item":1}`, `{"type":3,"invocationId":"4"}`)
	ben.send(
		`{"type":1,"invocationId":"5","target":"Sum","arguments":[],"streamIds":["s"]}`,
		`{"type":2,"invocationId":"s","item":40}`, `{"type":2,"invocationId":"s","item":2}`, `{"type":3,"invocationId":"s"}`,
	)
	ben.expect(`{"type":3,"invocationId":"5","result":42}`)
}

// enter connects a client and returns the id that it is greeted with.
func enter(t *testing.T, address string) (c *client, id string) {
	t.Helper()
	c = connect(t, address)
	greeting, err := c.receive()
	if err != nil {
		t.Fatal(err)
	}
	id, greeted := strings.CutPrefix(greeting, `{"type":1,"target":"Welcome","arguments":["`)
	if !greeted {
		t.Fatalf("received %s, want a welcome", greeting)
	}
	return c, strings.TrimSuffix(id, `"]}`)
}
