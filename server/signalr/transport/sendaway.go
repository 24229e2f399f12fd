package transport

import (
	"context"
	"net"
	"time"
)

// SendAway ends the socket of a connection with stateful reconnect so that its client comes back with another one, to
// whichever server it gets. It is TCP's own end between two messages: after a close frame, or within a message, some clients
// give up their session. The connection waits for its client from before the client can notice. A poll is answered without a
// message; a client of long polling that has none here is away already. SendAway does not wait; it reports false if there is
// nothing of all that.
func (c *Connection) SendAway() bool {
	_, begun := c.sendAway()
	return begun
}

// Park does the same, for a client that has another socket elsewhere, and waits until the connection has none here.
func (c *Connection) Park(ctx context.Context) error {
	parked, _ := c.sendAway()
	if parked == nil {
		return ErrConnectionClosed
	}
	select {
	case <-parked:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// sendAway returns what is closed when the connection waits for its client, nil if it has no socket that can be ended, and
// whether this call has begun to end it.
func (c *Connection) sendAway() (parked <-chan struct{}, begun bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kind == LongPolling {
		return c.endPoll()
	}
	socket, ok := c.socket.(*webSocket)
	if !ok || !c.stateful || c.state != stateAttached {
		return nil, false
	}
	if socket.leaving == nil {
		leaving := make(chan struct{})
		socket.leaving, begun = leaving, true
		c.manager.spawn(func() { socket.leave(leaving) })
	}
	return socket.leaving, begun
}

// endPoll is sendAway for long polling. mu is held.
func (c *Connection) endPoll() (parked <-chan struct{}, begun bool) {
	pending, ok := c.socket.(*poll)
	switch {
	case ok && c.state == stateAttached:
		return pending.parked, pending.leave()
	case c.state == stateIdle && !c.leaves():
		already := make(chan struct{})
		close(already)
		return already, true
	}
	return nil, false
}

// leave ends the socket once the message that is being written is complete.
func (s *webSocket) leave(parked chan<- struct{}) {
	if written := s.connection.outbox.retire(s); written != nil {
		<-written
	}
	s.connection.park(s)
	close(parked)
	closeWrite(s.net)
	// The reader of the socket goes on, and drops what comes: bytes that nobody reads would turn the end into a reset.
	_ = s.net.SetReadDeadline(time.Now().Add(lingerTimeout))
}

// park makes the connection wait for its client, and stops listening to its socket: the client sends again what it has no
// acknowledgement for.
func (c *Connection) park(socket attachment) {
	c.receiving.Lock()
	if c.reader == socket {
		c.reader = nil
	}
	c.receiving.Unlock()
	c.detach(socket, true, nil)
}

// closeWrite ends what this side sends, and lets the other side go on.
func closeWrite(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		closeWrite(secure.NetConn())
	}
}

// Attached tells whether a socket or a request of the client is here, and whether it came through another server.
func (c *Connection) Attached() (attached, tunnelled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch socket := c.socket.(type) {
	case *webSocket:
		tunnelled = socket.forwarded
	case *poll:
		tunnelled = socket.forwarded
	}
	return c.state == stateAttached, tunnelled
}
