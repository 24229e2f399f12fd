package signalr

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/protocol"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// results are the calls of client methods whose results are awaited: by this server, or by another one for which a client
// of this server answers.
type results struct {
	// mu guards what follows. Nothing is called while it is held.
	mu      sync.Mutex
	pending map[string]*pendingResult
	// owed are the ids of those that local clients have to answer, by connection id. Each is that of a pending result which names
	// the client.
	owed map[string]map[string]struct{}
}

// maximumOwed is how many calls one client may have to answer: one that never does must not fill the memory.
const maximumOwed = 10_000

// pendingResult is one awaited result.
type pendingResult struct {
	// connectionID is the local client that has to answer; "" if it is on another server.
	connectionID string
	// returnTo is the backplane's address of the server that waits. awaitedHere tells that this is it.
	returnTo    string
	awaitedHere bool
	// settle is called once with the answer, or with the reason why there is none.
	settle func(codec protocol.Protocol, completion *protocol.Completion, err error)
}

// expect enters a call that a client has to answer to this server or another. It reports false if the client has too many to
// answer already.
func (r *results) expect(id string, result *pendingResult) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending == nil {
		r.pending, r.owed = make(map[string]*pendingResult), make(map[string]map[string]struct{})
	}
	client := result.connectionID
	if present := r.pending[id]; present != nil {
		r.unassign(id, present) // whoever else was asked under this id has nothing to answer any more
		if present.awaitedHere {
			result = present // this server's own call took the way through the backplane
		}
	}
	r.pending[id] = result
	return r.assign(id, result, client)
}

// reassign says which client has to answer a call, "" for one on another server. It reports false if that has too many to answer
// already.
func (r *results) reassign(id, connectionID string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	result := r.pending[id]
	return result == nil || r.assign(id, result, connectionID)
}

// assign is called with mu held.
func (r *results) assign(id string, result *pendingResult, client string) bool {
	r.unassign(id, result)
	if client == "" {
		return true
	}
	if len(r.owed[client]) >= maximumOwed {
		if !result.awaitedHere {
			delete(r.pending, id)
		}
		return false
	}
	if r.owed[client] == nil {
		r.owed[client] = make(map[string]struct{})
	}
	r.owed[client][id] = struct{}{}
	result.connectionID = client
	return true
}

// unassign is called with mu held.
func (r *results) unassign(id string, result *pendingResult) {
	client := result.connectionID
	result.connectionID = ""
	delete(r.owed[client], id)
	if len(r.owed[client]) == 0 {
		delete(r.owed, client)
	}
}

// owes tells whether a client has to answer a call.
func (r *results) owes(connectionID, id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, owes := r.owed[connectionID][id]
	return owes
}

func (r *results) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(id)
}

// remove is called with mu held.
func (r *results) remove(id string) {
	result := r.pending[id]
	if result == nil {
		return
	}
	delete(r.pending, id)
	r.unassign(id, result)
}

// complete settles the call that a completion answers. from is the id of the local client that sent it, "" if it came from
// another server. It fails if that is not the client that was asked; a call that nobody awaits any more is ignored.
func (r *results) complete(from string, codec protocol.Protocol, completion *protocol.Completion) error {
	r.mu.Lock()
	result := r.pending[completion.ID]
	if result == nil {
		r.mu.Unlock()
		return nil
	}
	if result.connectionID != from {
		r.mu.Unlock()
		return invalidOperation("Connection ID '%s' is not valid for invocation ID '%s'.", from, completion.ID)
	}
	r.remove(completion.ID)
	r.mu.Unlock()
	result.settle(codec, completion, nil)
	return nil
}

// connectionEnded settles the calls that a client can no longer answer.
func (r *results) connectionEnded(connectionID string) {
	r.mu.Lock()
	lost := make([]*pendingResult, 0, len(r.owed[connectionID]))
	for id := range r.owed[connectionID] {
		lost = append(lost, r.pending[id])
		r.remove(id)
	}
	r.mu.Unlock()
	for _, result := range lost {
		result.settle(nil, nil, connectionLost(connectionID))
	}
}

