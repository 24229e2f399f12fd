package stateful

import (
	"errors"
	"slices"

	"github.com/chatcluster/chatcluster/server/signalr/protocol"
)

// maximumUnacknowledged bounds what a client keeps for a server that acknowledges nothing: what Microsoft's clients keep.
const maximumUnacknowledged = 100_000

var (
	errFull     = errors.New("the server acknowledges nothing: too much is kept for it")
	errSequence = errors.New("the server's Sequence skips messages that never came")
)

// outbox keeps what was sent until the server has acknowledged it. The zero value is that of a new connection.
type outbox struct {
	kept  [][]byte // encoded messages, the oldest first
	last  int64    // number of the newest message
	bytes int
}

// add numbers a message and keeps it.
func (o *outbox) add(message []byte) error {
	if o.bytes+len(message) > maximumUnacknowledged {
		return errFull
	}
	o.kept = append(o.kept, message)
	o.last++
	o.bytes += len(message)
	return nil
}

// first is the number of the message that a resend begins with; without one, of the next.
func (o *outbox) first() int64 { return o.last - int64(len(o.kept)) + 1 }

// acknowledge forgets messages up to that number.
func (o *outbox) acknowledge(number int64) {
	count := min(max(number-o.first()+1, 0), int64(len(o.kept)))
	for _, message := range o.kept[:count] {
		o.bytes -= len(message)
	}
	o.kept = slices.Delete(o.kept, 0, int(count))
}

// inbox numbers what the server sends. The zero value is that of a new connection.
type inbox struct {
	current      int64 // number of the message that came last, repeats included
	received     int64 // highest number so far
	acknowledged int64 // highest number that the server was told
	resuming     bool  // nothing counts before the server's Sequence
}

// take tells whether a message is to be handled: it is no repeat, and not of a time before the server's Sequence.
func (i *inbox) take(message protocol.Message) bool {
	if i.resuming {
		return message.Type() == protocol.TypeSequence
	}
	if !counted(message) {
		return true
	}
	i.current++
	if i.current <= i.received {
		return false
	}
	i.received = i.current
	return true
}

// resume begins another socket. An acknowledgement may have gone down with the last one, so it is given again.
func (i *inbox) resume() { i.resuming, i.acknowledged = true, 0 }

// reset handles a Sequence: the next message has that number.
func (i *inbox) reset(next int64) error {
	i.resuming = false
	if next > i.current+1 {
		return errSequence
	}
	i.current = next - 1
	return nil
}

// counted tells whether a message has a number.
func counted(message protocol.Message) bool {
	switch message.Type() {
	case protocol.TypeInvocation, protocol.TypeStreamItem, protocol.TypeCompletion,
		protocol.TypeStreamInvocation, protocol.TypeCancelInvocation:
		return true
	}
	return false
}
