package transport

import "time"

// arrive makes room for a connection that may come from another server. It reports false if there is none. Every arrival is
// followed by one call of arrived.
func (m *Manager) arrive() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refusal() != nil {
		return false
	}
	m.arriving++
	return true
}

func (m *Manager) arrived() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.arriving--
	m.noteEmpty()
}

// noteEmpty says that there is no connection left, if that is so and somebody waits for it. mu is held.
func (m *Manager) noteEmpty() {
	if m.emptied != nil && len(m.connections)+m.arriving == 0 {
		select {
		case <-m.emptied:
		default:
			close(m.emptied)
		}
	}
}

// drop takes a connection out of the table that has not ended.
func (m *Manager) drop(connection *Connection) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.connections[connection.token] == connection {
		delete(m.connections, connection.token)
	}
	m.noteEmpty()
}

// candidate is a connection that another server owns, for the case that this server gets it.
func (e *Endpoint) candidate(connectionID, token string, kind Kind, request *Request) *Connection {
	stateful := kind == WebSockets
	c := &Connection{
		manager: e.manager, endpoint: e, id: connectionID, token: token,
		negotiated: true, stateful: stateful, kind: kind, resumable: true, closeCode: CloseNormal,
	}
	c.request.Store(request)
	c.outbox.keep, c.outbox.corked = stateful, true
	c.outbox.limits = e.options.outboxLimits()
	return c
}

// adopt takes a connection from its owner, which offers it, for a poll of its client. It returns nil if it stays there.
func (x *exchange) adopt(connectionID, token, owner string) *Connection {
	manager := x.endpoint.manager
	if !manager.arrive() {
		return nil
	}
	defer manager.arrived()
	candidate := x.endpoint.candidate(connectionID, token, LongPolling, newRequest(x.request, x.user))
	if !x.endpoint.application.Adopt(x.request.Context(), candidate, owner) {
		return nil
	}
	return candidate
}

// Reserve makes requests of the candidate's client wait until Adopt or Withdraw: between the moment when this server becomes
// the owner and the one when it has the connection they would find that it does not exist.
func (c *Connection) Reserve() { c.reserved = c.manager.take(c.token) }

// Withdraw takes back Reserve, if it was called.
func (c *Connection) Withdraw() {
	if c.reserved != nil {
		c.reserved()
		c.reserved = nil
	}
}

// Adopt makes a candidate go on, with state, as a connection of this server. Its session must have what it needs: from now on
// requests find the connection.
func (c *Connection) Adopt(session Session, state State) {
	defer c.Withdraw()
	c.session, c.started, c.idleSince = session, state.Started, time.Now()
	c.outbox.restore(state.OutboxState)
	m := c.manager
	m.options.Observer.ConnectionStarted(c.kind)
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.ended, c.token)
	m.connections[c.token] = c
}

// become makes the client's socket that of a connection of this server.
func (t *tunnel) become(connection *Connection) {
	socket := newWebSocket(connection, t.client, t.early)
	_ = t.client.SetDeadline(time.Time{})
	if !connection.attach(socket, newRequest(t.request, t.user)) {
		socket.abort()
		return
	}
	t.manager.spawn(socket.start)
}
