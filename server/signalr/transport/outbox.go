package transport

import (
	"context"
	"errors"
	"sync"
)

// The errors of sending to a connection.
var (
	// ErrConnectionClosed: the connection has ended or is ending; nothing more is sent.
	ErrConnectionClosed = errors.New("connection is closed")
	// ErrSlowClient: the client reads more slowly than messages come in, and its queue is full.
	ErrSlowClient = errors.New("client reads too slowly, its queue is full")
)

// outbox is what waits to be written to one client, in order, bounded in bytes. Whoever sends only adds to it; one
// writer at a time, the attached sink, takes from it. With keep set it also holds what was written until the client
// acknowledges it, so that it can be sent again on another socket (stateful reconnect).
type outbox struct {
	// mu guards everything below. It is the innermost lock: nothing is called while it is held.
	mu sync.Mutex

	// messages are the hub messages in order: [next:] wait, [:next] are written: not acknowledged with keep, nil without.
	messages []*Payload
	next     int
	// waiting and kept are the bytes of messages[next:] and messages[:next].
	waiting int
	kept    int
	// confirmed is the highest number that the client has acknowledged, acknowledged that of the last message that is
	// gone from messages for it. They differ while confirmed messages wait to be written again.
	confirmed    int64
	acknowledged int64

	// control are messages outside the numbering (Ping, Ack, Sequence, the handshake response). They go first.
	control []*Payload
	// opening is the handshake response of a client with stateful reconnect, on its own: Microsoft's JavaScript client does not
	// count what comes together with it, and takes that for news when it comes again on another socket.
	opening *Payload
	// raw are bytes of the transport itself (WebSocket control frames), complete and ready. They go before all.
	raw []byte
	// final is the last message (Close); it goes when all others have gone. finished says that nothing follows.
	final    *Payload
	finished bool
	closed   bool

	// corked holds everything back until the handshake response is there, which must be the first message.
	corked bool
	keep   bool
	limits outboxLimits

	sink sink
	// active is set from the moment the sink is woken until it finds nothing to take: it is woken once, not per message.
	active bool
	// resting is closed when the sink next comes to rest; set by hangUp and retire, after which nothing but raw is taken.
	resting chan struct{}
	// retiring is set when the sink shall be none any more as soon as it rests.
	retiring bool
	// diverted sends those who can wait another way (ErrDiverted).
	diverted bool
	// room is closed when waiting senders may look again; nil while none waits.
	room chan struct{}
}

// outboxLimits are in bytes.
type outboxLimits struct {
	// total is what may be held at most of messages whose senders cannot wait; one beyond it is refused with
	// ErrSlowClient, unless it is alone.
	total int
	// pause is where senders that can wait begin to, and half of it is where they go on.
	pause int
	// unacknowledged is how much may be written without the client's acknowledgement; with keep it takes pause's place.
	unacknowledged int
}

// pause is where senders that can wait begin to.
func (o *outbox) pause() int {
	if o.keep {
		return o.limits.unacknowledged
	}
	return o.limits.pause
}

// sink is the socket or request that an outbox is written to.
type sink interface {
	// wake says that there is something to take. It must not block.
	wake()
}

// send adds a message. It never waits.
func (o *outbox) send(payload *Payload) error {
	o.mu.Lock()
	var err error
	if held := o.waiting + o.kept; held > 0 && held+payload.Len() > o.limits.total && !o.closed && !o.finished {
		err = ErrSlowClient
	} else {
		err = o.add(payload)
	}
	woken := o.activate()
	o.mu.Unlock()
	wake(woken)
	return err
}

// sendIfRoom adds a message if the client has taken enough of what came before; else it returns what to wait for. While the outbox
// is diverted it adds nothing.
func (o *outbox) sendIfRoom(payload *Payload) (room <-chan struct{}, err error) {
	o.mu.Lock()
	if o.diverted {
		o.mu.Unlock()
		return nil, ErrDiverted
	}
	if !o.closed && !o.finished && o.waiting+o.kept > o.pause() {
		room = o.awaitRoom()
		o.mu.Unlock()
		return room, nil
	}
	err = o.add(payload)
	woken := o.activate()
	o.mu.Unlock()
	wake(woken)
	return nil, err
}

