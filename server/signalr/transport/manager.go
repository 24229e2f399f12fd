package transport

import (
	"container/list"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"runtime"
	"sync"
	"time"
)

// ManagerOptions are the settings that all connections of a server share. A zero duration means the default.
type ManagerOptions struct {
	// DisconnectTimeout is how long a negotiated connection may stay away before its first request, between two polls,
	// or between two sockets with stateful reconnect. Default 15 s.
	DisconnectTimeout time.Duration
	// Tokens makes and checks connection tokens. Required.
	Tokens Tokens
	// Peers are the servers among which clients' requests are spread. Default: this server gets all of them.
	Peers Peers
	// Observer is told about connections and bytes, for metrics. Default: nobody.
	Observer Observer
	// MaximumConnections is how many connections there may be; further ones are refused with status 503. Those that are
	// there may always come back with another socket. Default 0: any number. Silent sockets of clients whose connections other
	// servers own are as many at most, by default 10,000: the oldest makes room.
	MaximumConnections int
}

// Limit is something of which clients may not have, or do, as much as they like.
type Limit string

// The limits that clients run into.
const (
	LimitConnections Limit = "connections"
	// LimitNegotiations is kept by whoever serves the endpoint: it knows the addresses of clients.
	LimitNegotiations Limit = "negotiations"
	LimitMessageRate  Limit = "message_rate"
	LimitMessageSize  Limit = "message_size"
	LimitStreams      Limit = "streams"
	// LimitSilentSockets is of sockets that say nothing, of connections that other servers own.
	LimitSilentSockets Limit = "silent_sockets"
)

// Observer is told what happens on the transports. Its methods are called on the hot path, concurrently.
type Observer interface {
	// ConnectionStarted is called when a connection is bound to its transport.
	ConnectionStarted(kind Kind)
	// ConnectionEnded is called once for each of those; cause as for Session.Closed.
	ConnectionEnded(kind Kind, lasted time.Duration, cause error)
	// Sent and Received count the bytes of hub messages.
	Sent(kind Kind, messages, bytes int)
	Received(kind Kind, bytes int)
	// Refused is called when a client ran into a limit.
	Refused(limit Limit)
}

// Limits returns all limits.
func Limits() []Limit {
	return []Limit{LimitConnections, LimitNegotiations, LimitMessageRate, LimitMessageSize, LimitStreams, LimitSilentSockets}
}

// Manager owns the connections of one server: their table, their heartbeat and their goroutines.
type Manager struct {
	options ManagerOptions
	flusher *flusher
	stop    context.CancelFunc
	// relaying ends, with endRelays, the event streams of other servers' connections.
	relaying  context.Context //nolint:containedctx // a part of the lifetime of the manager
	endRelays context.CancelFunc
	// loops are the heartbeat and the flusher's workers, sockets the goroutines of single connections.
	loops, sockets sync.WaitGroup

	// mu guards what follows. It is never held while a connection's lock is taken.
	mu          sync.Mutex
	connections map[string]*Connection
	// ended are the tokens of ended connections until they would have expired: a token is used once.
	ended map[string]time.Time
	// seeking has a channel for each token whose owner a request is looking for, closed when it is done.
	seeking map[string]chan struct{}
	// tunnels are the sockets of clients whose connections other servers own, with what is written to each once it has
	// reached the owner; nil when there shall be no more.
	tunnels map[*tunnel]*outlet
	// tunnelsOf are the same by connection id, the oldest first.
	tunnelsOf map[string][]*tunnel
	// silent are those whose clients have said nothing, the oldest first.
	silent list.List
	// arriving is how many connections may be about to come from other servers; they count as present.
	arriving int
	// emptied is set when the manager takes no new connections, and closed when it has none left.
	emptied chan struct{}
}

// NewManager starts a manager; Shutdown ends it.
func NewManager(options ManagerOptions) *Manager {
	if options.DisconnectTimeout == 0 {
		options.DisconnectTimeout = 15 * time.Second
	}
	if options.Observer == nil {
		options.Observer = noObserver{}
	}
	ctx, stop := context.WithCancel(context.Background())
	m := &Manager{
		options: options, stop: stop, flusher: newFlusher(runtime.GOMAXPROCS(0)),
		connections: make(map[string]*Connection), ended: make(map[string]time.Time), seeking: make(map[string]chan struct{}),
		tunnels: make(map[*tunnel]*outlet),
	}
	m.relaying, m.endRelays = context.WithCancel(ctx)
	for range runtime.GOMAXPROCS(0) {
		m.loops.Go(func() { m.flusher.work(ctx) })
	}
	m.loops.Go(func() { m.beat(ctx) })
	return m
}

