package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Network is how a server reaches its peers. All methods may be called concurrently.
type Network interface {
	// Owns asks a peer whether it owns a connection.
	Owns(ctx context.Context, peer Peer, connectionID string) (bool, error)
	// Forward lets the peer that owns a connection answer a request, streaming both ways. With takes set the peer may offer
	// the connection instead. With an error nothing has been answered: ErrGone, ErrNotOwner or ErrOffered, or that of a peer
	// that cannot be reached.
	Forward(w http.ResponseWriter, r *http.Request, peer Peer, connectionID string, takes bool) error
	// Attach lets the peer that owns a connection answer a client's request for a WebSocket, and returns what connects the
	// client's socket with it: the bytes of all frames. It ends with ctx only until then. Errors are as those of Forward.
	Attach(ctx context.Context, r *http.Request, peer Peer, connectionID string) (io.ReadWriteCloser, error)
	// Move takes a step of a move at a peer. Errors are as those of Forward; with another one than ErrGone and ErrNotOwner the
	// peer may have taken the step.
	Move(ctx context.Context, peer Peer, request MoveRequest) (MoveReply, error)
}

// The errors of a Network by which a member decides.
var (
	// ErrGone: there is no such server any more. Its address refuses connections, or is another server's.
	ErrGone = errors.New("the server does not exist any more")
	// ErrNotOwner: the server does not own the connection.
	ErrNotOwner = errors.New("the server does not own the connection")
	// ErrOffered: the server would rather give the connection away than answer.
	ErrOffered = errors.New("the server offers the connection")
	// ErrUndecided: neither the directory nor all peers could say who owns a connection.
	ErrUndecided = errors.New("who owns the connection cannot be found out now")
)

// MemberOptions are the settings of a Member.
type MemberOptions struct {
	// Self is this server. Required.
	Self Peer
	// Directory and Network join it with others. Required.
	Directory Directory
	Network   Network
	// Logger gets what operators should know. Default: nothing is logged.
	Logger *slog.Logger
	// Observer is told what happens, for metrics.
	Observer Observer
}

// Observer holds functions that a Member calls concurrently, any of which may be nil.
type Observer struct {
	// Attached: the socket of a client was connected to the server that owns its connection, or could not be.
	Attached func(done bool)
	// Forwarded: a request was answered by the server that owns its connection, or could not be.
	Forwarded func(answered bool)
	// Lost: a connection was given up because the server that owned it is gone.
	Lost func()
	// Moved: a connection was moved to this server, or was not for a reason (RefusedBecause); refused is "" if it was.
	Moved func(refused string, took time.Duration)
}

// Member is one of the servers that act as one: it knows which connections are its own, finds out who owns others, and
// lets their owners answer. It implements transport.Peers.
type Member struct {
	options MemberOptions
	logger  *slog.Logger
	// ended ends with Close, by stop.
	ended context.Context //nolint:containedctx // the life of the member, for what it does on its own
	stop  context.CancelFunc
	work  sync.WaitGroup
	// asserting has room for one request to assert all entries now, ending for one to look at what has ended, renewing for
	// one to be renewed at once.
	asserting, ending, renewing chan struct{}
	// ran is when this process is known to have run, renewed when the directory last heard of it.
	ran, renewed atomic.Pointer[time.Time]
	// doubt is the present one whether all connections are still this server's, nil for none.
	doubt atomic.Pointer[doubt]

	// mu guards what follows. It is not held over I/O.
	mu sync.Mutex
	// owned are the connections of this server and their epochs.
	owned map[string]int64
	// finished are the tombstones that are still to be written, overdue those that could not be.
	finished, overdue []tombstone
	// peers are the other servers as of the last renewal; they are asked when the directory does not know. vanished are those that were
	// in it, and when they were last: they are asked too, for LivenessTimeout.
	peers    []Server
	vanished map[Peer]time.Time
	// joined is when a server last came or went.
	joined time.Time
	// hints are owners of other connections as they were last found: a wrong one costs a round trip.
	hints map[string]Peer
	// abandon ends a connection that this server has lost; set by OnLost.
	abandon func(connectionID string)
	// load is what this server carries; set by Report.
	load func() Load
	// giver gives connections of this server to others, nil if none shall be; set by OnMove.
	giver Giver
	// givings and takings are the moves that are under way, from and to this server, by connection.
	givings map[string]*giving
	takings map[string]*taking
}

