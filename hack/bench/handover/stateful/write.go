package stateful

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/frame"
	"github.com/chatcluster/chatcluster/server/signalr/protocol"
)

// send queues an encoded hub message; write sends it.
func (s *socket) send(message []byte) { s.queue(s.opcode, message) }

func (s *socket) queue(opcode frame.Opcode, payload []byte) {
	s.mu.Lock()
	s.output = frame.Append(s.output, opcode, frame.MaskKey(), payload)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// write sends what is queued, and tends the session, until ctx ends. A failure ends the socket, which shows in receive.
func (s *socket) write(ctx context.Context) {
	ticker := time.NewTicker(tendInterval)
	defer ticker.Stop()
	for pinged := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
			if s.flush() != nil {
				s.close()
				return
			}
		case now := <-ticker.C:
			if now.UnixNano()-s.heard.Load() > serverTimeout.Nanoseconds() {
				s.silent.Store(true)
				s.close()
				return
			}
			if now.Sub(pinged) >= pingInterval {
				pinged = now
				s.control(protocol.Ping{})
			}
			s.client.acknowledge(s)
		}
	}
}

// flush writes what is queued.
func (s *socket) flush() error {
	s.mu.Lock()
	frames := s.output
	s.output = nil
	s.mu.Unlock()
	if len(frames) == 0 {
		return nil
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if _, err := s.conn.Write(frames); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// control queues a message that has no number. Encoding these cannot fail.
func (s *socket) control(message protocol.Message) {
	if encoded, err := s.client.options.Protocol.Append(nil, message); err == nil {
		s.send(encoded)
	}
}

// acknowledge tells the server what has come, if that is news and the session is not just being resumed.
func (c *Client) acknowledge(s *socket) {
	c.mu.Lock()
	received := c.inbox.received
	due := !c.inbox.resuming && received > c.inbox.acknowledged
	if due {
		c.inbox.acknowledged = received
	}
	c.mu.Unlock()
	if due {
		s.control(&protocol.Ack{SequenceID: received})
	}
}

// handle acts on a message of the server. An error ends the session.
func (c *Client) handle(message protocol.Message) error {
	take, err := c.account(message)
	if err != nil || !take {
		return err
	}
	switch m := message.(type) {
	case *protocol.Invocation:
		const arguments = 3 // user, message, server
		if m.Target == "ReceiveMessage" && len(m.Arguments) == arguments {
			text, _ := m.Arguments[1].(protocol.Raw)
			server, _ := m.Arguments[2].(protocol.Raw)
			c.options.Observer.Heard(text, server)
		}
	case *protocol.Completion:
		c.complete(m)
	case *protocol.Close:
		return fmt.Errorf("the server says Close %q", m.Error)
	}
	return nil
}

// account numbers a message and tells whether to act on it.
func (c *Client) account(message protocol.Message) (take bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.inbox.take(message) {
		return false, nil
	}
	switch m := message.(type) {
	case *protocol.Sequence:
		return false, c.inbox.reset(m.SequenceID)
	case *protocol.Ack:
		c.outbox.acknowledge(m.SequenceID)
		return false, nil
	}
	return true, nil
}

// complete answers a call.
func (c *Client) complete(completion *protocol.Completion) {
	id, err := strconv.ParseInt(completion.ID, 10, 64)
	if err != nil {
		return
	}
	c.mu.Lock()
	_, open := c.calls[id]
	delete(c.calls, id)
	c.mu.Unlock()
	if !open {
		return
	}
	if completion.Error != "" {
		err = errors.New(completion.Error)
	}
	c.options.Observer.Answered(id, err)
}
