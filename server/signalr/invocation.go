package signalr

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/protocol"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// invocation is a client's call of a hub method, bound to the types of the method.
type invocation struct {
	id      string
	method  *method
	context *Context
	cancel  context.CancelFunc
	// arguments are in the order of the method's parameters, streams included.
	arguments []reflect.Value
	uploads   []*upload
}

// streams is how many streams the call has, both ways.
func (call *invocation) streams() int {
	count := len(call.method.uploads)
	if call.method.stream {
		count++
	}
	return count
}

// bind finds the method of a call and makes its arguments. The error's text is for the client. It names the method
// as the hub does, however the client wrote it. The order of the checks is that of ASP.NET Core: an unauthorized caller with wrong
// arguments hears about the arguments.
func (c *connection) bind(message *protocol.Invocation) (*invocation, error) {
	m := c.hub.methods[strings.ToLower(message.Target)]
	if m == nil {
		return nil, refusal(textMethodUnknown, message.Target)
	}
	arguments, err := c.bindArguments(m, message.Arguments)
	if err != nil {
		return nil, errors.New(c.hub.visibleText(fmt.Sprintf(textBindingFailed, m.name), err))
	}
	call := &invocation{id: message.ID, method: m, context: &Context{Context: c.context, connection: c}}
	if !c.authorized(call) {
		return nil, refusal(textUnauthorized, m.name)
	}
	if err := c.checkStreams(m, message); err != nil {
		return nil, err
	}
	return call, c.addStreams(call, message, arguments)
}

// authorized asks the application. If it panics, the answer is no.
func (c *connection) authorized(call *invocation) bool {
	authorize := c.hub.options.Authorize
	if authorize == nil {
		return true
	}
	allowed := false
	_, _ = c.hub.guarded("Authorize of "+call.method.name, func() (any, error) {
		allowed = authorize(call.context, call.method.name)
		return nil, nil
	})
	return allowed
}

// decode makes a Go value of what a client sent. How, may be the application's code (json.Unmarshaler).
func (c *connection) decode(sent, value any) error {
	encoded, _ := sent.(protocol.Raw)
	_, err := c.hub.guarded("the decoding of an argument", func() (any, error) { return nil, c.codec().Unmarshal(encoded, value) })
	return err
}

func (c *connection) bindArguments(m *method, raw []any) ([]reflect.Value, error) {
	if len(raw) != len(m.parameters) {
		return nil, invalidData(textWrongCount, len(raw), len(m.parameters))
	}
	arguments := make([]reflect.Value, 0, len(m.order))
	for i, parameter := range m.parameters {
		value := reflect.New(parameter)
		if err := c.decode(raw[i], value.Interface()); err != nil {
			return nil, invalidData("%s", textWrongType)
		}
		arguments = append(arguments, value.Elem())
	}
	return arguments, nil
}

func (c *connection) checkStreams(m *method, message *protocol.Invocation) error {
	if m.stream && !message.Stream {
		return refusal(textStreamsMethod, m.name)
	}
	if !m.stream && message.Stream {
		return refusal(textPlainMethod, m.name)
	}
	if len(message.StreamIDs) != len(m.uploads) {
		err := NewHubError(textStreamCount, len(message.StreamIDs), len(m.uploads))
		return errors.New(visibleText(fmt.Sprintf(textMethodFailed, m.name), err, false))
	}
	return nil
}

// addStreams puts the client's streams among the arguments and enters them, so that their items find them.
func (c *connection) addStreams(call *invocation, message *protocol.Invocation, arguments []reflect.Value) error {
	if !call.method.stream && len(message.StreamIDs) == 0 {
		call.arguments = arguments
		return nil
	}
	call.context.Context, call.cancel = context.WithCancel(c.context)
	if err := c.streams.start(c, call, message.StreamIDs); err != nil {
		call.cancel()
		return err
	}
	uploads := call.uploads
	for _, isStream := range call.method.order {
		if isStream {
			call.arguments = append(call.arguments, uploads[0].argument())
			uploads = uploads[1:]
		} else {
			call.arguments = append(call.arguments, arguments[0])
			arguments = arguments[1:]
		}
	}
	return nil
}

