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
	return g.hub.carrier.AddToGroup(ctx, connectionID, group)
}

// Remove takes a connection out of a group. It does nothing for one that is no member.
func (g Groups) Remove(ctx context.Context, connectionID, group string) error {
	c, err := g.hub.enter(ctx, connectionID)
	if err != nil {
		return err
	}
	if c != nil {
		defer c.membership.leave()
		g.hub.index.part(c, group)
		return nil
	}
	return g.hub.carrier.RemoveFromGroup(ctx, connectionID, group)
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
// are: what comes before it is for the old server, what comes behind it for the new one. local tells that this is the one that has
// acted.
func (h *Hub) command(ctx context.Context, connectionID string, act func(*connection) (bool, error), elsewhere func() error) (local bool, err error) {
	if expected := h.index.expectedConnection(connectionID); expected != nil {
		if committed, err := expected.arrival.awaited(ctx); !committed || err != nil {
			return false, err
		}
	}
	was := h.index.find(connectionID)
	if was == nil || was.arrival != nil && !was.arrival.isBehind(ctx) {
		return false, nil
	}
	c, err := h.enter(ctx, connectionID)
	switch {
	case err != nil:
		return false, err
	case c != nil:
		defer c.membership.leave()
		return act(c)
	}
	if left := was.departure.Load(); left != nil && left.isBefore(ctx) {
		// It came before the fence, so the new server leaves it to this one, which has the connection no more.
		return true, elsewhere()
	}
	return false, nil
}

// isBefore tells whether a group command came before the fence.
func (d *departure) isBefore(ctx context.Context) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.commandFences == 0 || backplane.FencesBefore(ctx) < d.commandFences
}
