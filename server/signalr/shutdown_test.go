package signalr_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/chatcluster/chatcluster/server/signalr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
	server, err := signalr.NewServer(signalr.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	registered, err := server.Hub("Gate", hub, signalr.HubOptions{})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(registered.Endpoint(signalr.EndpointOptions{}))
	defer web.Close()
	c := connect(t, web.URL)
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
	go func() {
		for i := range calls {
			c.send(fmt.Sprintf(`{"type":1,"target":"Say","arguments":["%d"]}`, i))
		}
	}()
	for i := range calls {
		if got := <-hub.said; got != strconv.Itoa(i) {
			t.Fatalf("call %s ran as number %d", got, i)
		}
	}
}
