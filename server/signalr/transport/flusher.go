package transport

import (
	"context"
	"sync"
	"time"
)

// flusher writes to the WebSockets that have something to send, one after the other, without ever waiting for one:
// what a socket does not take at once is written by a goroutine of its own. So the many deliveries of one broadcast
// cost one goroutine switch, not one each, and messages that come in while others are written share the next write.
type flusher struct {
	signal chan struct{}

	// mu guards ready.
	mu    sync.Mutex
	ready []*webSocket
}

func newFlusher() *flusher { return &flusher{signal: make(chan struct{}, 1)} }

// add enters a socket, which its outbox does at most once until the socket has found nothing to take.
func (f *flusher) add(socket *webSocket) {
	f.mu.Lock()
	first := len(f.ready) == 0
	f.ready = append(f.ready, socket)
	f.mu.Unlock()
	if !first {
		return
	}
	select {
	case f.signal <- struct{}{}:
	default:
	}
}

func (f *flusher) run(ctx context.Context) {
	var sockets []*webSocket
	var passes passes
	writer := newNonblockingWriter()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.signal:
		}
		for {
			passes.begin()
			sockets = f.take(sockets)
			if len(sockets) == 0 {
				break
			}
			for i, socket := range sockets {
				sockets[i] = nil
				socket.flush(writer)
			}
			passes.end()
		}
	}
}

// take returns the sockets that have something to send and keeps the list used for those to come.
func (f *flusher) take(used []*webSocket) []*webSocket {
	f.mu.Lock()
	defer f.mu.Unlock()
	sockets := f.ready
	f.ready = used[:0]
	return sockets
}

// passes makes a flusher that is under load give way before each of its passes over the sockets to all that is ready to
// run. A write costs about the same for one message as for twenty, so what others have ready to send now is worth more in
// this pass than in one of its own: under load most writes are saved. Where nobody is ready, and without load, a pass
// begins at once. No clock is waited for.
type passes struct {
	begun, ended time.Time
}

// begin begins a pass. Load is when the pause since the last one was no longer than the pass.
func (p *passes) begin() {
	now := time.Now()
	if now.Sub(p.ended) < p.ended.Sub(p.begun) {
		giveWay()
		now = time.Now()
	}
	p.begun = now
}

// end ends a pass.
func (p *passes) end() { p.ended = time.Now() }
