package transport

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
)

// slowBurial are peers that let this server have every connection, and learn of its end when the test lets them.
type slowBurial struct {
	oneOwner
	entered, open chan struct{}
}

func (*slowBurial) Locate(context.Context, string, bool) (string, bool, error) { return "", true, nil }

func (s *slowBurial) End(string) {
	close(s.entered)
	<-s.open
}

func TestAClientThatComesBackLearnsOfTheEndAfterTheOtherServers(t *testing.T) {
	peers := &slowBurial{entered: make(chan struct{}), open: make(chan struct{})}
	manager := NewManager(ManagerOptions{Tokens: freshToken{}, Peers: peers})
	application := &echo{ended: make(chan error, 1)}
	endpoint := manager.NewEndpoint("echo", application, EndpointOptions{AllowStatefulReconnects: true})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = "id=c"
		endpoint.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		manager.Shutdown(context.Background())
		server.Close()
	})
	client := dial(t, server, masked(0x82, "begin")...)
	if _, payload := client.receive(t); payload != "begin" {
		t.Fatalf("the client got %q", payload)
	}
	manager.snapshot()[0].Finish(NewPayload([]byte("bye"), true), CloseNormal)
	<-peers.entered
	client.send(t, masked(0x82, "still here"))
	if _, payload := client.receive(t); payload != "still here" {
		t.Errorf("while the other servers did not know, the client got %q", payload)
	}
	close(peers.open)
	if _, payload := client.receive(t); payload != "bye" {
		t.Errorf("the client got %q", payload)
	}
	if first, _ := client.receive(t); first != 0x88 {
		t.Errorf("the client got a frame %x", first)
	}
}
