package signalr_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/chatcluster/chatcluster/server/signalr"
)

// locked is a hub that asks clients, and sees them off, under one lock.
type locked struct {
	mu      sync.Mutex
	ids     chan string
	answers chan error
}

func (h *locked) OnConnected(ctx *signalr.Context) error {
	h.ids <- ctx.ConnectionID()
	return nil
}

func (h *locked) Ask(ctx *signalr.Context, connectionID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers <- ctx.Clients().Client(connectionID).Invoke(ctx, nil, "Answer")
}

func (h *locked) OnDisconnected(*signalr.Context, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
}

func TestACallToAClientThatLeavesFailsBeforeOnDisconnectedRuns(t *testing.T) {
	implementation := &locked{ids: make(chan string, 2), answers: make(chan error, 1)}
	_, address := startHub(t, implementation, signalr.HubOptions{}, signalr.EndpointOptions{})
	asking := connect(t, address)
	<-implementation.ids
	asked := connect(t, address)
	asking.send(`{"type":1,"target":"Ask","arguments":["` + <-implementation.ids + `"]}`)
	asked.expect(`{"type":1,"invocationId":"s1","target":"Answer","arguments":[]}`)
	_ = asked.socket.Close(websocket.StatusNormalClosure, "")
	expectLost(t, implementation.answers)
}

// farewell is a hub that asks its clients for a last word when they have gone.
type farewell struct{ answers chan error }

func (h *farewell) OnDisconnected(ctx *signalr.Context, _ error) {
	h.answers <- ctx.Clients().Caller().Invoke(ctx, nil, "Answer")
}

func TestACallToAClientThatHasLeftFails(t *testing.T) {
	for name, leave := range map[string]func(*client){
		"with a word":    func(c *client) { _ = c.socket.Close(websocket.StatusNormalClosure, "") },
		"without a word": func(c *client) { _ = c.socket.CloseNow() },
		"with a Close":   func(c *client) { c.send(`{"type":7}`) },
	} {
		t.Run(name, func(t *testing.T) {
			implementation := &farewell{make(chan error, 1)}
			_, address := startHub(t, implementation, signalr.HubOptions{}, signalr.EndpointOptions{})
			leave(connect(t, address))
			expectLost(t, implementation.answers)
		})
	}
}

func expectLost(t *testing.T, answers <-chan error) {
	t.Helper()
	select {
	case err := <-answers:
		if !errors.Is(err, signalr.ErrConnectionLost) {
			t.Errorf("the call failed with %v, want ErrConnectionLost", err)
		}
	case <-time.After(patience):
		t.Fatal("the call still waits for its answer")
	}
}
