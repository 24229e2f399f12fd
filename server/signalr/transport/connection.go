package transport

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Session is what the application keeps for a connection. Its methods are called by the transport.
type Session interface {
	// Receive takes bytes that the client sent, in order, cut anywhere. It copies what it keeps and does not block. A
	// channel that it returns is closed when there is room for more: until then the client shall wait. It is called by
	// one goroutine at a time.
	Receive(data []byte) (room <-chan struct{})
	// Attached is called when a connection that Connect has begun gets its first socket or poll: its Kind is known from now on. What the
	// client POSTs before comes by Receive before. It must not block.
	Attached()
	// Resume is called when a client with stateful reconnect is back on another socket. What Receive got and could not
	// use yet will be sent again. It returns the maker of what is to be written first: it gets the number of the
	// message that will follow. Receive is not called meanwhile.
	Resume() func(number int64) []*Payload
	// Heartbeat is called about once a second.
	Heartbeat(now time.Time)
	// Closed is called once, when the connection has ended; cause is nil for an end without a fault. It must not block.
	Closed(cause error)
}

// Application makes sessions.
type Application interface {
	// Connect is called when the first request of a connection arrives. It must not block.
	Connect(connection *Connection) Session
	// Adopts tells whether this server takes connections from others now.
	Adopts() bool
	// Adopt gets a candidate, a connection that owner has, for this server: the client's new socket, or its poll, is here. It
	// returns true once it has called candidate.Adopt, and false if everything stays as it is.
	Adopt(ctx context.Context, candidate *Connection, owner string) bool
	// Ping returns a message that tells a client only that the server lives, in its binary or its text protocol; nil if
	// there is none.
	Ping(isBinary bool) *Payload
}

type connectionState uint8

const (
	// stateIdle: nothing is attached, between negotiation and the first request, or between two sockets or polls.
	stateIdle connectionState = iota
	// stateAttaching: a request is on its way to become the socket.
	stateAttaching
	stateAttached
	stateDisposed
)

// Connection is the server's end of one client connection. It outlives its sockets when stateful reconnect is on.
type Connection struct {
	manager  *Manager
	endpoint *Endpoint
	id       string
	token    string
	// negotiated tells whether token was issued, so that it must not be used again.
	negotiated bool
	request    atomic.Pointer[Request]
	session    Session
	outbox     outbox

	// receiving guards reader, and makes those who receive take turns. It is taken before mu.
	receiving sync.Mutex
	// reader is the WebSocket whose bytes count; nil when any POST's do.
	reader attachment
	// posting makes POSTs take turns. It is taken before receiving.
	posting sync.Mutex

	// mu guards what follows. outbox.mu may be taken while it is held, not the other way round.
	mu       sync.Mutex
	kind     Kind
	started  time.Time
	state    connectionState
	stateful bool
	// socket is what is attached, resumable whether there was one before.
	socket    attachment
	resumable bool
	// breakage is that of socket, when it cannot be written to.
	breakage breakage
	// idleSince is when nothing was attached any more.
	idleSince time.Time
	// closeCode is the WebSocket close code of a connection that ends by the server's will.
	closeCode uint16
	// handing is set while the connection is given to another server, given when that has it.
	handing *handing
	given   bool
	// posts counts the POSTs that are being received.
	posts int
	// reserved lets other requests of a candidate's client go on; the goroutine that adopts it uses it alone.
	reserved func()
}

// attachment is the socket or request to which a connection is bound now.
type attachment interface {
	sink
	// abort cuts the transport at once.
	abort()
}

// ID is the public connection id.
func (c *Connection) ID() string { return c.id }

// Kind is the transport, chosen by the client's first GET; 0 before.
func (c *Connection) Kind() Kind {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kind
}

// Request is the request that made or last resumed the connection.
func (c *Connection) Request() *Request { return c.request.Load() }

