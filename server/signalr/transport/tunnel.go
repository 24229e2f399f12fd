package transport

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/transport/frame"
)

// A client with stateful reconnect whose new socket reaches a server that does not own its connection is accepted at
// once: the first attempt that is refused would end its session, while after an accepted one it tries again for ever.
// Then the socket is tunnelled to the owner, whose state does not move.
const (
	// attachTimeout bounds one attempt, attachInterval is between two, holdTimeout bounds all of them. Then the client
	// tries elsewhere.
	attachTimeout  = 3 * time.Second
	attachInterval = 250 * time.Millisecond
	holdTimeout    = 12 * time.Second
	// holdPing is how often a client is told that the server lives while there is no owner yet.
	holdPing = 5 * time.Second
	// lingerTimeout is how long a socket that this server has ended waits for the client to end it too.
	lingerTimeout = time.Second
	// tunnelBuffer is for each direction of a tunnel.
	tunnelBuffer = 4096
	// maximumTunnels is how many sockets of one connection there may be: an honest client has one, and one more for each attempt that
	// it gave up without closing it.
	maximumTunnels = 16
	// maximumSilent is how many tunnels there may be whose clients have said nothing, where connections are not limited. Who has one
	// connection at a time may leave any number of them behind, each with a socket, a goroutine and the headers of its request.
	maximumSilent = 10_000
)

// tunnel is a client's socket whose connection another server owns.
type tunnel struct {
	manager      *Manager
	endpoint     *Endpoint
	request      *http.Request
	connectionID string
	token        string
	// user is whom the request came from, as the endpoint's Authenticate says, identity its name.
	user     any
	identity string
	client   net.Conn
	// early are bytes that the client has sent already.
	early []byte
	// asked is set when the owner has been asked for the connection.
	asked bool
	// place is where it is among the manager's silent ones, nil if it never was.
	place *list.Element
	// ctx ends with the tunnel's reason to be, cancel ends it by force.
	ctx    context.Context
	cancel context.CancelFunc
}

// hold accepts the WebSocket of a client whose connection is elsewhere, and finds its owner with the socket open.
func (x *exchange) hold(connectionID, token string) {
	taken, err := x.upgrade()
	if err != nil {
		return
	}
	t := &tunnel{
		manager: x.endpoint.manager, endpoint: x.endpoint, request: x.request, user: x.user,
		identity: IdentityOf(x.user), connectionID: connectionID, token: token, client: taken.net, early: taken.early,
	}
	t.ctx, t.cancel = context.WithCancel(context.WithoutCancel(x.request.Context()))
	if !t.manager.enter(t) {
		t.finish()
		return
	}
	t.manager.spawn(t.run)
}

// enter keeps a tunnel until it ends. It reports false when the manager has ended all of them.
func (m *Manager) enter(t *tunnel) bool {
	m.mu.Lock()
	if m.tunnels == nil {
		m.mu.Unlock()
		return false
	}
	m.tunnels[t] = nil
	m.enterOf(t)
	crowded := len(t.early) == 0 && m.enterSilent(t)
	m.mu.Unlock()
	if crowded {
		m.options.Observer.Refused(LimitSilentSockets)
	}
	return true
}

// enterOf ends the oldest of too many tunnels of one connection: the client knows best which of its sockets is alive, and must not have
// any number for one token. mu is held.
func (m *Manager) enterOf(t *tunnel) {
	if m.tunnelsOf == nil {
		m.tunnelsOf = make(map[string][]*tunnel)
	}
	of := m.tunnelsOf[t.connectionID]
	if len(of) == maximumTunnels {
		of[0].cancel()
		of = slices.Delete(of, 0, 1)
	}
	m.tunnelsOf[t.connectionID] = append(of, t)
}

// enterSilent ends the oldest of too many silent tunnels, whosever it is, and tells whether there were. A client that resumes is silent
// for a moment only. mu is held.
func (m *Manager) enterSilent(t *tunnel) (crowded bool) {
	most := m.options.MaximumConnections
	if most <= 0 {
		most = maximumSilent
	}
	if crowded = m.silent.Len() >= most; crowded {
		if oldest, ok := m.silent.Remove(m.silent.Front()).(*tunnel); ok {
			oldest.cancel()
		}
	}
	t.place = m.silent.PushBack(t)
	return crowded
}

