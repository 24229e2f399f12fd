package transport

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
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

// longAnswers are peers that answer for as long as the request lasts, or until the test lets them.
type longAnswers struct {
	oneOwner
	begun, end chan struct{}
}

func (l *longAnswers) Forward(_ http.ResponseWriter, r *http.Request, _, _ string, _ bool) (bool, bool) {
	l.begun <- struct{}{}
	select {
	case <-l.end:
	case <-r.Context().Done():
	}
	return true, false
}

func TestShutdownEndsEventStreamsOfOtherServersAndLetsTheirPollsEnd(t *testing.T) {
	peers := &longAnswers{begun: make(chan struct{}), end: make(chan struct{})}
	manager := NewManager(ManagerOptions{Tokens: everyToken{}, Peers: peers})
	endpoint := manager.NewEndpoint("echo", &echo{}, EndpointOptions{})
	ask := func(accept string) (status chan int) {
		request := httptest.NewRequest(http.MethodGet, "/hub?id=c", nil)
		request.Header.Set("Accept", accept)
		status = make(chan int, 1)
		go func() {
			answer := httptest.NewRecorder()
			endpoint.ServeHTTP(answer, request)
			status <- answer.Code
		}()
		within(t, "it is forwarded", peers.begun)
		return status
	}
	stream, poll := ask("text/event-stream"), ask("*/*")
	manager.Shutdown(t.Context())
	late := ask("text/event-stream")
	for _, stream := range []chan int{stream, late} {
		// An empty answer would be that of a stream which is over.
		if status := within(t, "the stream has ended", stream); status != http.StatusServiceUnavailable {
			t.Errorf("a stream that the owner had not begun was answered with %d", status)
		}
	}
	select {
	case <-poll:
		t.Error("the poll was cut")
	default:
	}
	close(peers.end)
	within(t, "the poll has ended", poll)
}

// within returns what comes, in time.
func within[T any](t *testing.T, what string, values <-chan T) T {
	t.Helper()
	select {
	case value := <-values:
		return value
	case <-time.After(patience):
		t.Fatalf("did not happen: %s", what)
		panic("unreachable")
	}
}
