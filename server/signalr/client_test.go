package signalr_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/chatcluster/chatcluster/server/signalr"
)

// patience bounds every wait of the tests: far more than anything takes.
const patience = 10 * time.Second

// startHub serves a hub on a server of its own, at the root of the returned address.
func startHub(t *testing.T, value any, hub signalr.HubOptions, endpoint signalr.EndpointOptions) (*signalr.Hub, string) {
	t.Helper()
	server, registered, address := startServer(t, value, hub, endpoint)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return registered, address
}

// startServer is startHub for tests that end the server themselves.
func startServer(
	t *testing.T, value any, hub signalr.HubOptions, endpoint signalr.EndpointOptions,
) (server *signalr.Server, registered *signalr.Hub, address string) {
	t.Helper()
	server, err := signalr.NewServer(signalr.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	registered, err = server.Hub("Test", value, hub)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(registered.Endpoint(endpoint))
	t.Cleanup(web.Close)
	return server, registered, web.URL
}

// client speaks the JSON protocol over a WebSocket, by hand.
type client struct {
	t       *testing.T
	socket  *websocket.Conn
	pending []string
}

// dial opens a WebSocket without negotiation.
func dial(t *testing.T, address string) *client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	socket.SetReadLimit(-1)
	t.Cleanup(func() { _ = socket.CloseNow() })
	return &client{t: t, socket: socket}
}

// connect opens a WebSocket and completes the handshake.
func connect(t *testing.T, address string) *client {
	t.Helper()
	c := dial(t, address)
	c.send(`{"protocol":"json","version":1}`)
	c.expect(`{}`)
	return c
}

// send sends messages, each as the text without its separator, in one WebSocket message.
func (c *client) send(messages ...string) {
	c.t.Helper()
	if err := c.trySend(messages...); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// trySend is send for goroutines that must not end the test.
func (c *client) trySend(messages ...string) error {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	return c.socket.Write(ctx, websocket.MessageText, []byte(strings.Join(messages, "\x1e")+"\x1e"))
}

// receive returns the next message without its separator; "" and the error when the socket has ended.
func (c *client) receive() (string, error) {
	for len(c.pending) == 0 {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		_, data, err := c.socket.Read(ctx)
		cancel()
		if err != nil {
			return "", err
		}
		text, complete := strings.CutSuffix(string(data), "\x1e")
		if !complete {
			c.t.Errorf("a WebSocket message does not end with a hub message: %q", data)
		}
		c.pending = strings.Split(text, "\x1e")
	}
	message := c.pending[0]
	c.pending = c.pending[1:]
	return message, nil
}

// expect fails the test unless the next messages are these.
func (c *client) expect(messages ...string) {
	c.t.Helper()
	for _, want := range messages {
		got, err := c.receive()
		if err != nil {
			c.t.Fatalf("receive: %v, want %s", err, want)
		}
		if got != want {
			c.t.Fatalf("received %s, want %s", got, want)
		}
	}
}

// expectClose fails the test unless the socket is closed next, with that code.
func (c *client) expectClose(code websocket.StatusCode) {
	c.t.Helper()
	message, err := c.receive()
	if err == nil {
		c.t.Fatalf("received %s, want the end", message)
	}
	if got := websocket.CloseStatus(err); got != code {
		c.t.Fatalf("closed with %d (%v), want %d", got, err, code)
	}
}