// heard says that a tunnel is silent no more. It may have ended, or have been taken for one too many.
func (m *Manager) heard(t *tunnel) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t.place != nil {
		m.silent.Remove(t.place)
	}
}

// opened says that a tunnel has reached the owner.
func (m *Manager) opened(t *tunnel, out *outlet) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, present := m.tunnels[t]; present {
		m.tunnels[t] = out
	}
}

func (m *Manager) leave(t *tunnel) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.tunnels, t)
	of := slices.DeleteFunc(m.tunnelsOf[t.connectionID], func(other *tunnel) bool { return other == t })
	if len(of) == 0 {
		delete(m.tunnelsOf, t.connectionID)
	} else {
		m.tunnelsOf[t.connectionID] = of
	}
}

// endTunnels ends all tunnels, now and from now on. Their clients go on elsewhere.
func (m *Manager) endTunnels() {
	m.mu.Lock()
	tunnels := m.tunnels
	m.tunnels = nil
	m.mu.Unlock()
	for t := range tunnels {
		t.cancel()
	}
}

func (t *tunnel) run() {
	defer t.manager.leave(t)
	defer t.cancel()
	// A client that resumes says so at once. One that says nothing does not know itself that it has this socket: it must
	// be left open and silent, because a JavaScript client that loses it takes the loss for that of its next session.
	if err := t.listen(); err != nil {
		_ = t.client.Close()
		return
	}
	owner, adopted, err := t.attach()
	switch {
	case errors.Is(err, errEnded):
		t.refuse()
	case adopted != nil:
		t.become(adopted)
		return
	case err == nil:
		t.carry(owner)
	}
	t.finish()
}

// listen waits for the first bytes of the client.
func (t *tunnel) listen() error {
	if len(t.early) > 0 {
		return nil
	}
	defer t.manager.heard(t)
	stop := context.AfterFunc(t.ctx, func() { _ = t.client.SetReadDeadline(time.Now()) })
	defer stop()
	buffer := make([]byte, smallestRead)
	n, err := t.client.Read(buffer)
	t.early = buffer[:n]
	if n > 0 {
		return nil
	}
	return err
}

// errEnded says that there is no such connection any more.
var errEnded = errors.New("the connection has ended")

// attach tries to get the connection from its owner, or else to reach the owner, until it does or the client has been held for
// too long.
func (t *tunnel) attach() (owner io.ReadWriteCloser, adopted *Connection, err error) {
	ctx, cancel := context.WithTimeout(t.ctx, holdTimeout)
	defer cancel()
	pinged := time.Now()
	again := time.NewTicker(attachInterval)
	defer again.Stop()
	for {
		if adopted = t.present(); adopted == nil {
			adopted = t.tryAdopt(ctx)
		}
		if adopted != nil {
			return nil, adopted, nil
		}
		owner, err = t.tryAttach(ctx)
		if errors.Is(err, errEnded) {
			if adopted = t.present(); adopted != nil { // it came here while this socket looked for it elsewhere
				return nil, adopted, nil
			}
		}
		if err == nil || errors.Is(err, errEnded) {
			return owner, nil, err
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case now := <-again.C:
			if now.Sub(pinged) > holdPing {
				pinged = now
				t.ping()
			}
		}
	}
}

// present returns the connection if this server has it by now: another socket of the client may have been faster.
func (t *tunnel) present() *Connection {
	connection, _ := t.manager.known(t.token)
	if connection == nil || connection.endpoint.hub != t.endpoint.hub || IdentityOf(connection.Request().User) != t.identity {
		return nil
	}
	return connection
}

