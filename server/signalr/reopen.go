package signalr

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// reopen lets messages for a connection that has just moved, or has just not, be handed over directly again, and then its client's
// calls begin. What was sent to it through the backplane meanwhile comes first: only behind another fence is it all there. A
// fence that does not come is not waited for any longer than that.
func (c *connection) reopen() {
	defer c.letIn()
	ctx, cancel := context.WithTimeout(c.context, fenceTimeout)
	defer cancel()
	closed := c.hub.detours.close(ctx, c.id()) // nobody is on the way round any more, and nobody takes it
	defer c.hub.detours.open(c.id())
	defer c.transport.Divert(false)
	fencer, ok := c.hub.backplane.(backplane.Fencer)
	if closed != nil {
		c.outOfOrder(closed)
		return
	}
	if !ok {
		return
	}
	targets := []backplane.Target{{Scope: backplane.ScopeConnection, Name: c.id()}}
	mark, remaining, fenced := rand.Text(), newCut(targets), make(chan struct{})
	c.hub.fences.await(mark, func(target backplane.Target) {
		if remaining.at(target); remaining.complete() {
			c.transport.Divert(false)
			c.hub.fences.forget(mark)
			close(fenced)
		}
	})
	defer c.hub.fences.forget(mark)
	if err := fencer.Fence(ctx, mark, targets...); err != nil {
		c.outOfOrder(err)
		return
	}
	select {
	case <-fenced:
	case <-ctx.Done():
	}
}

func (c *connection) outOfOrder(reason error) {
	c.hub.log.Debug("messages to a moved connection may come out of order", "connection", c.id(), "error", reason)
}

// letIn lets the client's calls begin that have waited.
func (c *connection) letIn() {
	if c.inbox.release() {
		c.start(c.dispatch)
	}
}

// toConnection sends a message to one connection: directly if it is here, through the backplane if it is elsewhere, or moves, or has
// just moved. before is called before each attempt with the connection if it is here, else with nil.
func (h *Hub) toConnection(ctx context.Context, connectionID string, message backplane.Message, before func(local *connection) error) error {
	for {
		c := h.index.find(connectionID)
		if c != nil {
			if err := before(c); err != nil {
				return err
			}
			if err := c.sendMessage(ctx, message); !errors.Is(err, transport.ErrDiverted) {
				return err
			}
		}
		if again, err := h.roundabout(ctx, connectionID, c, message, before); !again {
			return err
		}
	}
}

// roundabout sends a message to one connection through the backplane. found is what this server has of the connection, nil for
// nothing. If that has changed meanwhile, or may be handed to again, or while this way was closed, it sends nothing, and one has to look again: whoever takes
// this way before a connection comes here has to have sent before reopen lets others hand over theirs directly.
func (h *Hub) roundabout(
	ctx context.Context, connectionID string, found *connection, message backplane.Message, before func(local *connection) error,
) (again bool, err error) {
	if closed := h.detours.enter(connectionID); closed != nil {
		select {
		case <-closed:
			return true, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	defer h.detours.leave(connectionID)
	if h.index.find(connectionID) != found || found != nil && !found.transport.Diverted() {
		return true, nil
	}
	if err := before(nil); err != nil {
		return false, err
	}
	return false, h.backplane.Publish(ctx, backplane.Target{Scope: backplane.ScopeConnection, Name: connectionID}, message)
}