// Stateful tells whether the connection survives the loss of its socket.
func (c *Connection) Stateful() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stateful
}

// DisableStateful makes the connection an ordinary one, for a client whose handshake does not support more.
func (c *Connection) DisableStateful() {
	c.mu.Lock()
	c.stateful = false
	c.mu.Unlock()
	c.outbox.discardKept()
}

// Send queues a message and never waits. Its errors are ErrConnectionClosed and ErrSlowClient; after the latter the
// connection ends, because its client has lost a message.
func (c *Connection) Send(payload *Payload) error {
	err := c.outbox.send(payload)
	if errors.Is(err, ErrSlowClient) {
		c.Abort(ErrSlowClient)
	}
	return err
}

// SendWhenRoom queues a message after waiting until the client has taken most of what was queued before. Its errors
// are ErrConnectionClosed, ErrDiverted while the connection is moving, and the cause of ctx.
func (c *Connection) SendWhenRoom(ctx context.Context, payload *Payload) error {
	return c.outbox.sendWhenRoom(ctx, payload)
}

// SendIfRoom is SendWhenRoom that does not wait. It reports false if it would have to.
func (c *Connection) SendIfRoom(payload *Payload) (sent bool, err error) {
	room, err := c.outbox.sendIfRoom(payload)
	return room == nil, err
}

// SendControl queues a message that is not numbered (Ping, Ack) ahead of those that are.
func (c *Connection) SendControl(payload *Payload) { c.outbox.sendControl(payload) }

// Start lets messages go out, first before all those that were sent already.
func (c *Connection) Start(first *Payload) { c.outbox.uncork(first) }

// Acknowledge forgets the messages up to number: the client has them.
func (c *Connection) Acknowledge(number int64) { c.outbox.acknowledge(number) }

// Withheld tells whether messages wait only for acknowledgements of the client, and the number up to which it has acknowledged.
func (c *Connection) Withheld() (waiting bool, acknowledged int64) { return c.outbox.withheld() }

// Idle tells whether everything that was sent has been taken by the transport.
func (c *Connection) Idle() bool { return c.outbox.idle() }

// The WebSocket close codes that a server uses (RFC 6455, section 7.4.1).
const (
	CloseNormal        uint16 = 1000
	CloseInternalError uint16 = 1011
)

// Finish ends the connection by the server's will: what is queued is still written, then last (which may be nil), then
// the transport ends, a WebSocket with the close code. A connection to which nothing is attached ends at once.
func (c *Connection) Finish(last *Payload, code uint16) {
	c.mu.Lock()
	c.closeCode = code
	comesBack := c.stateful && c.kind == WebSockets
	c.stateful = false
	attached := c.state != stateIdle || c.kind == LongPolling
	c.mu.Unlock()
	switch {
	case !attached:
		c.outbox.finish(last)
		c.dispose(nil)
	case comesBack && c.negotiated && c.manager.options.Peers != nil:
		// Microsoft's JavaScript client opens a connection once more that was closed, beside the next one, and takes
		// what comes there for the next one's: every server must refuse it by then.
		c.manager.spawn(func() {
			c.manager.options.Peers.End(c.id)
			c.outbox.finish(last)
		})
	default:
		c.outbox.finish(last)
	}
}

// Abort ends the connection at once; what is queued is lost.
func (c *Connection) Abort(cause error) {
	c.mu.Lock()
	socket := c.socket
	c.mu.Unlock()
	c.dispose(cause)
	if socket != nil {
		socket.abort()
	}
}

// receive hands bytes from socket, nil for a POST, to the session and waits until there is room for more. It reports
// false, and drops the bytes, if the socket is not the connection's any more or the connection has ended.
func (c *Connection) receive(socket attachment, data []byte) bool {
	c.receiving.Lock()
	if c.reader != socket || c.disposed() {
		c.receiving.Unlock()
		return false
	}
	if kind := c.Kind(); kind != 0 { // a POST may come before the client has chosen its transport
		c.manager.options.Observer.Received(kind, len(data))
	}
	room := c.session.Receive(data)
	c.receiving.Unlock()
	if room != nil {
		select {
		case <-room:
		case <-c.unwritable(socket):
		}
	}
	return true
}

