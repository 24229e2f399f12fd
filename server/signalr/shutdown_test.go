package signalr_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

func TestMain(m *testing.M) {
	// go-redis looks once a second whether a server is back that it could not reach, and notices only then that it was closed.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// gate is a hub whose method waits until the test lets it go on.
type gate struct {
	entered chan struct{}
	open    chan struct{}
	said    chan string
}

func (g *gate) Wait(*signalr.Context) {
	g.entered <- struct{}{}
	<-g.open
}

func (g *gate) Say(_ *signalr.Context, text string) { g.said <- text }

func newGate() *gate {
	return &gate{entered: make(chan struct{}), open: make(chan struct{}), said: make(chan string, 10)}
}

func TestShutdownInvitesClientsToConnectAgainAndWaitsForCalls(t *testing.T) {
	hub := newGate()
	server, _, address := startServer(t, hub, signalr.HubOptions{}, signalr.EndpointOptions{})
	c := connect(t, address)
	c.send(`{"type":1,"target":"Wait","arguments":[]}`)
	<-hub.entered
	done := make(chan error)
	go func() { done <- server.Shutdown(context.Background()) }()
	c.expect(`{"type":7,"allowReconnect":true}`)
	c.expectClose(1000)
	select {
	case err := <-done:
		t.Fatalf("shutdown did not wait for the call: %v", err)
	default:
	}
	close(hub.open)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := server.Hub("Late", hub, signalr.HubOptions{}); err == nil {
		t.Error("a hub could be registered after the shutdown")
	}
}

// slowBackplane is a backplane whose subscriptions take until the test lets them.
type slowBackplane struct {
	backplane.Memory
	asked, confirmed chan struct{}
}

func (b *slowBackplane) Open(name string, receiver backplane.Receiver) (backplane.Hub, error) {
	hub, err := b.Memory.Open(name, receiver)
	return &slowHub{Hub: hub, backplane: b}, err
}

type slowHub struct {
	backplane.Hub
	backplane *slowBackplane
}

func (h *slowHub) Subscribe(context.Context, ...backplane.Target) error {
	h.backplane.asked <- struct{}{}
	<-h.backplane.confirmed
	return nil
}

func TestAClientThatConnectsDuringShutdownIsInvitedToConnectAgainToo(t *testing.T) {
	plane := &slowBackplane{asked: make(chan struct{}), confirmed: make(chan struct{})}
	server, err := signalr.NewServer(signalr.ServerOptions{Backplane: plane})
	if err != nil {
		t.Fatal(err)
	}
	registered, err := server.Hub("Gate", newGate(), signalr.HubOptions{})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(registered.Endpoint(signalr.EndpointOptions{}))
	defer web.Close()
	early, late := dial(t, web.URL), dial(t, web.URL)
	early.send(`{"protocol":"json","version":1}`)
	<-plane.asked
	plane.confirmed <- struct{}{}
	early.expect(`{}`)
	late.send(`{"protocol":"json","version":1}`)
	<-plane.asked
	done := make(chan error)
	go func() { done <- server.Shutdown(context.Background()) }()
	early.expect(`{"type":7,"allowReconnect":true}`) // now the server has told all whom it knew
	plane.confirmed <- struct{}{}
	late.expect(`{}`, `{"type":7,"allowReconnect":true}`)
	for _, c := range []*client{early, late} {
		_ = c.socket.CloseNow()
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestWhatAClientSaidBeforeItLeftIsHeard(t *testing.T) {
	hub := newGate()
	_, address := startHub(t, hub, signalr.HubOptions{}, signalr.EndpointOptions{})
	c := connect(t, address)
	c.send(`{"type":1,"target":"Wait","arguments":[]}`)
	<-hub.entered
	c.send(`{"type":1,"target":"Say","arguments":["one"]}`, `{"type":1,"target":"Say","arguments":["two"]}`)
	_ = c.socket.Close(websocket.StatusNormalClosure, "")
	close(hub.open)
	for _, want := range []string{"one", "two"} {
		if got := <-hub.said; got != want {
			t.Errorf("the hub heard %q, want %q", got, want)
		}
	}
}

func TestCallsOfOneClientRunInTheirOrder(t *testing.T) {
	hub := newGate()
	hub.said = make(chan string)
	_, address := startHub(t, hub, signalr.HubOptions{}, signalr.EndpointOptions{})
	c := connect(t, address)
	const calls = 2000
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		for i := range calls {
			if err := c.trySend(fmt.Sprintf(`{"type":1,"target":"Say","arguments":["%d"]}`, i)); err != nil {
				t.Errorf("send: %v", err)
				return
			}
		}
	})
	for i := range calls {
		if got := <-hub.said; got != strconv.Itoa(i) {
			t.Fatalf("call %s ran as number %d", got, i)
		}
	}
}
