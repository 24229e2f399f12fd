package signalr

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/protocol"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

var errNoEncoding = invalidOperation("This message was received from another server that did not have the requested protocol available.")

// phase is how far a connection has come.
type phase uint8

const (
	phaseHandshake phase = iota
	// phaseOpening: the handshake is done, the connection is being registered and OnConnected runs.
	phaseOpening
	phaseOpen
	phaseEnded
)

// connection is one client of a hub on this server.
type connection struct {
	hub       *Hub
	transport *transport.Connection
	// context ends with the connection.
	context context.Context
	cancel  context.CancelCauseFunc
	inbox   inbox
	items   Items
	// calls holds a token for each call that may run at a time, beyond streams.
	calls chan struct{}
	// dropped is closed when the server ends the connection: then calls that wait for their turn are not run.
	dropped  chan struct{}
	dropOnce sync.Once
	// finishOnce makes the first of those who end the connection say the last words.
	finishOnce sync.Once
	streams    streams
	// messages bounds what the client sends, nil for no bound.
	messages *rate.Limiter

	// protocolIndex and user are set by the handshake, before anyone else knows the connection.
	protocolIndex int
	user          string
	handshake     *time.Timer
	// unattached is set until the client has chosen its transport; as long it holds the inbox.
	unattached atomic.Bool
	// greeted is set when the client has been told that it is connected: from then on it expects pings, also while OnConnected runs.
	greeted atomic.Bool

	// position and groups belong to the index and are guarded by its lock.
	position int
	groups   map[string]struct{}

	keepAlive keepAlive
	sequence  sequence

	// unanswered are the calls that the client waits for.
	unanswered unanswered
	// activity is what runs for the connection, membership what changes its groups.
	activity   activity
	membership door
	// lost is set when the connection has ended here, not by going to another server: its client answers no call any more.
	lost atomic.Bool
	// willing is set when another server may have the connection if its client goes there.
	willing atomic.Bool
	// awaySince is when the client was last sent away, sentAway when by SendSomeAway, offered when its connection was last offered
	// to a server that got a poll, all in nanoseconds since 1970.
	awaySince, sentAway, offered atomic.Int64
	// departure is the present move to another server, or the one by which the connection has left; nil for none. arrival is the move by
	// which it came here, nil for none; it is set before anyone else knows the connection.
	departure atomic.Pointer[departure]
	arrival   *arrival
	// side takes messages for the connection while it moves, nil if it does not.
	side atomic.Pointer[sideBuffer]

	// mu guards what follows. No other lock is taken while it is held.
	mu    sync.Mutex
	phase phase
	ended bool
	cause error
	// cleanup is set if OnConnected succeeded, so that OnDisconnected is due.
	cleanup bool
}

func newConnection(hub *Hub, conn *transport.Connection) *connection {
	c := newMovedConnection(hub, conn)
	c.inbox.hold() // what comes before the client has chosen its transport waits for that
	c.unattached.Store(true)
	c.handshake = time.AfterFunc(hub.options.HandshakeTimeout, c.handshakeTimedOut)
	return c
}

// newMovedConnection makes a connection whose handshake was done at another server.
func newMovedConnection(hub *Hub, conn *transport.Connection) *connection {
	c := &connection{
		hub: hub, transport: conn, messages: newMessageLimit(&hub.options),
		calls: make(chan struct{}, hub.options.MaximumParallelInvocationsPerClient), dropped: make(chan struct{}),
	}
	c.context, c.cancel = context.WithCancelCause(context.Background())
	return c
}

func (c *connection) id() string { return c.transport.ID() }

func (c *connection) codec() protocol.Protocol { return c.hub.options.Protocols[c.protocolIndex] }

// Receive implements transport.Session.
func (c *connection) Receive(data []byte) <-chan struct{} {
	start, room := c.inbox.add(data)
	if start {
		c.start(c.dispatch)
	}
	return room
}

// Attached implements transport.Session.
func (c *connection) Attached() {
	if c.unattached.Swap(false) {
		c.letIn()
	}
}

