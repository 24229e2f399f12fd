package redistest

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy stands between a client and a server and is the network between them at its worst. All methods may be called
// concurrently.
type Proxy struct {
	// Address is where clients connect.
	Address string

	target   string
	listener net.Listener
	serving  sync.WaitGroup

	// mutex guards what follows; changed is closed, and replaced, at each change.
	mutex    sync.Mutex
	changed  chan struct{}
	ends     map[net.Conn]struct{}
	closed   bool
	cut      bool
	delay    time.Duration
	held     [2]bool
	watches  [2]*watch
	accepted int
}

// watch waits for bytes on their way.
type watch struct {
	mark []byte
	seen chan struct{}
}

// Direction is one of the two ways that bytes take through a Proxy.
type Direction int

// The directions.
const (
	ToServer Direction = iota
	ToClient
)

// StartProxy lets clients reach the server at target.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it lives as long as the test
	must(t, err)
	p := &Proxy{
		Address: listener.Addr().String(), target: target, listener: listener,
		changed: make(chan struct{}), ends: make(map[net.Conn]struct{}),
	}
	p.serving.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *Proxy) close() {
	p.change(func() { p.closed = true })
	_ = p.listener.Close()
	p.Drop()
	p.serving.Wait()
}

// change tells those who wait for something that it may be there.
func (p *Proxy) change(how func()) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	how()
	close(p.changed)
	p.changed = make(chan struct{})
}

// Delay holds every byte back for so long, in each direction.
func (p *Proxy) Delay(delay time.Duration) { p.change(func() { p.delay = delay }) }

// Hold lets nothing through in one direction. What is sent meanwhile comes after Release, as TCP does it.
func (p *Proxy) Hold(direction Direction) { p.change(func() { p.held[direction] = true }) }

// HoldAt is Hold from the moment on when bytes are to pass that contain mark: they are the first to be held. Then the channel
// is closed. What is looked for must have been written at once.
func (p *Proxy) HoldAt(direction Direction, mark string) (held <-chan struct{}) {
	seen := make(chan struct{})
	p.change(func() { p.watches[direction] = &watch{[]byte(mark), seen} })
	return seen
}

// spot ends a watch if it has waited for these bytes. mutex is held.
func (p *Proxy) spot(direction Direction, bytesThatCame []byte) {
	if w := p.watches[direction]; w != nil && bytes.Contains(bytesThatCame, w.mark) {
		p.held[direction], p.watches[direction] = true, nil
		close(w.seen)
	}
}

// Release ends Hold.
func (p *Proxy) Release(direction Direction) { p.change(func() { p.held[direction] = false }) }

// Cut ends all connections and lets nobody connect until Mend.
func (p *Proxy) Cut() {
	p.change(func() { p.cut = true })
	p.Drop()
}

// Mend ends Cut.
func (p *Proxy) Mend() { p.change(func() { p.cut = false }) }

// Drop ends all present connections.
func (p *Proxy) Drop() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for end := range p.ends {
		_ = end.Close()
	}
}

// Retarget sends those who connect from now on to another server.
func (p *Proxy) Retarget(target string) { p.change(func() { p.target = target }) }

// Accepted is how many connections there have been, those cut at once included.
func (p *Proxy) Accepted() int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.accepted
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.serving.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	p.mutex.Lock()
	p.accepted++
	cut, target := p.cut, p.target
	p.mutex.Unlock()
	if cut {
		return
	}
	server, err := net.DialTimeout("tcp", target, patience) //nolint:noctx // bounded by itself
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	if !p.add(client, server) {
		return
	}
	defer p.remove(client, server)
	var both sync.WaitGroup
	both.Go(func() { p.carry(ToServer, client, server) })
	both.Go(func() { p.carry(ToClient, server, client) })
	both.Wait()
}

func (p *Proxy) add(ends ...net.Conn) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.closed || p.cut {
		return false
	}
	for _, end := range ends {
		p.ends[end] = struct{}{}
	}
	return true
}

func (p *Proxy) remove(ends ...net.Conn) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, end := range ends {
		delete(p.ends, end)
	}
}

// chunk is what came in one piece.
type chunk struct {
	bytes []byte
	came  time.Time
}

// maxChunks is how many chunks are under way in a direction.
const maxChunks = 1024

// carry moves bytes one way until either end is closed, then closes both.
func (p *Proxy) carry(direction Direction, from, to net.Conn) {
	chunks := make(chan chunk, maxChunks)
	var writing sync.WaitGroup
	writing.Go(func() {
		defer func() { _, _ = from.Close(), to.Close() }()
		for next := range chunks {
			if !p.let(direction, next) {
				break
			}
			if _, err := to.Write(next.bytes); err != nil {
				break
			}
		}
		_, _ = from.Close(), to.Close()
		for range chunks { // the reader may be waiting for room
		}
	})
	for {
		buffer := make([]byte, 32<<10)
		n, err := from.Read(buffer)
		if n > 0 {
			chunks <- chunk{buffer[:n], time.Now()}
		}
		if err != nil {
			break
		}
	}
	close(chunks)
	writing.Wait()
}

// let waits until what came may pass; it reports false when the proxy is closed.
func (p *Proxy) let(direction Direction, next chunk) bool {
	for {
		p.mutex.Lock()
		p.spot(direction, next.bytes)
		closed, held, wait, changed := p.closed || p.cut, p.held[direction], time.Until(next.came.Add(p.delay)), p.changed
		p.mutex.Unlock()
		switch {
		case closed:
			return false
		case held:
			<-changed
		case wait > 0:
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-changed:
			}
			timer.Stop()
		default:
			return true
		}
	}
}
