package signalr

import (
	"errors"
	"sync/atomic"

	"github.com/chatcluster/chatcluster/server/signalr/protocol"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

var errSequenceTooHigh = errors.New("Sequence ID greater than amount of messages we've received.") //nolint:staticcheck // the reference's text

// sequence numbers what the client sends, for stateful reconnect: what it sends again is recognised and dropped. One
// dispatcher at a time uses it; the heartbeat reads received.
type sequence struct {
	// current is the number of the message being looked at, received the highest seen.
	current  int64
	received atomic.Int64
	// acknowledged is the last number told to the client on its present socket.
	acknowledged atomic.Int64
}

// count numbers a message. It reports whether the message is new.
func (s *sequence) count() bool {
	s.current++
	if s.current <= s.received.Load() {
		return false
	}
	s.received.Store(s.current)
	return true
}

// reset takes the number that the next message has. A number beyond the next new one means that messages were lost.
func (s *sequence) reset(next int64) error {
	if next > s.received.Load()+1 {
		return errSequenceTooHigh
	}
	s.current = next - 1
	return nil
}

// acknowledge tells a client with stateful reconnect what has arrived, if that is news.
func (c *connection) acknowledge() {
	if !c.transport.Stateful() {
		return
	}
	received := c.sequence.received.Load()
	if received <= c.sequence.acknowledged.Load() {
		return
	}
	c.sequence.acknowledged.Store(received)
	c.sendControl(&protocol.Ack{SequenceID: received})
}

func (c *connection) sendControl(message protocol.Message) {
	payload, err := c.hub.payload(c.protocolIndex, message)
	if err != nil {
		c.hub.log.Error("a control message cannot be encoded", "error", err)
		return
	}
	c.transport.SendControl(payload)
}

// Resume implements transport.Session. A client that comes to another server learns at once what the one before has got: a
// .NET client waits for that for no longer than 5 s.
func (c *connection) Resume() func(number int64) []*transport.Payload {
	c.willing.Store(false)
	c.inbox.renew()
	moved := c.arrival != nil && !c.arrival.resumed.Swap(true)
	return func(number int64) []*transport.Payload {
		// What was told last may not have come. Not before: what the heartbeat tells meanwhile does not go out either.
		c.sequence.acknowledged.Store(0)
		first := []protocol.Message{&protocol.Sequence{SequenceID: number}}
		if received := c.sequence.received.Load(); moved && received > 0 {
			first = append(first, &protocol.Ack{SequenceID: received})
		}
		payloads := make([]*transport.Payload, 0, len(first))
		for _, message := range first {
			payload, err := c.hub.payload(c.protocolIndex, message)
			if err != nil {
				c.hub.log.Error("a message that resumes a connection cannot be encoded", "error", err)
				continue
			}
			payloads = append(payloads, payload)
		}
		return payloads
	}
}