func (c *Connection) disposed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == stateDisposed
}

// reserve prepares for a socket. It returns the HTTP status with which to refuse it, 0 if it may come.
func (c *Connection) reserve() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state == stateDisposed:
		return http.StatusNotFound
	case c.stateful:
		return 0 // the latest socket wins: the client knows best which one is dead
	case c.state != stateIdle:
		return http.StatusConflict
	}
	c.state = stateAttaching
	return 0
}

// release takes back what reserve did for a socket that did not come about.
func (c *Connection) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == stateAttaching {
		c.state = stateIdle
	}
}

// attach binds the connection to a socket, instead of the one before if there is one. It reports false if the
// connection has ended meanwhile, or is on its way to another server.
func (c *Connection) attach(socket attachment, request *Request) bool {
	c.receiving.Lock()
	defer c.receiving.Unlock()
	c.mu.Lock()
	if c.state == stateDisposed || c.handing != nil {
		c.mu.Unlock()
		return false
	}
	previous, resumed := c.socket, c.resumable
	kind := c.kind
	c.state, c.socket, c.resumable = stateAttached, socket, true
	c.breakage.happen() // for those who still read from the one before
	c.breakage = breakage{}
	c.mu.Unlock()
	if previous != nil {
		c.outbox.detach(previous)
		previous.abort()
	}
	switch {
	case kind == WebSockets && resumed:
		c.request.Store(request)
		c.outbox.rewind(c.session.Resume())
	case kind == LongPolling:
		c.renewUser(request)
	}
	if kind == WebSockets {
		c.reader = socket
	}
	c.outbox.attach(socket)
	if !resumed {
		c.session.Attached()
	}
	return true
}

// renewUser takes over whom a poll comes from, because each may bring a new token; all else is as the first had it.
func (c *Connection) renewUser(poll *Request) {
	renewed := *c.request.Load()
	renewed.User = poll.User
	c.request.Store(&renewed)
}

// detach is called when socket has ended. The connection waits for another one if it may, else it ends with cause.
func (c *Connection) detach(socket attachment, mayReturn bool, cause error) {
	c.outbox.detach(socket)
	c.mu.Lock()
	if c.socket != socket {
		c.mu.Unlock()
		return
	}
	c.socket = nil
	wait := mayReturn && c.state == stateAttached && (c.stateful || c.kind == LongPolling)
	if wait {
		c.state, c.idleSince = stateIdle, time.Now()
	}
	c.mu.Unlock()
	if !wait {
		c.dispose(cause)
	}
}

// code is the WebSocket close code with which to end.
func (c *Connection) code() uint16 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closeCode
}

// dispose ends the connection for good, once.
func (c *Connection) dispose(cause error) {
	c.mu.Lock()
	if c.state == stateDisposed || c.postpone(cause) {
		c.mu.Unlock()
		return
	}
	c.state = stateDisposed
	kind, started := c.kind, c.started
	c.mu.Unlock()
	c.manager.remove(c)
	c.outbox.close()
	if kind != 0 {
		c.manager.options.Observer.ConnectionEnded(kind, time.Since(started), cause)
	}
	c.session.Closed(cause)
}

// heartbeat ends the connection if its client stayed away too long.
func (c *Connection) heartbeat(now time.Time) {
	c.mu.Lock()
	if c.handing != nil {
		c.mu.Unlock()
		return
	}
	expired := c.state == stateIdle && now.Sub(c.idleSince) > c.manager.options.DisconnectTimeout
	c.mu.Unlock()
	if expired {
		c.dispose(nil)
		return
	}
	c.session.Heartbeat(now)
}
