package signalr

import (
	"context"
	"errors"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

var errMoving = errors.New("the connection is moving to another server")

// Groups joins connections to groups and takes them out, wherever the connections are.
type Groups struct{ hub *Hub }

// Add makes a connection a member of a group. When it returns, messages to the group reach the connection. It does
// nothing for a member, and fails if no server has the connection.
func (g Groups) Add(ctx context.Context, connectionID, group string) error {
	c, err := g.hub.enter(ctx, connectionID)
	if err != nil {
		return err
	}
	if c != nil {
		defer c.membership.leave()
		local, err := g.hub.index.join(ctx, c, group)
		if local || err != nil {
			return err
		}
	}
	return g.hub.backplane.AddToGroup(ctx, connectionID, group)
}

// Remove takes a connection out of a group. It does nothing for one that is no member.
func (g Groups) Remove(ctx context.Context, connectionID, group string) error {
	c, err := g.hub.enter(ctx, connectionID)
	if err != nil {
		return err
	}
	if c != nil {
		defer c.membership.leave()
		return g.hub.index.part(ctx, c, group)
	}
	return g.hub.backplane.RemoveFromGroup(ctx, connectionID, group)
}

// enter finds a connection of this server whose groups may be changed now, nil if it is not here; then its membership has to
// be left. While the connection moves enter waits.
func (h *Hub) enter(ctx context.Context, connectionID string) (*connection, error) {
	for {
		c := h.index.find(connectionID)
		if c == nil {
			return nil, nil
		}
		moving := c.membership.enter()
		if moving == nil {
			return c, nil
		}
		select {
		case <-moving:
		case <-ctx.Done():
			return nil, errors.Join(errMoving, context.Cause(ctx))
		}
	}
}

// command carries out a group command of another server. Those for a connection that moves are cut by the fence as messages
// are: what comes before it is for the old server, what comes behind it for the new one. Where the old one finds that the connection has
// gone, its error is ErrMoved. It does not wait for the new one: the command of a connection that has come back would wait behind
// itself. local tells that this server has acted.
func (h *Hub) command(ctx context.Context, connectionID string, act func(*connection) (bool, error)) (local bool, err error) {
	if expected := h.index.expectedConnection(connectionID); expected != nil {
		if err := expected.arrival.awaited(ctx); err != nil {
			return false, err
		}
	}
	c, err := h.enter(ctx, connectionID)
	if err != nil {
		return false, err
	}
	place := backplane.FencesBefore(ctx)
	covered := h.departed.covers(connectionID, place)
	if c == nil {
		if covered {
			return false, backplane.ErrMoved
		}
		return false, nil
	}
	defer c.membership.leave()
	if covered || place >= c.since() {
		return act(c)
	}
	return false, nil
}

// since is from which place in the order of group commands on the connection is this server's.
func (c *connection) since() uint64 {
	if c.arrival == nil {
		return 0
	}
	return c.arrival.place()
}
