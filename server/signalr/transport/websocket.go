package transport

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

// webSocket is one WebSocket of a connection. Incoming frames, their masks and the control frames are the business of
// the websocket library; outgoing messages are written past it, because their frames are shared by all connections.
type webSocket struct {
	connection *Connection
	conn       *websocket.Conn
	net        net.Conn
	// raw is the descriptor for writes that must not wait; nil with TLS, where only net can write.
	raw     syscall.RawConn
	flusher *flusher
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
		return
	}
	if !connection.attach(socket, newRequest(x.request, x.user)) {
		_ = socket.conn.CloseNow()
		return
	}
	x.endpoint.manager.spawn(socket.readAll)
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

// The buffers of a WebSocket's reader and writer. They stay with an idle connection, so they are small: a longer
// message is read past the buffer, and only control frames, of 127 bytes at most, are written through it.
const (
	readBufferSize  = 512
	writeBufferSize = 144
)

func (x *exchange) accept(connection *Connection) (*webSocket, error) {
	socket := &webSocket{connection: connection, flusher: x.endpoint.manager.flusher()}
	conn, err := websocket.Accept(&hijackingWriter{ResponseWriter: x.writer, socket: socket}, x.request, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // allowsOrigin has looked at it
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(-1) // messages are cut anywhere: the session bounds hub messages, not WebSocket messages
	socket.conn = conn
	return socket, nil
}

// hijackingWriter gives the websocket library the connection with small buffers, and keeps the connection.
type hijackingWriter struct {
	http.ResponseWriter
	socket *webSocket
}

// Hijack implements http.Hijacker.
func (w *hijackingWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early := make([]byte, buffered.Reader.Buffered())
	_, _ = io.ReadFull(buffered.Reader, early) // it is in memory already
	w.socket.net = conn
	if direct, ok := conn.(syscall.Conn); ok {
		w.socket.raw, _ = direct.SyscallConn()
	}
	framed := &socketConn{Conn: conn, socket: w.socket, early: early}
	return framed, bufio.NewReadWriter(bufio.NewReaderSize(framed, readBufferSize), bufio.NewWriterSize(framed, writeBufferSize)), nil
}

// socketConn is the connection as the websocket library sees it: what it writes, control frames, takes its turn among
// the messages.
type socketConn struct {
	net.Conn
	socket *webSocket
	// early are bytes that came with the request.
	early []byte
}

// Read implements net.Conn.
func (c *socketConn) Read(buffer []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(buffer, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	return c.Conn.Read(buffer)
}

// Write implements net.Conn for whole control frames.
func (c *socketConn) Write(frame []byte) (int, error) {
	c.socket.connection.outbox.sendRaw(frame)
	return len(frame), nil
}

// hangUpTimeout is how long a close frame may take to be written before the socket is closed without.
const hangUpTimeout = time.Second

// Close implements net.Conn. It lets a control frame that was just written out first.
func (c *socketConn) Close() error {
	if written := c.socket.connection.outbox.hangUp(c.socket); written != nil {
		_ = c.SetWriteDeadline(time.Now().Add(hangUpTimeout))
		<-written
	}
	return c.Conn.Close()
}

// chunks are read buffers. Only a connection that has a message to read holds one.
var chunks = sync.Pool{New: func() any { return new([4096]byte) }}

// readAll moves what the client sends to the session until the socket ends.
func (s *webSocket) readAll() {
	err := s.read()
	_ = s.conn.CloseNow()
	graceful := websocket.CloseStatus(err) != -1
	s.connection.detach(s, !graceful, nil)
}

func (s *webSocket) read() error {
	for {
		_, message, err := s.conn.Reader(context.Background())
		if err != nil {
			return err
		}
		if err := s.receive(message); err != nil {
			return err
		}
	}
}

func (s *webSocket) receive(message io.Reader) error {
	chunk := chunks.Get().(*[4096]byte)
	defer chunks.Put(chunk)
	for {
		n, err := message.Read(chunk[:])
		if n > 0 {
			s.connection.receive(s, chunk[:n]) // a socket that has lost its connection is read to its end
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// abort implements attachment.
func (s *webSocket) abort() { _ = s.net.Close() }

func isWebSocketUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}
