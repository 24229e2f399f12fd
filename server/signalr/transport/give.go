package transport

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// The reasons for which a connection cannot be given to another server now.
var (
	// ErrAttached: a socket of its client is here.
	ErrAttached = errors.New("its client is connected here")
	// ErrMoving: it is being given away already.
	ErrMoving = errors.New("it is being given away already")
)

// handing is a connection's state while it is given to another server. Until the outcome is known nothing changes: no socket comes, no
// time runs out, and an end is put off.
type handing struct {
	// posted is closed when no POST is being received any more.
	posted chan struct{}
	// ended is set when the connection should have ended meanwhile, cause is why.
	ended bool
	cause error
}

// BeginGiving prepares a connection without a socket to be given to another server: no socket, poll or POST comes any more. Exactly
// one of KeepGiven and Given has to follow.
func (c *Connection) BeginGiving() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.handing != nil:
		return ErrMoving
	case c.state == stateDisposed || !c.moves():
		return ErrConnectionClosed
	case c.state != stateIdle:
		return ErrAttached
	}
	c.handing = &handing{posted: make(chan struct{})}
	if c.posts == 0 {
		close(c.handing.posted)
	}
	return nil
}

// moves tells whether the client's next socket, or its next poll, may be at another server. mu is held.
func (c *Connection) moves() bool { return c.kind == LongPolling || c.kind == WebSockets && c.stateful }

// AwaitPosts waits, after BeginGiving, until what the client was sending has been received.
func (c *Connection) AwaitPosts(ctx context.Context) error {
	c.mu.Lock()
	posted := c.handing.posted
	c.mu.Unlock()
	select {
	case <-posted:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// beginPost lets a POST in, which is followed by endPost. It reports false if the connection is on its way to another server.
func (c *Connection) beginPost() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaves() {
		return false
	}
	c.posts++
	return true
}

func (c *Connection) endPost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.posts--; c.posts == 0 && c.handing != nil {
		close(c.handing.posted)
	}
}

// leaves tells whether the connection is being given away, or has been. mu is held.
func (c *Connection) leaves() bool { return c.handing != nil || c.given }

// Divert sends those who can wait another way, with ErrDiverted, until it is taken back.
func (c *Connection) Divert(on bool) { c.outbox.divert(on) }

// Diverted tells whether they are.
func (c *Connection) Diverted() bool { return c.outbox.isDiverted() }

// State is what a connection leaves to the server that goes on with it.
type State struct {
	OutboxState
	// Started is when the client chose its transport.
	Started time.Time
}

// Export returns the state of a connection that is being given away. Nobody may send to it until the outcome is known.
func (c *Connection) Export() (State, error) {
	c.mu.Lock()
	started, usable := c.started, c.handing != nil && !c.handing.ended
	c.mu.Unlock()
	state, ok := c.outbox.export()
	if !ok || !usable {
		return State{}, ErrConnectionClosed
	}
	return State{OutboxState: state, Started: started}, nil
}

// KeepGiven says that the connection stays. Its client has the full time to come back.
func (c *Connection) KeepGiven() {
	c.mu.Lock()
	was := c.handing
	c.handing, c.idleSince = nil, time.Now()
	c.mu.Unlock()
	if was != nil && was.ended {
		c.dispose(was.cause)
	}
}

// Given says that another server has the connection. It ends here without a trace: its session is not told, and its token
// stays good.
func (c *Connection) Given() {
	c.mu.Lock()
	kind, started := c.kind, c.started
	c.handing, c.given, c.state = nil, true, stateDisposed
	c.mu.Unlock()
	c.manager.drop(c)
	c.outbox.close()
	c.manager.options.Observer.ConnectionEnded(kind, time.Since(started), nil)
}

// postpone puts off an end while the connection is given away: whose it will be decides whether it ends here. mu is held.
func (c *Connection) postpone(cause error) bool {
	if c.handing == nil {
		return false
	}
	if !c.handing.ended {
		c.handing.ended, c.handing.cause = true, cause
	}
	return true
}

// isLeaving tells whether the connection is being given away, or has been.
func (c *Connection) isLeaving() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leaves()
}

// settle decides whose a connection is that is being given away, for a request of its client that has come here: it is
// kept if that is still possible. What the client sends or ends by a POST or a DELETE does not say where the client is, and
// waits. here tells whether the connection is here; with an error nobody knows yet.
func (x *exchange) settle(connection *Connection) (here bool, err error) {
	peers := x.endpoint.manager.options.Peers
	switch {
	case !connection.isLeaving() || peers == nil:
		return true, nil
	case x.request.Method == http.MethodGet:
		return peers.Reclaim(x.request.Context(), connection.id)
	}
	return peers.Await(x.request.Context(), connection.id)
}

// settled is settle that returns the connection. If it is not here, or nobody knows where it is, it answers the request, or finds out
// who does, and returns what connection returns then.
func (x *exchange) settled(connection *Connection, token string) *Connection {
	here, err := x.settle(connection)
	switch {
	case err != nil && isWebSocketUpgrade(x.request):
		x.turnAway()
		return nil
	case err != nil && x.isPoll():
		x.respond(http.StatusOK, "") // the client comes again; after an error it would give up
		return nil
	case err != nil:
		x.respond(http.StatusServiceUnavailable, "")
		return nil
	case !here:
		return x.locate(token) // another server has it by now
	}
	return connection
}

// turnAway accepts a WebSocket and ends it at once: its client tries again, whereas one that is refused gives up its session.
func (x *exchange) turnAway() {
	if taken, err := x.upgrade(); err == nil {
		t := &tunnel{client: taken.net}
		x.endpoint.manager.spawn(t.finish)
	}
}
