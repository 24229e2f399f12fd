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
	defer c.detour.open()
	ctx, cancel := context.WithTimeout(c.context, fenceTimeout)
	defer cancel()
	defer c.transport.Divert(false)
	fencer, ok := c.hub.carrier.(backplane.Fencer)
	if !ok || c.detour.close(ctx) != nil { // nobody is on the way round any more, and nobody takes it
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
		c.hub.log.Debug("messages to a moved connection may come out of order", "connection", c.id(), "error", err)
		return
	}
	select {
	case <-fenced:
	case <-ctx.Done():
	}
}

// letIn lets the client's calls begin that have waited.
func (c *connection) letIn() {
	if c.inbox.release() {
		c.start(c.dispatch)
	}
}

// toConnection sends a message to one connection: directly if it is here, through the backplane if it is elsewhere, or moves, or has
// just moved. before is called before each attempt with the id of the connection if it is here, else with "".
func (h *Hub) toConnection(ctx context.Context, connectionID string, message backplane.Message, before func(local string) error) error {
	for {
		c := h.index.find(connectionID)
		if c == nil {
			if err := before(""); err != nil {
				return err
			}
			return h.carrier.Publish(ctx, backplane.Target{Scope: backplane.ScopeConnection, Name: connectionID}, message)
		}
		if err := before(connectionID); err != nil {
			return err
		}
		if err := c.sendMessage(ctx, message); !errors.Is(err, transport.ErrDiverted) {
			return err
		}
		reopening, err := c.roundabout(ctx, message, before)
		if reopening == nil {
			return err
		}
		select {
		case <-reopening:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// roundabout sends a message for a client of this server through the backplane. If that way is being closed it does
// not, and returns what to wait for.
func (c *connection) roundabout(ctx context.Context, message backplane.Message, before func(local string) error) (reopening <-chan struct{}, err error) {
	if reopening = c.detour.enter(); reopening != nil {
		return reopening, nil
	}
	defer c.detour.leave()
	if err := before(""); err != nil {
		return nil, err
	}
	return nil, c.hub.carrier.Publish(ctx, backplane.Target{Scope: backplane.ScopeConnection, Name: c.id()}, message)
}
