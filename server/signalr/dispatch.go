package signalr

import (
	"errors"
	"fmt"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/protocol"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// dispatch reads what waits in the inbox and acts on it, until nothing does or until it has a call to run: then another
// dispatcher goes on reading while this one runs the call.
func (c *connection) dispatch() {
	call := c.read()
	if c.inbox.exhausted() {
		c.end(nil)
	}
	if call != nil {
		c.run(call)
	}
}

// read acts on what waits in the inbox until nothing does, or until it comes upon a call to run. Then it waits for the
// call's turn, makes another dispatcher go on and returns the call.
func (c *connection) read() *invocation {
	var rest []byte
	for {
		data := c.inbox.take(rest)
		if data == nil {
			return nil
		}
		c.assured()
		var call *invocation
		if rest, call = c.consume(data); call == nil {
			continue
		}
		if !c.takeTurn(rest) { // before anyone reads on, or the next call could overtake this one
			rest = nil
			continue
		}
		if c.inbox.handOver(rest) {
			c.start(c.dispatch)
		}
		return call
	}
}

// consume acts on the complete messages of data. It returns what it could not use, and a call to run that it came upon.
func (c *connection) consume(data []byte) (rest []byte, call *invocation) {
	if c.phaseNow() == phaseHandshake {
		var opened bool
		if data, opened = c.open(data); !opened {
			return data, nil
		}
	}
	for len(data) > 0 && c.phaseNow() == phaseOpen {
		message, length, err := c.codec().Decode(data, c.hub.options.MaximumReceiveMessageSize)
		if err != nil {
			c.awaitCalls()
			c.closeWithError(c.readFault(err))
			return nil, nil
		}
		if length == 0 {
			return data, nil
		}
		c.heard(message == protocol.Ping{})
		if !c.admit() {
			return nil, nil
		}
		data = data[length:]
		call, err = c.act(message, data)
		if err != nil {
			c.awaitCalls()
			c.closeWithError(err)
			return nil, nil
		}
		if call != nil {
			return data, call
		}
	}
	return data, nil
}

// faultPatience is for how long a fault of the client waits for the calls before it.
const faultPatience = time.Second

// awaitCalls lets calls that run be answered before what came behind them ends the connection. It is called by who reads: no
// other call begins.
func (c *connection) awaitCalls() {
	timer := time.NewTimer(faultPatience)
	defer timer.Stop()
	for range cap(c.calls) {
		select {
		case c.calls <- struct{}{}:
		case <-c.dropped:
			return
		case <-timer.C:
			return
		}
	}
}

// readFault words an error of decoding as .NET does.
func (c *connection) readFault(err error) error {
	if errors.Is(err, protocol.ErrTooLarge) {
		c.hub.refused(transport.LimitMessageSize)
		return invalidData("The maximum message size of %dB was exceeded. The message size can be configured in AddHubOptions.", c.hub.options.MaximumReceiveMessageSize)
	}
	var invalid *protocol.InvalidError
	if errors.As(err, &invalid) {
		return invalidData("%s", invalid.Detail)
	}
	return invalidData("%w", err)
}

// act does what a message asks for; rest is what came behind it. A call that must take its turn is returned, ready to run. An error
// ends the connection. Messages of an unknown type, which decode to nil, are skipped.
func (c *connection) act(message protocol.Message, rest []byte) (*invocation, error) {
	if message == nil || (isCounted(message.Type()) && !c.sequence.count()) {
		return nil, nil
	}
	switch message := message.(type) {
	case *protocol.Invocation:
		return c.invoke(message)
	case *protocol.StreamItem:
		c.streams.item(c, message, rest)
	case *protocol.Completion:
		return nil, c.complete(message)
	case *protocol.CancelInvocation:
		c.streams.cancel(message.ID)
	case *protocol.Close:
		c.closedByClient(message)
	case *protocol.Ack:
		c.transport.Acknowledge(message.SequenceID)
	case *protocol.Sequence:
		if c.transport.Stateful() { // else it means nothing, and nothing is sent again
			return nil, c.sequence.reset(message.SequenceID)
		}
	}
	return nil, nil
}

// closedByClient answers a Close with a Close.
func (c *connection) closedByClient(message *protocol.Close) {
	var cause error
	if message.Error != "" {
		cause = &HubError{Message: message.Error}
	}
	c.finish(ending{cause: cause})
}

// complete takes the end of a stream that the client sends, or the client's answer to a call of the server.
func (c *connection) complete(message *protocol.Completion) error {
	if c.streams.complete(message) {
		return nil
	}
	return c.hub.results.complete(c.id(), c.codec(), message)
}

// invoke prepares a call. Calls of methods without streams take turns and are returned; all others are started at once.
func (c *connection) invoke(message *protocol.Invocation) (*invocation, error) {
	call, err := c.bind(message)
	if err != nil {
		c.refuseCall(message.ID, err)
		return nil, nil
	}
	c.unanswered.add(call)
	if call.method.stream || len(call.uploads) > 0 {
		c.start(func() { c.runStreaming(call) })
		return nil, nil
	}
	return call, nil
}

// refuseCall answers a call that does not run, unless the client did not ask for an answer. It never waits for room: who reads would
// wait for an acknowledgement that only it can read. A client that lets such answers fill its queue is dropped as a slow one.
func (c *connection) refuseCall(id string, reason error) {
	if id == "" {
		return
	}
	payload, err := c.hub.payload(c.protocolIndex, &protocol.Completion{ID: id, Error: reason.Error()})
	if err != nil {
		c.closeWithError(err)
		return
	}
	_ = c.transport.Send(payload)
}

// answerCall answers a call that ran, unless it has been answered because the connection ends.
func (c *connection) answerCall(call *invocation, result any, errorText string, hasResult bool) {
	if c.unanswered.take(call) {
		c.answer(call.id, result, errorText, hasResult)
	}
}

// answer sends the completion of a call, unless the client did not ask for one.
func (c *connection) answer(id string, result any, errorText string, hasResult bool) {
	if id == "" {
		return
	}
	completion := &protocol.Completion{ID: id, Error: errorText, Result: result, HasResult: hasResult && errorText == ""}
	_, err := c.hub.guarded("the encoding of a result", func() (any, error) { return nil, c.send(c.context, completion) })
	if err != nil {
		c.hub.log.Warn("a result cannot be encoded", "connection", c.id(), "error", err)
		c.closeWithError(fmt.Errorf("encode a result: %w", err))
	}
}