// The limits of what a member holds and does at a time.
const (
	directoryTimeout = 200 * time.Millisecond
	// claimTimeout is longer: when thousands connect at once, waiting for Redis is better than asking all peers for each.
	claimTimeout    = time.Second
	peersTimeout    = time.Second
	batchTimeout    = 5 * time.Second
	leaveTimeout    = 2 * time.Second
	batchSize       = 500
	maximumHints    = 16384
	maximumFinished = 100_000
	maximumVanished = 1024
)

// NewInstance returns an id for a process. It begins with the name of its machine, so that a person who looks at the
// directory sees which is which.
func NewInstance() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		name = "unknown"
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // it never fails: see crypto/rand
	return strings.ReplaceAll(name, " ", "-") + "_" + hex.EncodeToString(random[:])
}

// NewMember starts a member; Close ends it. It does not wait for the directory.
func NewMember(options MemberOptions) *Member {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Observer.Forwarded == nil {
		options.Observer.Forwarded = func(bool) {}
	}
	if options.Observer.Attached == nil {
		options.Observer.Attached = func(bool) {}
	}
	if options.Observer.Lost == nil {
		options.Observer.Lost = func() {}
	}
	if options.Observer.Moved == nil {
		options.Observer.Moved = func(string, time.Duration) {}
	}
	ctx, stop := context.WithCancel(context.Background())
	m := &Member{
		options: options, logger: options.Logger, ended: ctx, stop: stop,
		asserting: make(chan struct{}, 1), ending: make(chan struct{}, 1), renewing: make(chan struct{}, 1),
		owned: make(map[string]int64), hints: make(map[string]Peer), abandon: func(string) {}, load: func() Load { return Load{} },
		givings: make(map[string]*giving), takings: make(map[string]*taking), vanished: make(map[Peer]time.Time),
	}
	began := time.Now()
	m.ran.Store(&began)
	m.renewed.Store(&began)
	m.work.Go(func() { m.life(ctx) })
	m.work.Go(func() { m.renewals(ctx) })
	m.work.Go(func() { m.bookkeeping(ctx) })
	return m
}

// Self is this server as the others know it.
func (m *Member) Self() Peer { return m.options.Self }

// OnLost sets what is called, once for each, with connections that this server owned and that the others have given up
// because it was away for too long.
func (m *Member) OnLost(abandon func(connectionID string)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.abandon = abandon
}

// Report sets what tells, at each renewal, what this server carries. Until then it says nothing of it.
func (m *Member) Report(load func() Load) {
	m.mu.Lock()
	m.load = load
	m.mu.Unlock()
	m.RenewNow()
}

// RenewNow tells the others at once what they would else hear within RenewInterval.
func (m *Member) RenewNow() { signal(m.renewing) }

// Others are the other servers that live and what they carry, as of the last renewal, and how long it has been that none
// has come or gone.
func (m *Member) Others() (servers []Server, settled time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.peers), time.Since(m.joined)
}

// Reassert writes all entries of this server that the directory lacks: to be called when Redis may have lost some.
func (m *Member) Reassert() { signal(m.asserting) }

// Owns tells whether a connection is this server's.
func (m *Member) Owns(connectionID string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, owned := m.owned[connectionID]
	return owned
}

// Close writes the tombstones that are due, takes this server out of the directory and ends all that NewMember started.
// Who asks for a connection of this server from now on finds nobody. While the directory is away it waits for a moment
// only: what is left there has a life of its own.
func (m *Member) Close(ctx context.Context) {
	m.stop()
	m.work.Wait()
	m.endDoubt(m.doubt.Load())
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	if err := errors.Join(m.writeTombstones(ctx), m.writeOverdue(ctx), m.options.Directory.Leave(ctx, m.options.Self)); err != nil {
		m.logger.Warn("this server leaves without a word to the directory", "error", err)
	}
}

func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}
