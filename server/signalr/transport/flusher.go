package transport

import (
	"context"
	"sync"
	"time"
)

// flusher writes to the WebSockets that have something to send, one after the other, without ever waiting for one:
// what a socket does not take at once is written by a goroutine of its own. So the many deliveries of one broadcast
// cost one goroutine switch, not one each, and messages that come in while others are written share the next write.
//
// It has several workers, but one goes over the sockets alone as long as they are few: two would share the sockets, meet
// half of the messages each, and write twice.
type flusher struct {
	// signal wakes a worker. It has room for all of them.
	signal chan struct{}

	// mu guards ready and active.
	mu    sync.Mutex
	ready []*webSocket
	// active is how many workers are at work or have been woken.
	active int
}

// share is how many sockets a worker goes over in one pass; when more are ready another worker helps.
const share = 256

func newFlusher(workers int) *flusher { return &flusher{signal: make(chan struct{}, workers)} }

// add enters a socket, which its outbox does at most once until the socket has found nothing to take.
func (f *flusher) add(socket *webSocket) {
	f.mu.Lock()
	f.ready = append(f.ready, socket)
	needed := f.active < cap(f.signal) && len(f.ready) > f.active*share
	if needed {
		f.active++
	}
	f.mu.Unlock()
	if needed {
		f.signal <- struct{}{}
	}
}

// work is one worker.
func (f *flusher) work(ctx context.Context) {
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
			if sockets = f.take(sockets); len(sockets) == 0 {
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

// take returns the sockets of the next pass, in a list that was used before. A worker that gets none has to rest.
func (f *flusher) take(used []*webSocket) []*webSocket {
	f.mu.Lock()
	defer f.mu.Unlock()
	count := min(len(f.ready), share)
	if count == 0 {
		f.active--
	}
	used = append(used[:0], f.ready[:count]...)
	left := copy(f.ready, f.ready[count:])
	clear(f.ready[left:])
	f.ready = f.ready[:left]
	return used
}

// passes makes a worker that is under load give way before each of its passes over the sockets to all that is ready to
// run. A write costs about the same for one message as for twenty, so what others have ready to send now is worth more in
// this pass than in one of its own: under load most writes are saved. Where nobody is ready, and without load, a pass
// begins at once. No clock is waited for.
type passes struct {
	begun, ended time.Time
}

// hops are those whose turn it may be in a row before a client's message is ready to be sent: the dispatcher of the call,
// Redis and the subscriber.
const hops = 3

// longestWay is for how long a worker gives way at most, but for the turn of the last to whom it did: when others take the
// processor for longer, they have work of their own to do.
const longestWay = time.Millisecond

// begin begins a pass. Load is when the pause since the last one was no longer than the pass.
func (p *passes) begin() {
	now := time.Now()
	if now.Sub(p.ended) < p.ended.Sub(p.begun) {
		until := now.Add(longestWay)
		for hop := 0; hop < hops && now.Before(until); hop++ {
			giveWay()
			now = time.Now()
		}
	}
	p.begun = now
}

// end ends a pass.
func (p *passes) end() { p.ended = time.Now() }