// Closed implements transport.Session. What the client sent before it left is still acted on: it may have left because it
// was done.
func (c *connection) Closed(cause error) {
	if cause != nil {
		c.drop()
	}
	if cause != nil || c.unattached.Load() || !c.inbox.finish() {
		c.end(cause)
		return
	}
	c.cancel(context.Canceled) // calls that wait for their client shall not
}

// send encodes a message for this client and queues it. Errors of encoding are returned, the client's are not: who sends
// to a client that is gone has done nothing wrong.
func (c *connection) send(ctx context.Context, message protocol.Message) error {
	payload, err := c.hub.payload(c.protocolIndex, message)
	if err != nil {
		return err
	}
	_ = c.transport.SendWhenRoom(ctx, payload)
	return nil
}

// sendMessage queues a message that came from Clients, waiting while the client is behind. Its errors are those of
// transport.Connection.SendWhenRoom.
func (c *connection) sendMessage(ctx context.Context, message backplane.Message) error {
	payload := c.hub.invocationPayload(c.protocolIndex, message)
	if payload == nil {
		return errNoEncoding
	}
	return c.transport.SendWhenRoom(ctx, payload)
}

// sendAtOnce is sendMessage that does not wait. It reports false if the message has to wait, or to take another way.
func (c *connection) sendAtOnce(message backplane.Message) (sent bool, err error) {
	payload := c.hub.invocationPayload(c.protocolIndex, message)
	if payload == nil {
		return true, errNoEncoding
	}
	sent, err = c.transport.SendIfRoom(payload)
	return sent && !errors.Is(err, transport.ErrDiverted), err
}

// closeWithError ends the connection because of a fault, and invites the client to connect again.
func (c *connection) closeWithError(cause error) {
	text := c.hub.visibleText(textClosedWithError, cause)
	c.close(ending{close: protocol.Close{Error: text, AllowReconnect: true}, cause: cause})
}

// close ends the connection by the server's will.
func (c *connection) close(e ending) {
	c.drop()
	c.finish(e)
}

// finish ends the connection; calls that wait for their turn still get it.
func (c *connection) finish(e ending) {
	if leaving := c.departure.Load(); leaving != nil && leaving.postpone(func() { c.finish(e) }) {
		return
	}
	// The last words may have to wait until other servers know of the end. Others must not overtake them.
	c.finishOnce.Do(func() { c.transport.Finish(c.lastWords(e), transport.CloseNormal) })
	c.end(e.cause)
}

// drop gives up the calls that have not begun.
func (c *connection) drop() { c.dropOnce.Do(func() { close(c.dropped) }) }

// end is the end of the connection for the application, once; cause is nil if no fault led to it.
func (c *connection) end(cause error) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended, c.cause = true, cause
	previous := c.phase
	if previous != phaseOpening {
		c.phase = phaseEnded
	}
	c.mu.Unlock()
	if c.handshake != nil {
		c.handshake.Stop()
	}
	c.inbox.close()
	c.cancel(context.Canceled)
	// Before OnDisconnected: whoever waits for an answer may have what that waits for.
	c.lost.Store(true)
	c.hub.results.connectionEnded(c.id())
	if previous == phaseOpen {
		c.hub.running.Go(c.tearDown)
	}
	// A connection that is opening is torn down by open, when OnConnected has returned.
}

// tearDown runs what follows the end: OnDisconnected if it is due, then the connection is forgotten.
func (c *connection) tearDown() {
	c.streams.closeAll()
	if c.cleanup {
		c.hub.disconnected(c, c.cause)
	}
	c.hub.index.remove(c)
	c.hub.results.connectionEnded(c.id()) // nobody finds it any more
}

// advance moves from one phase to the next. It reports false if the connection is in another phase or has ended.
func (c *connection) advance(from, to phase) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		c.phase = phaseEnded
		return false
	}
	if c.phase != from {
		return false
	}
	c.phase = to
	return true
}

func (c *connection) phaseNow() phase {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase
}
