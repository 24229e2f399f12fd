package signalr_test

import (
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/chatcluster/chatcluster/server/signalr"
)

// late is a hub that reads what a client streams only when its connection has ended.
type late struct {
	begin chan *signalr.Context
	read  chan uploaded
}

type uploaded struct {
	items int
	err   error
}

func (h *late) Read(ctx *signalr.Context, items iter.Seq2[int, error]) {
	h.begin <- ctx
	<-ctx.Done()
	var got uploaded
	for _, err := range items {
		if err != nil {
			got.err = err
			break
		}
		got.items++
	}
	h.read <- got
}

func TestAStreamDoesNotEndAsIfItWereCompleteWhenItsItemsAreNotAllRead(t *testing.T) {
	const items = 20 // more than a stream has room for
	for name, test := range map[string]struct {
		end      func(c *client, ctx *signalr.Context)
		complete bool
	}{
		"the client leaves":              {func(c *client, _ *signalr.Context) { _ = c.socket.Close(websocket.StatusNormalClosure, "") }, true},
		"the server ends the connection": {func(_ *client, ctx *signalr.Context) { ctx.Abort() }, false},
		"the socket is cut":              {func(c *client, _ *signalr.Context) { _ = c.socket.CloseNow() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			hub := &late{begin: make(chan *signalr.Context, 1), read: make(chan uploaded, 1)}
			_, address := startHub(t, hub, signalr.HubOptions{}, signalr.EndpointOptions{})
			c := connect(t, address)
			messages := []string{`{"type":1,"target":"Read","arguments":[],"streamIds":["s"]}`}
			for item := range items {
				messages = append(messages, fmt.Sprintf(`{"type":2,"invocationId":"s","item":%d}`, item))
			}
			c.send(append(messages, `{"type":3,"invocationId":"s"}`)...)
			test.end(c, <-hub.begin)
			select {
			case got := <-hub.read:
				if complete := got.err == nil && got.items == items; complete != test.complete || !complete && got.err == nil {
					t.Errorf("the method read %d items and the error %v", got.items, got.err)
				}
			case <-time.After(patience):
				t.Fatal("the stream has no end")
			}
		})
	}
}
