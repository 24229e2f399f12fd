package transport

// maximumBatch is how many bytes of messages are taken for one write, unless a single message is longer. It bounds
// how long one write may take, and so what TransportSendTimeout measures.
const maximumBatch = 64 * 1024

// idleCapacity is how long a list an idle connection may keep for its next messages.
const idleCapacity = 16

// batch is what a sink takes for one write. Its slices are reused from one take to the next.
type batch struct {
	raw      []byte
	messages []*Payload
	bytes    int
	// last says that nothing comes after this batch: the sink ends the transport when it is written.
	last bool
}

// take fills next with what shall be written now and reports whether there is anything. It returns false and lets
// the sink rest if not, or if s is no longer the attached sink.
func (o *outbox) take(s sink, next *batch) bool {
	next.reset()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sink != s {
		return false
	}
	if !o.hasWork() {
		if o.retiring {
			s = nil
		}
		o.rest(s)
		return false
	}
	next.raw = append(next.raw, o.raw...)
	o.raw = nil
	if o.corked || o.resting != nil {
		return true
	}
	if o.opening != nil {
		next.add(o.opening)
		o.opening = nil
		return true
	}
	for _, payload := range o.control {
		next.add(payload)
	}
	o.control = nil
	o.takeMessages(next)
	if o.finished && o.next == len(o.messages) {
		if o.final != nil {
			next.add(o.final)
			o.final = nil
		}
		next.last = true
		o.closed = true
	}
	o.makeRoom()
	return true
}

func (o *outbox) takeMessages(next *batch) {
	for o.next < len(o.messages) && !o.mustAwaitAck() {
		payload := o.messages[o.next]
		if len(next.messages) > 0 && next.bytes+payload.Len() > maximumBatch {
			break
		}
		next.add(payload)
		o.waiting -= payload.Len()
		if o.keep {
			o.kept += payload.Len()
		} else {
			o.messages[o.next] = nil
		}
		o.next++
	}
	if o.keep {
		o.forgetConfirmed()
	} else {
		o.dropTaken()
	}
}

// dropTaken gives up the places of messages that are gone, at a cost that stays proportional to their number.
func (o *outbox) dropTaken() {
	switch {
	case o.next == len(o.messages):
		o.resetMessages()
	case o.next > len(o.messages)/2:
		o.shift(o.next)
		o.next = 0
	}
}

// shift removes the first count messages from the list.
func (o *outbox) shift(count int) {
	rest := copy(o.messages, o.messages[count:])
	clear(o.messages[rest:])
	o.messages = o.messages[:rest]
}

// resetMessages makes the empty list ready for the next messages. A list that a burst has grown is given back.
func (o *outbox) resetMessages() {
	o.next = 0
	if cap(o.messages) > idleCapacity {
		o.messages = nil
		return
	}
	o.messages = o.messages[:0]
}

// attach makes s the sink, in place of another if there is one, which gets nothing more.
func (o *outbox) attach(s sink) {
	o.mu.Lock()
	o.rest(s)
	o.raw = nil
	woken := o.activate()
	o.mu.Unlock()
	wake(woken)
}

// detach ends the taking of s, if it is still the sink.
func (o *outbox) detach(s sink) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sink == s {
		o.rest(nil)
	}
}

// rewind prepares a reconnect: all that is not acknowledged waits to be written again behind the message that preface
// makes from the number of the first of it. Before the handshake response there is nothing to go back to.
func (o *outbox) rewind(preface func(number int64) []*Payload) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.corked {
		return
	}
	o.control = preface(o.acknowledged + 1)
	o.opening, o.raw = nil, nil
	o.waiting += o.kept
	o.kept, o.next = 0, 0
}

// acknowledge forgets the messages up to number. Those that wait to be written again are written all the same, and
// forgotten then: the client counts from the number that it was told. A number beyond all messages is ignored, and so is
// everything from a client without stateful reconnect, for which nothing is kept.
func (o *outbox) acknowledge(number int64) {
	o.mu.Lock()
	if o.keep && number > o.confirmed && number <= o.acknowledged+int64(len(o.messages)) {
		o.confirmed = number
		o.forgetConfirmed()
	}
	woken := o.activate()
	o.mu.Unlock()
	wake(woken)
}

func (o *outbox) forgetConfirmed() {
	count := min(int(o.confirmed-o.acknowledged), o.next)
	if count <= 0 {
		return
	}
	for _, payload := range o.messages[:count] {
		o.kept -= payload.Len()
	}
	o.shift(count)
	o.next -= count
	o.acknowledged += int64(count)
	if len(o.messages) == 0 {
		o.resetMessages()
	}
	o.makeRoom()
}

// discardKept stops keeping what was written: the client turned out not to use stateful reconnect.
func (o *outbox) discardKept() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keep = false
	o.shift(o.next)
	o.next, o.kept = 0, 0
}

func (b *batch) reset() {
	clear(b.messages)
	b.messages = b.messages[:0]
	b.raw = b.raw[:0]
	b.bytes, b.last = 0, false
}

func (b *batch) add(payload *Payload) {
	b.messages = append(b.messages, payload)
	b.bytes += payload.Len()
}