// tryAdopt asks the owner for the connection. It returns nil if this server does not get it.
func (t *tunnel) tryAdopt(ctx context.Context) *Connection {
	if t.asked || !t.manager.arrive() {
		return nil
	}
	defer t.manager.arrived()
	owner, _, err := t.manager.options.Peers.Locate(ctx, t.connectionID, false)
	if err != nil || owner == "" {
		return nil
	}
	t.asked = true // once for each socket: what stands in the way may take long, and the client waits
	candidate := t.endpoint.candidate(t.connectionID, t.token, WebSockets, newRequest(t.request, t.user))
	if !t.endpoint.application.Adopt(ctx, candidate, owner) {
		return nil
	}
	return candidate
}

func (t *tunnel) tryAttach(ctx context.Context) (io.ReadWriteCloser, error) {
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	peers := t.manager.options.Peers
	for range 2 { // the second time if the owner has gone meanwhile
		owner, _, err := peers.Locate(ctx, t.connectionID, false)
		if err != nil {
			return nil, fmt.Errorf("find the owner: %w", err)
		}
		if owner == "" {
			return nil, errEnded
		}
		attached, gone, err := peers.Attach(ctx, t.request, t.connectionID, owner)
		if err == nil || !gone {
			return attached, err
		}
	}
	return nil, errEnded
}

// ping tells the client that the server lives, in the protocol that its first message shows.
func (t *tunnel) ping() {
	isBinary := frame.Opcode(t.early[0]&0x0F) == frame.Binary
	if payload := t.endpoint.application.Ping(isBinary); payload != nil {
		_ = t.client.SetWriteDeadline(time.Now().Add(t.endpoint.options.TransportSendTimeout))
		_, _ = t.client.Write(payload.bytes) // one that is gone will be noticed
	}
}

// refuse tells the client that its session is over: with the next attempt it learns that the connection does not exist.
func (t *tunnel) refuse() {
	_ = t.client.SetWriteDeadline(time.Now().Add(lingerTimeout))
	_, _ = t.client.Write(frame.Append(nil, frame.Close, []byte{byte(CloseInternalError >> 8), byte(CloseInternalError & 0xFF)}))
}

// carry moves bytes both ways until either end is gone. What the owner has sent is written to its end.
func (t *tunnel) carry(owner io.ReadWriteCloser) {
	stop := context.AfterFunc(t.ctx, func() { _ = owner.Close() })
	defer stop()
	upward := make(chan struct{})
	t.manager.spawn(func() {
		defer close(upward)
		defer func() { _ = owner.Close() }()
		if _, err := owner.Write(t.early); err == nil {
			_, _ = io.CopyBuffer(writerOnly{owner}, readerOnly{t.client}, make([]byte, tunnelBuffer))
		}
	})
	out := &outlet{
		client: &patientWriter{conn: t.client, timeout: t.endpoint.options.TransportSendTimeout},
		shut:   func() { _ = owner.Close() }, opened: time.Now(),
	}
	t.manager.opened(t, out)
	_, _ = io.CopyBuffer(out, readerOnly{owner}, make([]byte, tunnelBuffer))
	closeWrite(t.client)
	_ = t.client.SetReadDeadline(time.Now().Add(lingerTimeout))
	<-upward
}

// finish ends the client's socket without a close frame, so that it tries elsewhere: with TCP's own end, after which what
// it still sends is read for a moment, because unread bytes would turn the end into a reset that overtakes what was sent.
func (t *tunnel) finish() {
	closeWrite(t.client)
	_ = t.client.SetReadDeadline(time.Now().Add(lingerTimeout))
	_, _ = io.Copy(io.Discard, t.client)
	_ = t.client.Close()
}

// patientWriter gives each write a time limit.
type patientWriter struct {
	conn    net.Conn
	timeout time.Duration
}

// Write implements io.Writer.
func (w *patientWriter) Write(data []byte) (int, error) {
	_ = w.conn.SetWriteDeadline(time.Now().Add(w.timeout))
	return w.conn.Write(data)
}

// readerOnly and writerOnly keep io.Copy from using ways of its own, with larger buffers.
type (
	readerOnly struct{ io.Reader }
	writerOnly struct{ io.Writer }
)
