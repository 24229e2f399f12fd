package transport

import (
	"context"
	"sync"
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
	writer := newNonblockingWriter()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.signal:
		}
		for {
			f.mu.Lock()
			sockets, f.ready = f.ready, sockets[:0]
			f.mu.Unlock()
			if len(sockets) == 0 {
				break
			}
			for i, socket := range sockets {
				sockets[i] = nil
				socket.flush(writer)
			}
		}
	}
}