// forwardedResult makes a client of this server answer to the server that asked. It reports false, and answers itself,
// if the client has too many calls to answer already.
func (h *Hub) forwardedResult(id, returnTo string, c *connection) bool {
	codec := c.codec()
	settle := func(_ protocol.Protocol, completion *protocol.Completion, err error) {
		if err != nil {
			completion = &protocol.Completion{ID: id, Error: answerFor(err)}
		}
		frame, err := codec.Append(nil, completion)
		if err != nil {
			h.log.Error("a client result cannot be encoded", "error", err)
			return
		}
		h.running.Go(func() { h.returnResult(returnTo, codec.Name(), frame) })
	}
	if h.results.expect(id, &pendingResult{connectionID: c.id(), returnTo: returnTo, settle: settle}) {
		if c.lost.Load() { // looked at last: an end after this settles the call
			h.results.connectionEnded(c.id())
		}
		return true
	}
	settle(nil, nil, tooManyOwed(c.id()))
	return false
}

// answerFor is the answer in the place of a client that gave none.
func answerFor(err error) string {
	if errors.Is(err, ErrConnectionLost) {
		return "Connection disconnected."
	}
	return err.Error()
}

func tooManyOwed(connectionID string) error {
	return invalidOperation("Connection '%s' has %d calls to answer already.", connectionID, maximumOwed)
}

func (h *Hub) returnResult(returnTo, protocolName string, frame []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), h.options.HandshakeTimeout)
	defer cancel()
	if err := h.backplane.Return(ctx, returnTo, protocolName, frame); err != nil {
		h.log.Warn("a client result cannot be returned to the server that asked for it", "error", err)
	}
}

// invokeClient calls a method on one client, wherever it is, and waits for its result.
func (h *Hub) invokeClient(ctx context.Context, connectionID string, result any, target string, arguments []any) error {
	id, returnTo := h.backplane.NewInvocation()
	message, err := h.encode(id, target, arguments)
	if err != nil {
		return err
	}
	message.ReturnTo = returnTo
	settled := make(chan func() error, 1)
	awaited := &pendingResult{returnTo: returnTo, awaitedHere: true, settle: func(codec protocol.Protocol, completion *protocol.Completion, err error) {
		settled <- func() error {
			if err != nil {
				return err
			}
			return readResult(codec, completion, result)
		}
	}}
	h.results.expect(id, awaited)
	defer h.results.forget(id)
	if err := h.sendInvocation(ctx, connectionID, message); err != nil {
		return err
	}
	select {
	case answer := <-settled:
		return answer() // here, and not where it came in: result is the caller's, who may have given up waiting
	case <-ctx.Done():
		return errors.Join(NewHubError("Invocation canceled by the server."), context.Cause(ctx))
	}
}

// sendInvocation sends a call whose result is awaited. The client that it is handed to directly has to answer here.
func (h *Hub) sendInvocation(ctx context.Context, connectionID string, message backplane.Message) error {
	id := message.InvocationID
	err := h.toConnection(ctx, connectionID, message, func(local *connection) error {
		if local == nil {
			h.results.reassign(id, "")
			return nil
		}
		if !h.results.reassign(id, connectionID) {
			return tooManyOwed(connectionID)
		}
		if local.lost.Load() { // looked at last: an end after this settles the call
			return connectionLost(connectionID)
		}
		return nil
	})
	if errors.Is(err, transport.ErrConnectionClosed) {
		return connectionLost(connectionID)
	}
	local := h.index.find(connectionID)
	if err == nil && local == nil && h.results.owes(connectionID, id) {
		err = backplane.ErrConnectionNotFound // it ended before the call was awaited
	}
	if errors.Is(err, backplane.ErrConnectionNotFound) {
		return connectionFault("Connection '%s' does not exist.", connectionID, ErrConnectionNotFound)
	}
	return err
}

// readResult makes a Go value of a client's answer.
func readResult(codec protocol.Protocol, completion *protocol.Completion, result any) error {
	if completion.Error != "" {
		return &HubError{Message: completion.Error}
	}
	if result == nil {
		return nil
	}
	encoded, ok := completion.Result.(protocol.Raw)
	if !ok {
		return NewHubError("Error trying to deserialize result to %T. The client sent none.", result)
	}
	if err := codec.Unmarshal(encoded, result); err != nil {
		return NewHubError("Error trying to deserialize result to %T. %v", result, err)
	}
	return nil
}

// connectionLost is the error of a call whose client can no longer answer.
func connectionLost(connectionID string) error {
	return connectionFault("Connection '%s' disconnected.", connectionID, ErrConnectionLost)
}

// connectionFault is an error that callers tell by kind and that .NET clients see as an IOException.
func connectionFault(format, connectionID string, kind error) error {
	return &namedError{name: "IOException", err: &kindError{text: fmt.Sprintf(format, connectionID), kind: kind}}
}

type kindError struct {
	text string
	kind error
}

func (e *kindError) Error() string { return e.text }
func (e *kindError) Unwrap() error { return e.kind }
