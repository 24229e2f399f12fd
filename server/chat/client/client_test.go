package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chatcluster/chatcluster/server/chat"
	"github.com/chatcluster/chatcluster/server/chat/client"
	"github.com/chatcluster/chatcluster/server/signalr"
)

const patience = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve returns the address of a chat hub and the server that it belongs to.
func serve(t *testing.T) (string, *signalr.Server) {
	t.Helper()
	server, err := signalr.NewServer(signalr.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	hub, err := server.Hub(chat.DefaultName, &chat.Hub{ServerName: "one"}, signalr.HubOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	endpoint := hub.Endpoint(signalr.EndpointOptions{})
	mux.Handle("/chatHub", endpoint)
	mux.Handle("/chatHub/", endpoint)
	listener := httptest.NewServer(mux)
	t.Cleanup(func() {
		shutDown(t, server)
		listener.Close()
	})
	return listener.URL + "/chatHub", server
}

func shutDown(t *testing.T, server *signalr.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Errorf("shutting down: %v", err)
	}
}

func dial(t *testing.T, url string, onMessage func(client.Message)) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := client.Dial(ctx, url, client.Options{OnMessage: onMessage})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestWhatOneClientSaysTheOtherHears(t *testing.T) {
	url, _ := serve(t)
	heard := make(chan client.Message, 1)
	listener := dial(t, url, func(m client.Message) { heard <- m })
	speaker := dial(t, url, nil)
	if err := speaker.Send(t.Context(), "ann", "hello \x1e\u2028 world"); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-heard:
		if want := (client.Message{User: "ann", Text: "hello \x1e\u2028 world", Server: "one"}); got != want {
			t.Errorf("heard %+v, want %+v", got, want)
		}
	case <-time.After(patience):
		t.Fatal("nothing was heard")
	}
	if err := listener.Err(); err != nil {
		t.Errorf("a connection that lasts has the error %v", err)
	}
}

func TestAServerThatEndsSaysThatClientsMayComeBack(t *testing.T) {
	url, server := serve(t)
	c := dial(t, url, nil)
	shutDown(t, server)
	select {
	case <-c.Done():
	case <-time.After(patience):
		t.Fatal("the client did not notice the end")
	}
	var closed *client.CloseError
	if !errors.As(c.Err(), &closed) || !closed.AllowReconnect {
		t.Errorf("the connection ended with %v, want a CloseError that allows to reconnect", c.Err())
	}
	if err := c.Send(t.Context(), "ann", "too late"); !errors.As(err, &closed) {
		t.Errorf("sending on an ended connection gives %v, want why it ended", err)
	}
}

func TestCloseMayBeCalledTwiceAndEndsWaitingCalls(t *testing.T) {
	url, _ := serve(t)
	c := dial(t, url, nil)
	c.Close()
	c.Close()
	if err := c.Send(t.Context(), "ann", "too late"); !errors.Is(err, client.ErrClosed) {
		t.Errorf("sending after Close gives %v, want ErrClosed", err)
	}
}

func TestDialSaysWhatIsWrongWithTheAddress(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/html/negotiate", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) })
	mux.HandleFunc("/empty/negotiate", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) })
	mux.HandleFunc("/error/negotiate", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"error":"no more seats"}`))
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	for path, want := range map[string]string{
		"/none":  "the server answers 404",
		"/html":  "this is no SignalR server",
		"/empty": "this is no SignalR server",
		"/error": "no more seats",
	} {
		_, err := client.Dial(t.Context(), server.URL+path, client.Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("dialling %s gives %v, want it to say %q", path, err, want)
		}
	}
}