// run runs a call whose turn it is and answers it.
func (c *connection) run(call *invocation) {
	call.context.slot = &slot{calls: c.calls}
	defer call.context.slot.release()
	result, err := c.execute(call)
	if err != nil {
		c.answerCall(call, nil, c.failure(call.method, err), false)
		return
	}
	c.answerCall(call, result, "", true)
}

// takeTurn waits while as many calls run as may; rest is what the client has sent since. It reports false if the server
// ended the connection first; if the client did, its last calls still get their turns.
func (c *connection) takeTurn(rest []byte) bool {
	select {
	case c.calls <- struct{}{}:
		return true
	default:
	}
	tick, end := c.block()
	defer end()
	for {
		select {
		case c.calls <- struct{}{}:
			return true
		case <-c.dropped:
			return false
		case <-tick:
			c.lookAhead(rest)
		}
	}
}

func (c *connection) failure(m *method, err error) string {
	return c.hub.visibleText(fmt.Sprintf(textMethodFailed, m.name), err)
}

// slot is a call's place among those that may run at a time. A nil slot is no place.
type slot struct {
	calls chan struct{}
	once  sync.Once
}

// release lets the next call run, once.
func (s *slot) release() {
	if s != nil {
		s.once.Do(func() { <-s.calls })
	}
}

// execute calls the method inside its filters.
func (c *connection) execute(call *invocation) (result any, err error) {
	if observer := c.hub.server.options.Observer; observer != nil {
		started := time.Now()
		defer func() { observer.Invoked(c.hub.name, call.method.name, time.Since(started), err != nil) }()
	}
	if !c.assured() {
		return nil, transport.ErrGivenUp
	}
	run := func() (any, error) { return call.method.call(call.context, call.arguments) }
	return c.hub.guarded(call.method.name, func() (any, error) {
		if len(c.hub.options.Filters) == 0 {
			return run()
		}
		info := Call{Method: call.method.name}
		for i, isStream := range call.method.order {
			if !isStream {
				info.Arguments = append(info.Arguments, call.arguments[i].Interface())
			}
		}
		return invokeFiltered(c.hub.options.Filters, call.context, info, run)
	})
}

// panicError is a panic of a hub method. The server goes on: one hub method's bug is not everyone's outage.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprint(e.value) }

// guarded turns a panic of the application's code into an error, and logs where it came from. Everything of the application that runs
// for a client runs inside of it.
func (h *Hub) guarded(name string, run func() (any, error)) (result any, err error) {
	defer func() {
		if value := recover(); value != nil {
			h.log.Error("code of the application panicked", "where", name, "panic", panicText(value), "stack", string(debug.Stack()))
			result, err = nil, &namedError{name: "Panic", err: &panicError{value}}
		}
	}()
	return run()
}

// panicText is what may be logged of a panic: the application's own values may hold contents of messages.
func panicText(value any) string {
	if fault, ok := value.(runtime.Error); ok {
		return fault.Error()
	}
	return fmt.Sprintf("a %T", value)
}

// connected runs OnConnected inside the filters.
func (h *Hub) connected(c *connection) error {
	ctx := &Context{Context: c.context, connection: c, connecting: true}
	_, err := h.guarded("OnConnected", func() (any, error) {
		return nil, connectFiltered(h.options.Filters, ctx, func() error {
			if hub, ok := h.value.(connector); ok {
				return hub.OnConnected(ctx)
			}
			return nil
		})
	})
	if err != nil {
		h.log.Error("OnConnected failed", "connection", c.id(), "error", err)
	}
	return err
}

// disconnected runs OnDisconnected inside the filters. Its context goes on, so that it can still send to others.
func (h *Hub) disconnected(c *connection, cause error) {
	ctx := &Context{Context: context.WithoutCancel(c.context), connection: c}
	_, _ = h.guarded("OnDisconnected", func() (any, error) {
		disconnectFiltered(h.options.Filters, ctx, cause, func() {
			if hub, ok := h.value.(disconnector); ok {
				hub.OnDisconnected(ctx, cause)
			}
		})
		return nil, nil
	})
}
