package signalr

import "sync"

// inboxSize is how many bytes may wait to be read before the client has to wait, unless they are one message.
const inboxSize = 64 * 1024

// inbox holds what a client sent until it is dispatched. One dispatcher at a time reads it. It starts when bytes come, and
// when it runs a call it hands the rest to another first, so that what follows a long call is still read.
type inbox struct {
	// mu guards everything. Nothing is called while it is held.
	mu      sync.Mutex
	data    []byte
	running bool
	closed  bool
	// holds is how many keep dispatchers from starting.
	holds int
	// ending is set when the client is gone: nothing more comes, but what has come is still read.
	ending bool
	// renewed is set when the bytes that a dispatcher has taken shall not be given back: the client sends them again.
	renewed bool
	// room is closed when there is room again, nil while nobody waits.
	room chan struct{}
}

// add appends what came. It tells whether a dispatcher has to be started, and what to wait for before adding more.
func (b *inbox) add(data []byte) (start bool, room <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.ending {
		return false, nil
	}
	b.data = append(b.data, data...)
	if !b.running && b.holds == 0 {
		b.running = true
		return true, nil
	}
	if len(b.data) <= inboxSize {
		return false, nil
	}
	if b.room == nil {
		b.room = make(chan struct{})
	}
	return false, b.room
}

// take gives the dispatcher everything that is there. It returns nil, and the dispatcher must end, if that is no more
// than rest, the incomplete message that the dispatcher could not use.
func (b *inbox) take(rest []byte) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.giveBack(rest) || b.closed || b.holds > 0 {
		b.running = false
		b.releaseRoom()
		return nil
	}
	data := b.data
	b.data = nil
	b.releaseRoom()
	return data
}

// handOver ends a dispatcher before it runs a call. It tells whether another one has work to do.
func (b *inbox) handOver(rest []byte) (start bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.giveBack(rest)
	b.running = len(b.data) > 0 && !b.closed && b.holds == 0
	if !b.running {
		b.releaseRoom()
	}
	return b.running
}

// giveBack puts rest before what came since. It tells whether nothing did.
func (b *inbox) giveBack(rest []byte) (nothingNew bool) {
	if b.renewed {
		b.renewed = false
		rest = nil
	}
	if len(b.data) == 0 {
		b.data = rest
		if len(rest) == 0 {
			b.data = nil // lets the buffer go: idle connections shall be small
		}
		return true
	}
	if len(rest) > 0 {
		b.data = append(append(make([]byte, 0, len(rest)+len(b.data)), rest...), b.data...)
	}
	return false
}

// preview copies rest and what came since, without taking it.
func (b *inbox) preview(rest []byte) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.renewed {
		rest = nil
	}
	return append(append(make([]byte, 0, len(rest)+len(b.data)), rest...), b.data...)
}

// renew drops what has not been dispatched: a reconnecting client sends it again.
func (b *inbox) renew() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.data = nil
	b.renewed = b.running
	b.releaseRoom()
}

// finish says that nothing more comes. It tells whether a dispatcher still reads what has come; that one notices the end.
func (b *inbox) finish() (busy bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ending = true
	b.releaseRoom()
	return (b.running || b.holds > 0 && len(b.data) > 0) && !b.closed
}

// exhausted tells a dispatcher that has stopped that it was the last one.
func (b *inbox) exhausted() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ending && !b.running
}

// close drops everything for good.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed, b.data = true, nil
	b.releaseRoom()
}

func (b *inbox) releaseRoom() {
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
}
