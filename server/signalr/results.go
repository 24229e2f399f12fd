package signalr

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/protocol"
)

// results are the calls of client methods whose results are awaited: by this server, or by another one for which a client
// of this server answers.
type results struct {
	// mu guards pending. Nothing is called while it is held.
	mu      sync.Mutex
	pending map[string]*pendingResult
}

// pendingResult is one awaited result.
type pendingResult struct {
	// connectionID is the local client that has to answer; "" if it is on another server.
	connectionID string
	// settle is called once with the answer, or with the reason why there is none.
	settle func(codec protocol.Protocol, completion *protocol.Completion, err error)
}

func (r *results) expect(id string, result *pendingResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending == nil {
		r.pending = make(map[string]*pendingResult)
	}
	r.pending[id] = result
}

func (r *results) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pending, id)
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
	delete(r.pending, completion.ID)
	r.mu.Unlock()
	result.settle(codec, completion, nil)
	return nil
}

// connectionEnded settles the calls that a client can no longer answer.
func (r *results) connectionEnded(c *connection) {
	var lost []*pendingResult
	r.mu.Lock()
	for id, result := range r.pending {
		if result.connectionID == c.id() {
			lost = append(lost, result)
			delete(r.pending, id)
		}
	}
	r.mu.Unlock()
	for _, result := range lost {
		result.settle(nil, nil, connectionFault("Connection '%s' disconnected.", c.id(), ErrConnectionLost))
	}
}

// forwardedResult makes a client of this server answer to the server that asked.
func (h *Hub) forwardedResult(id, returnTo string, c *connection) {
	codec := c.codec()
	h.results.expect(id, &pendingResult{connectionID: c.id(), settle: func(_ protocol.Protocol, completion *protocol.Completion, err error) {
		if err != nil {
			completion = &protocol.Completion{ID: id, Error: "Connection disconnected."}
		}
		frame, err := codec.Append(nil, completion)
		if err != nil {
			h.log.Error("a client result cannot be encoded", "error", err)
			return
		}
		h.running.Go(func() { h.returnResult(returnTo, codec.Name(), frame) })
	}})
}

func (h *Hub) returnResult(returnTo, protocolName string, frame []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), h.options.HandshakeTimeout)
	defer cancel()
	if err := h.carrier.Return(ctx, returnTo, protocolName, frame); err != nil {
		h.log.Warn("a client result cannot be returned to the server that asked for it", "error", err)
	}
}

// invokeClient calls a method on one client, wherever it is, and waits for its result.
func (h *Hub) invokeClient(ctx context.Context, connectionID string, result any, target string, arguments []any) error {
	id, returnTo := h.carrier.NewInvocation()
	message, err := h.encode(id, target, arguments)
	if err != nil {
		return err
	}
	message.ReturnTo = returnTo
	settled := make(chan error, 1)
	awaited := &pendingResult{settle: func(codec protocol.Protocol, completion *protocol.Completion, err error) {
		if err == nil {
			err = readResult(codec, completion, result)
		}
		settled <- err
	}}
	local := h.index.find(connectionID)
	if local != nil {
		awaited.connectionID = connectionID
	}
	h.results.expect(id, awaited)
	defer h.results.forget(id)
	if err := h.sendInvocation(ctx, local, connectionID, message); err != nil {
		return err
	}
	select {
	case err := <-settled:
		return err
	case <-ctx.Done():
		return errors.Join(NewHubError("Invocation canceled by the server."), context.Cause(ctx))
	}
}

func (h *Hub) sendInvocation(ctx context.Context, local *connection, connectionID string, message backplane.Message) error {
	var err error
	if local != nil {
		if err = local.sendMessage(ctx, message); err == nil && local.context.Err() != nil {
			err = backplane.ErrConnectionNotFound // it ended before the call was awaited
		}
	} else {
		err = h.carrier.Publish(ctx, backplane.Target{Scope: backplane.ScopeConnection, Name: connectionID}, message)
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
