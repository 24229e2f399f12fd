package signalr_test

import (
	"context"
	"net/http/httptest"
	"testing"

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
	c.send(`{"type":1,"invocationId":"x","target":"Nope","arguments":[]}`) // answered once all before it has been read...
	_ = c.socket.CloseNow()                                                // ...but the client is gone
	close(hub.open)
	for _, want := range []string{"one", "two"} {
		if got := <-hub.said; got != want {
			t.Errorf("the hub heard %q, want %q", got, want)
		}
	}
}