// Connections is the number of connections now.
func (m *Manager) Connections() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.connections)
}

// Shutdown refuses new connections, waits until those that have been finished are gone or ctx ends, cuts the others and
// waits for everything that the manager started. The tunnels and event streams of clients of other servers end at once.
func (m *Manager) Shutdown(ctx context.Context) {
	gone := m.refuse()
	m.endTunnels()
	m.endRelays()
	select {
	case <-gone:
	case <-ctx.Done():
	}
	for _, connection := range m.snapshot() {
		connection.Abort(nil)
	}
	m.sockets.Wait()
	m.stop()
	m.loops.Wait()
}

// refuse makes the manager take no new connections. The channel is closed when the last one is gone.
func (m *Manager) refuse() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.emptied == nil {
		m.emptied = make(chan struct{})
		m.noteEmpty()
	}
	return m.emptied
}

// beat is the one timer of all connections.
func (m *Manager) beat(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if m.options.Peers != nil && m.options.Peers.Doubt() != nil {
				continue // one that ended now would still act on what its client sent, although others may have given it up
			}
			for _, connection := range m.snapshot() {
				connection.heartbeat(now)
			}
			m.forgetEnded(now)
		}
	}
}

func (m *Manager) snapshot() []*Connection {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]*Connection, 0, len(m.connections))
	for _, connection := range m.connections {
		all = append(all, connection)
	}
	return all
}

func (m *Manager) forgetEnded(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for token, until := range m.ended {
		if now.After(until) {
			delete(m.ended, token)
		}
	}
}

// The reasons for which a request gets no connection.
var (
	errUnknownToken = errors.New("unknown connection token")
	errFull         = errors.New("as many connections as there may be")
	errClosing      = errors.New("no new connections any more")
)

// full tells whether there may be no further connection.
func (m *Manager) full() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.isFull()
}

// isFull is called with mu held.
func (m *Manager) isFull() bool {
	most := m.options.MaximumConnections
	return most > 0 && len(m.connections)+m.arriving >= most
}

// known returns the connection of a token, or whether it had one that has ended.
func (m *Manager) known(token string) (connection *Connection, ended bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ended = m.ended[token]
	return m.connections[token], ended
}

// room returns why there may be no further connection, nil if there may.
func (m *Manager) room() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refusal()
}

// refusal is room with mu held.
func (m *Manager) refusal() error {
	switch {
	case m.emptied != nil:
		return errClosing
	case m.isFull():
		return errFull
	}
	return nil
}

// add enters a connection into the table, unless a concurrent request with the same token was faster: then it returns
// that one.
func (m *Manager) add(connection *Connection, request *Request) (*Connection, error) {
	connection.manager, connection.idleSince, connection.closeCode = m, time.Now(), CloseNormal
	connection.request.Store(request)
	connection.outbox.corked = true
	connection.outbox.keep = connection.stateful
	connection.outbox.limits = connection.endpoint.options.outboxLimits()
	m.mu.Lock()
	defer m.mu.Unlock()
	if existing, ok := m.connections[connection.token]; ok {
		return existing, nil
	}
	if _, ended := m.ended[connection.token]; ended {
		return nil, errUnknownToken
	}
	if err := m.refusal(); err != nil {
		return nil, err
	}
	connection.session = connection.endpoint.application.Connect(connection)
	m.connections[connection.token] = connection
	return connection, nil
}

// remove takes an ended connection out of the table. Its token stays known until it cannot be used any more.
func (m *Manager) remove(connection *Connection) {
	if connection.negotiated {
		defer m.release(connection.id)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.connections, connection.token)
	m.noteEmpty()
	if connection.negotiated {
		m.ended[connection.token] = time.Now().Add(m.options.DisconnectTimeout)
	}
}

// spawn runs a connection's goroutine, which Shutdown waits for.
func (m *Manager) spawn(run func()) { m.sockets.Go(run) }

// newID returns a connection id: 16 random bytes as 22 characters, as ASP.NET Core makes them.
func newID() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // it never fails: see crypto/rand
	return base64.RawURLEncoding.EncodeToString(random[:])
}

type noObserver struct{}

func (noObserver) ConnectionStarted(Kind)                     {}
func (noObserver) ConnectionEnded(Kind, time.Duration, error) {}
func (noObserver) Sent(Kind, int, int)                        {}
func (noObserver) Received(Kind, int)                         {}
func (noObserver) Refused(Limit)                              {}
