// Package load drives hubs over raw WebSockets: it opens connections, sends broadcasts at a pace or in a closed
// loop, and accounts for every delivery.
package load

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/frame"
)

const (
	defaultHandshakeTimeout = 15 * time.Second
	// Each server core shakes hands with a few clients at a time; more would only fill its accept queue.
	parallelHandshakes = 16
	// A server drops a client that is silent for 30 seconds (ClientTimeoutInterval's default).
	defaultPingInterval = 10 * time.Second
	pingMessage         = `{"type":6}` + "\x1e"
	// The pings of one interval go out in so many steps, so that many connections do not ping all at once.
	pingSteps   = 100
	normalClose = 1000
)

// Options says where a swarm connects.
type Options struct {
	// URLs are the hubs, http://HOST:PORT/PATH; the connections are dealt to them in turn.
	URLs []string
	// Connections is how many are opened. At least 1.
	Connections int
	// HandshakeTimeout bounds the opening of one connection. 0: 15 seconds.
	HandshakeTimeout time.Duration
	// PingInterval is the time between two pings of a connection. 0: 10 seconds.
	PingInterval time.Duration
	// Portable reads with one goroutine per connection also where epoll is there (it costs more).
	Portable bool
}

func (o Options) withDefaults() Options {
	if o.HandshakeTimeout == 0 {
		o.HandshakeTimeout = defaultHandshakeTimeout
	}
	if o.PingInterval == 0 {
		o.PingInterval = defaultPingInterval
	}
	return o
}

// Swarm is a set of open connections, ended by Close or Drop. Its methods are for one goroutine.
type Swarm struct {
	options Options
	started time.Time
	clients []*client
	reader  reader
	tag     uint32 // of the next phase

	// mutex guards phase and the receiving side of every client. It is held while bytes that are in memory are
	// looked at, never while reading from or writing to the network.
	mutex        sync.Mutex
	phase        *phase
	disconnected int
	reason       error
	closing      bool

	stopPings context.CancelFunc
	pings     sync.WaitGroup
}

// reader waits for bytes on many connections and gives them to Swarm.receive.
type reader interface {
	// attach takes over conn, sets the client's socket, and from now on gives what arrives to Swarm.receive.
	attach(c *client, conn net.Conn) error
	// stop ends reading, waits for it to have ended, and closes all sockets.
	stop()
}

// socket is the sending side of a connection. Safe for concurrent use; a write is never mixed with another.
type socket interface {
	write(frames []byte) error
	// shut ends the connection; the reader releases it.
	shut()
}

// Connect opens the connections and keeps them alive until Close. On error nothing stays open.
func Connect(ctx context.Context, options Options) (*Swarm, error) {
	targets, err := parseTargets(options.URLs)
	if err != nil {
		return nil, err
	}
	if options.Connections < 1 {
		return nil, fmt.Errorf("%w: connections is %d, must be at least 1", ErrWorkload, options.Connections)
	}
	options = options.withDefaults()
	s := &Swarm{options: options, started: time.Now(), tag: randomTag(), clients: make([]*client, options.Connections)}
	s.phase = newPhase(s.tag)
	if s.reader, err = newReader(s, options.Portable); err != nil {
		return nil, err
	}
	for i := range s.clients {
		s.clients[i] = &client{swarm: s, index: i}
	}
	pings, stop := context.WithCancel(context.Background())
	s.stopPings = stop
	s.pings.Go(func() { s.keepAlive(pings) })
	if err := s.openAll(ctx, targets); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func randomTag() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:])
	return binary.BigEndian.Uint32(b[:])
}

func (s *Swarm) openAll(ctx context.Context, targets []target) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, parallelHandshakes)
	var opening sync.WaitGroup
	for i := range s.clients {
		slots <- struct{}{}
		opening.Go(func() {
			defer func() { <-slots }()
			if err := s.openOne(ctx, targets[i%len(targets)], s.clients[i]); err != nil {
				cancel(fmt.Errorf("connection %d of %d: %w", i+1, len(s.clients), err))
			}
		})
		if ctx.Err() != nil {
			break
		}
	}
	opening.Wait()
	return context.Cause(ctx)
}

func (s *Swarm) openOne(ctx context.Context, to target, c *client) error {
	c.address = to.address
	conn, err := s.open(ctx, to, c)
	if err != nil {
		return err
	}
	if err := s.reader.attach(c, conn); err != nil {
		return err
	}
	c.open.Store(true)
	return s.receive(c, nil) // a ping that came with the handshake is answered now
}

// now is the generator's clock in nanoseconds: monotonic, from 0.
func (s *Swarm) now() int64 { return int64(time.Since(s.started)) }

// receive takes bytes that arrived for c and does what they ask for. An error means that the connection is of no more use.
func (s *Swarm) receive(c *client, data []byte) error {
	s.mutex.Lock()
	c.now = s.now()
	err := c.frames.Feed(data, c)
	todo, current := c.takeReply(), s.phase
	s.mutex.Unlock()
	if err == nil && todo.pong != nil {
		err = c.socket.write(todo.pong)
	}
	if err == nil && todo.completed {
		s.call(c, current)
	}
	return err
}

// lose notes that a connection is gone and why.
func (s *Swarm) lose(c *client, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if c.lost != nil || s.closing {
		return
	}
	c.lost = fmt.Errorf("connection %d to %s: %w", c.index+1, c.address, err)
	s.disconnected++
	if s.reason == nil {
		s.reason = c.lost
	}
	if c.call != "" {
		c.call = ""
		s.phase.leave()
	}
}

// Disconnected is how many connections are gone, and why the first of them went.
func (s *Swarm) Disconnected() (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.disconnected, s.reason
}

// keepAlive sends each connection a ping per interval, spread over it.
func (s *Swarm) keepAlive(ctx context.Context) {
	ticker := time.NewTicker(max(s.options.PingInterval/pingSteps, time.Millisecond))
	defer ticker.Stop()
	for step := 0; ; step = (step + 1) % pingSteps {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for i := step; i < len(s.clients); i += pingSteps {
			if c := s.clients[i]; c.open.Load() {
				s.send(c, pingMessage)
			}
		}
	}
}

// send writes one hub message; a connection that cannot take it is lost.
func (s *Swarm) send(c *client, message string) bool {
	if err := c.socket.write(frame.Append(nil, frame.Text, frame.MaskKey(), []byte(message))); err != nil {
		s.lose(c, fmt.Errorf("send: %w", err))
		return false
	}
	return true
}

// Drop ends every connection without a goodbye, as a client that loses its network or is killed.
func (s *Swarm) Drop() {
	s.silence()
	s.reader.stop()
}

// silence ends what the swarm does by itself.
func (s *Swarm) silence() {
	s.stopPings()
	s.pings.Wait()
	s.mutex.Lock()
	s.closing = true
	s.mutex.Unlock()
}

// Close says goodbye on every connection and closes it.
func (s *Swarm) Close() {
	s.silence()
	goodbye := binary.BigEndian.AppendUint16(nil, normalClose)
	for _, c := range s.clients {
		if !c.open.Load() {
			continue
		}
		_ = c.socket.write(frame.Append(nil, frame.Close, frame.MaskKey(), goodbye)) // it may be gone already
	}
	s.reader.stop()
}