// sendWhenRoom is sendIfRoom that waits.
func (o *outbox) sendWhenRoom(ctx context.Context, payload *Payload) error {
	for {
		room, err := o.sendIfRoom(payload)
		if room == nil {
			return err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// sendControl adds a message outside the order of the others.
func (o *outbox) sendControl(payload *Payload) {
	o.mu.Lock()
	if !o.closed && !o.finished {
		o.control = append(o.control, payload)
	}
	woken := o.activate()
	o.mu.Unlock()
	wake(woken)
}

// sendRaw adds bytes of the transport itself. What a client provokes without reading is dropped beyond the limit.
func (o *outbox) sendRaw(frame []byte) {
	o.mu.Lock()
	if !o.closed && len(o.raw)+len(frame) <= o.limits.pause {
		o.raw = append(o.raw, frame...)
	}
	woken := o.activate()
	o.mu.Unlock()
	wake(woken)
}

// uncork lets messages go, first before all others.
func (o *outbox) uncork(first *Payload) {
	o.mu.Lock()
	o.corked = false
	if o.keep {
		o.opening = first
	} else {
		o.control = append([]*Payload{first}, o.control...)
	}
	woken := o.activate()
	o.mu.Unlock()
	wake(woken)
}

// finish ends the outbox: what is there is still written, last at the end, and nothing more is accepted.
// last may be nil.
func (o *outbox) finish(last *Payload) {
	o.mu.Lock()
	if !o.finished {
		o.finished, o.corked, o.final = true, false, last
		o.releaseRoom()
	}
	woken := o.activate()
	o.mu.Unlock()
	wake(woken)
}

// close drops everything.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed, o.finished = true, true
	o.messages, o.control, o.opening, o.raw, o.final = nil, nil, nil, nil, nil
	o.next, o.waiting, o.kept = 0, 0, 0
	o.rest(nil)
	o.releaseRoom()
}

// hangUp lets s write the raw bytes that wait, and nothing else. The channel that it returns is closed when that is
// done, or when s failed; it is nil when there is nothing to wait for.
func (o *outbox) hangUp(s sink) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sink != s || !o.active {
		return nil
	}
	if o.resting == nil {
		o.resting = make(chan struct{})
	}
	return o.resting
}

// rest says that the present sink takes nothing more for now, and makes next the sink.
func (o *outbox) rest(next sink) {
	o.sink, o.active, o.retiring = next, false, false
	if o.resting != nil {
		close(o.resting)
		o.resting = nil
	}
}

func (o *outbox) add(payload *Payload) error {
	if o.closed || o.finished {
		return ErrConnectionClosed
	}
	o.messages = append(o.messages, payload)
	o.waiting += payload.Len()
	return nil
}

// activate returns the sink if it has to be woken, to be called without the lock.
func (o *outbox) activate() sink {
	if o.active || o.sink == nil || !o.hasWork() {
		return nil
	}
	o.active = true
	return o.sink
}

func (o *outbox) hasWork() bool {
	if o.closed {
		return false
	}
	if len(o.raw) > 0 {
		return true
	}
	if o.corked || o.resting != nil {
		return false
	}
	return o.opening != nil || len(o.control) > 0 || o.finished || (o.next < len(o.messages) && !o.mustAwaitAck())
}

// mustAwaitAck tells that too much is unacknowledged to write more; an ending connection writes all the same.
func (o *outbox) mustAwaitAck() bool {
	return o.keep && !o.finished && o.kept > o.limits.unacknowledged
}

func (o *outbox) awaitRoom() <-chan struct{} {
	if o.room == nil {
		o.room = make(chan struct{})
	}
	return o.room
}

// makeRoom lets waiting senders look again once half of what may wait is gone.
func (o *outbox) makeRoom() {
	if o.waiting+o.kept <= o.pause()/2 {
		o.releaseRoom()
	}
}

func (o *outbox) releaseRoom() {
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
}

func wake(s sink) {
	if s != nil {
		s.wake()
	}
}

// idle tells whether everything has been taken.
func (o *outbox) idle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.hasWork()
}

// withheld tells whether messages wait only for the client to acknowledge others, and up to which number it has: a client to
// which nothing is attached cannot.
func (o *outbox) withheld() (waiting bool, acknowledged int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sink != nil && o.next < len(o.messages) && o.mustAwaitAck(), o.confirmed
}

// exhausted tells whether the last message has been taken.
func (o *outbox) exhausted() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed
}
