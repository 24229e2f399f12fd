package signalr_test

import (
	"encoding/json"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr"
)

// explosive panics whenever it is read from JSON or written as JSON.
type explosive struct{}

func (*explosive) UnmarshalJSON([]byte) error   { panic("read") }
func (*explosive) MarshalJSON() ([]byte, error) { panic("written") }

// unspeakable is an error that panics when it is asked what it is.
type unspeakable struct{}

func (unspeakable) Error() string { panic("error") }
func (unspeakable) Unwrap() error { panic("unwrap") }

// check finds nothing wrong, which as an error is one that is not nil.
func check() *signalr.HubError { return nil }

type explosiveHub struct{ testHub }

func (*explosiveHub) OnConnected(ctx *signalr.Context) error {
	switch ctx.Request().URL.Query().Get("fail") {
	case "nil":
		return check()
	case "panic":
		return unspeakable{}
	}
	return nil
}

func (*explosiveHub) Join(*signalr.Context) error { return check() }

func (*explosiveHub) Refuse(*signalr.Context) error { return unspeakable{} }

func (*explosiveHub) Pour(*signalr.Context) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) { yield(0, unspeakable{}) }
}

func (*explosiveHub) Echo(_ *signalr.Context, value string) string { return value }

func (*explosiveHub) Nothing(*signalr.Context) {}

func (*explosiveHub) Take(*signalr.Context, explosive) {}

func (*explosiveHub) Give(*signalr.Context) *explosive { return &explosive{} }

func (*explosiveHub) Drink(_ *signalr.Context, items iter.Seq2[explosive, error]) error {
	for _, err := range items {
		if err != nil {
			return signalr.NewHubError("not readable")
		}
	}
	return nil
}

func TestAPanicOfTheApplicationReachesNobodyElse(t *testing.T) {
	options := signalr.HubOptions{Authorize: func(_ *signalr.Context, method string) bool {
		if method == "Nothing" {
			panic("authorize")
		}
		return true
	}}
	_, address := startHub(t, &explosiveHub{}, options, signalr.EndpointOptions{})
	bystander := connect(t, address)
	for _, test := range []struct {
		where, query, answer string
		calls                []string
	}{
		{
			where: "reading an argument", calls: []string{`{"type":1,"invocationId":"1","target":"Take","arguments":[{}]}`},
			answer: `{"type":3,"invocationId":"1","error":"Failed to invoke 'Take' due to an error on the server."}`,
		},
		{
			where: "authorizing", calls: []string{`{"type":1,"invocationId":"1","target":"Nothing","arguments":[]}`},
			answer: `{"type":3,"invocationId":"1","error":"Failed to invoke 'Nothing' because user is unauthorized"}`,
		},
		{
			where: "reading an item", calls: []string{
				`{"type":1,"invocationId":"1","target":"Drink","arguments":[],"streamIds":["s"]}`,
				`{"type":2,"invocationId":"s","item":{}}`,
			},
			answer: `{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'Drink' on the server. HubException: not readable"}`,
		},
		{
			where: "an error that is a nil pointer", calls: []string{`{"type":1,"invocationId":"1","target":"Join","arguments":[]}`},
			answer: `{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'Join' on the server."}`,
		},
		{
			where: "wording an error", calls: []string{`{"type":1,"invocationId":"1","target":"Refuse","arguments":[]}`},
			answer: `{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'Refuse' on the server."}`,
		},
		{
			where: "wording the error of a stream", calls: []string{`{"type":4,"invocationId":"1","target":"Pour","arguments":[]}`},
			answer: `{"type":3,"invocationId":"1","error":"An error occurred on the server while streaming results."}`,
		},
		{
			where: "wording why a client cannot connect", query: "?fail=panic",
			answer: `{"type":7,"error":"Connection closed with an error."}`,
		},
		{
			where: "a client that cannot connect for a nil pointer", query: "?fail=nil",
			answer: `{"type":7,"error":"Connection closed with an error."}`,
		},
		{
			where: "writing a result", calls: []string{`{"type":1,"invocationId":"1","target":"Give","arguments":[]}`},
			answer: `{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`,
		},
	} {
		t.Run(test.where, func(t *testing.T) {
			c := connect(t, address+test.query)
			if len(test.calls) > 0 {
				c.send(test.calls...)
			}
			c.expect(test.answer)
			bystander.send(`{"type":1,"invocationId":"2","target":"Echo","arguments":["alive"]}`)
			bystander.expect(`{"type":3,"invocationId":"2","result":"alive"}`)
		})
	}
}

// fleeting is a user whose time panics.
type fleeting struct{}

func (*fleeting) Expires() time.Time { panic("time") }

func TestAPanicThatTellsHowLongAUserMayStayEndsTheStay(t *testing.T) {
	_, address := startHub(t, &testHub{}, signalr.HubOptions{}, signalr.EndpointOptions{
		Authenticate: func(http.ResponseWriter, *http.Request) (any, bool) { return &fleeting{}, true },
	})
	connect(t, address).expect(`{"type":7,"allowReconnect":true}`)
}

func TestAFilterThatReturnsNoStreamReachesNobodyElse(t *testing.T) {
	for name, result := range map[string]any{"nothing": nil, "a text": "text", "a channel that is none": chan int(nil)} {
		t.Run(name, func(t *testing.T) {
			filter := signalr.Filter{Invoke: func(*signalr.Context, signalr.Call, func() (any, error)) (any, error) { return result, nil }}
			_, address := startHub(t, &testHub{}, signalr.HubOptions{Filters: []signalr.Filter{filter}}, signalr.EndpointOptions{})
			c := connect(t, address)
			c.send(`{"type":4,"invocationId":"1","target":"Count","arguments":[2]}`)
			c.expect(`{"type":3,"invocationId":"1","error":"The value returned by the streaming method 'Count' is not a ChannelReader<> or IAsyncEnumerable<>."}`)
		})
	}
}

func TestAPanicThatNamesAUserRefusesTheHandshake(t *testing.T) {
	options := signalr.HubOptions{UserID: func(*signalr.Request) string { panic("user") }}
	_, address := startHub(t, &testHub{}, options, signalr.EndpointOptions{})
	c := dial(t, address)
	c.send(`{"protocol":"json","version":1}`)
	answer, err := c.receive()
	var response struct{ Error string }
	if err == nil {
		err = json.Unmarshal([]byte(answer), &response)
	}
	if err != nil || response.Error == "" || strings.Contains(response.Error, "panic") {
		t.Errorf("the handshake is answered %q, %v", answer, err)
	}
}
