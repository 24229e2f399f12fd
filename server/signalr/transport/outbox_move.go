package transport

import "errors"

// ErrDiverted says that messages for this client take the way through the backplane for now, because its connection is on the move or
// has just moved; one that was handed over directly could overtake them.
var ErrDiverted = errors.New("messages to this connection go through the backplane")

// OutboxState is what an outbox holds for a client, so that another server goes on with it.
type OutboxState struct {
	// Acknowledged is the number of the last message that the client has confirmed, with stateful reconnect.
	Acknowledged int64
	// Messages are those that follow it, in the order of their numbers, framed by the hub protocol. Without stateful reconnect
	// they are what has not been written.
	Messages []*Payload
}

// Bytes is the length of all messages.
func (s OutboxState) Bytes() int {
	total := 0
	for _, payload := range s.Messages {
		total += payload.Len()
	}
	return total
}

// divert makes those who can wait take another way, or lets them come again. Deliveries are taken all the same.
func (o *outbox) divert(on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.diverted = on
	if on {
		o.releaseRoom()
	}
}

func (o *outbox) isDiverted() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.diverted
}

// export returns what another outbox needs to go on. Nothing is written meanwhile: there must be no sink. It reports
// false if the outbox is ending, so that nothing can go on.
func (o *outbox) export() (OutboxState, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.finished || o.corked || o.sink != nil {
		return OutboxState{}, false
	}
	if !o.keep {
		return OutboxState{Messages: append(append([]*Payload(nil), o.control...), o.messages[o.next:]...)}, true
	}
	// What the client has confirmed but was to be written again, because it was told so, it need not get elsewhere: there it
	// is told another number.
	confirmed := int(o.confirmed - o.acknowledged)
	return OutboxState{
		Acknowledged: o.acknowledged + int64(max(confirmed, 0)),
		Messages:     append([]*Payload(nil), o.messages[max(confirmed, 0):]...),
	}, true
}

// restore makes an outbox that is new go on where another one was.
func (o *outbox) restore(state OutboxState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.corked = false
	o.acknowledged, o.confirmed = state.Acknowledged, state.Acknowledged
	o.messages = append([]*Payload(nil), state.Messages...)
	o.waiting = state.Bytes()
}

// retire takes the outbox away from s once s has written the message that it is writing. The channel that it returns is closed when
// that is done or s has failed; nil if it is done already.
func (o *outbox) retire(s sink) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sink != s {
		return nil
	}
	if !o.active {
		o.rest(nil)
		return nil
	}
	o.retiring = true
	if o.resting == nil {
		o.resting = make(chan struct{})
	}
	return o.resting
}
