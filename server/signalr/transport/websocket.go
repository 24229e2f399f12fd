package transport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/coder/websocket"

	"github.com/chatcluster/chatcluster/server/signalr/transport/frame"
)

// webSocket is one WebSocket of a connection. The websocket library answers the handshake only: its connections keep
// buffers of their own while nothing happens. Incoming frames are read as they come (package frame), and outgoing
// messages are written as they are, because their frames are shared by all connections.
type webSocket struct {
	connection *Connection
	net        net.Conn
	// raw is the descriptor for reads and writes that must not wait; nil with TLS, where only net can.
	raw     syscall.RawConn
	flusher *flusher
	frames  frame.Reader
	source  byteSource
	// heard is when the client last sent something; its reader alone uses it.
	heard time.Time
	// early are bytes that came with the request, until they are read.
	early []byte
	// leaving is set when this server has begun to end the socket (SendAway), and closed when the connection waits for
	// another one; the field is guarded by the connection's mu.
	leaving <-chan struct{}
	// forwarded is set if the socket came through another server.
	forwarded bool
}

// serveWebSocket opens a WebSocket, for a negotiated connection or, without an id, for one that skipped negotiation.
func (x *exchange) serveWebSocket() {
	if !x.allowsOrigin() { // first: what is refused shall leave nothing behind
		x.respond(http.StatusForbidden, "")
		return
	}
	connection := x.webSocketConnection()
	if connection == nil || !x.bind(connection, WebSockets) {
		return
	}
	if status := connection.reserve(); status != 0 {
		x.respond(status, "")
		return
	}
	socket, err := x.accept(connection)
	if err != nil {
		connection.release()
		if !connection.negotiated { // nobody can come back to it, so it shall not count until its time is over
			connection.Abort(nil)
		}
		return
	}
	if !connection.attach(socket, newRequest(x.request, x.user)) {
		socket.abort()
		return
	}
	x.endpoint.manager.spawn(socket.start)
}

func (x *exchange) webSocketConnection() *Connection {
	if token, ok := queryValue(x.query, "id"); ok && token != "" {
		return x.connection()
	}
	if !x.endpoint.options.Transports.Has(WebSockets) {
		x.respond(http.StatusNotFound, WebSockets.String()+bodyNotSupportedEnd)
		return nil
	}
	id := newID()
	connection, err := x.endpoint.manager.add(&Connection{endpoint: x.endpoint, id: id, token: id}, newRequest(x.request, x.user))
	switch {
	case errors.Is(err, errFull):
		x.refuseFull()
	case err != nil:
		x.respond(http.StatusServiceUnavailable, "")
	}
	return connection
}

// allowsOrigin refuses pages of foreign origins: browsers do not apply CORS to WebSockets, so the server has to.
func (x *exchange) allowsOrigin() bool {
	origin := x.request.Header.Get("Origin")
	if origin == "" {
		return true
	}
	if parsed, err := url.Parse(origin); err == nil && strings.EqualFold(parsed.Host, x.request.Host) {
		return true
	}
	allow := x.endpoint.options.AllowOrigin
	return allow != nil && allow(x.request, origin)
}

// accept answers the handshake and takes the connection from the HTTP server.
func (x *exchange) accept(connection *Connection) (*webSocket, error) {
	taken, err := x.upgrade()
	if err != nil {
		return nil, err
	}
	socket := newWebSocket(connection, taken.net, taken.early)
	socket.forwarded = isForwarded(x.request.Context())
	return socket, nil
}

// upgrade answers the handshake of a WebSocket. With an error the library has answered what was wrong with the request.
func (x *exchange) upgrade() (*takeover, error) {
	taken := &takeover{ResponseWriter: x.writer}
	_, err := websocket.Accept(taken, x.request, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // allowsOrigin has looked at it
		CompressionMode:    websocket.CompressionDisabled,
	})
	if taken.net == nil {
		return nil, fmt.Errorf("open a WebSocket: %w", err)
	}
	return taken, nil
}

func newWebSocket(connection *Connection, conn net.Conn, early []byte) *webSocket {
	socket := &webSocket{connection: connection, net: conn, early: early, flusher: connection.manager.flusher}
	if direct, ok := conn.(syscall.Conn); ok {
		socket.raw, _ = direct.SyscallConn()
	}
	return socket
}

var errTaken = errors.New("the connection is served without the library")

// takeover lets the websocket library answer a handshake, and keeps the connection that the library would make its own.
// What the library then says about that goes nowhere: the handshake has been answered.
type takeover struct {
	http.ResponseWriter
	net   net.Conn
	early []byte
}

// Hijack implements http.Hijacker.
func (t *takeover) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(t.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("take the connection from the HTTP server: %w", err)
	}
	if count := buffered.Reader.Buffered(); count > 0 {
		t.early = make([]byte, count)
		_, _ = io.ReadFull(buffered.Reader, t.early) // it is in memory already
	}
	t.net = conn
	return nil, nil, errTaken
}

// WriteHeader implements http.ResponseWriter.
func (t *takeover) WriteHeader(status int) {
	if t.net == nil {
		t.ResponseWriter.WriteHeader(status)
	}
}

// Write implements http.ResponseWriter.
func (t *takeover) Write(data []byte) (int, error) {
	if t.net != nil {
		return len(data), nil
	}
	return t.ResponseWriter.Write(data)
}

// abort implements attachment.
func (s *webSocket) abort() { _ = s.net.Close() }

func isWebSocketUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}
