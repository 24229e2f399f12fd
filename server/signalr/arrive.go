package signalr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/handover"
	"github.com/chatcluster/chatcluster/server/signalr/protocol"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// arrival is a connection of another server on its way to this one. It implements cluster.Taker.
type arrival struct {
	crossing
	// state is what Import has decoded, exported the transport's part of it.
	state    handover.State
	exported transport.State
	// decided is closed when it is known whose the connection is.
	decided chan struct{}
	// resumed is set when the client has been told where this server goes on.
	resumed atomic.Bool
}

// Adopts implements transport.Application.
func (a application) Adopts() bool {
	server := a.hub.server
	_, cuts := a.hub.backplane.(backplane.Fencer)
	return cuts && server.options.Member != nil && !server.givingAway.Load() && !a.hub.closing.Load()
}

// Adopt implements transport.Application.
func (a application) Adopt(ctx context.Context, candidate *transport.Connection, owner string) bool {
	hub := a.hub
	member := hub.server.options.Member
	fencer, ok := hub.backplane.(backplane.Fencer)
	if !ok || !a.Adopts() {
		return false
	}
	err := hub.take(ctx, candidate, owner, fencer)
	if errors.Is(err, cluster.ErrNotOwner) { // it has moved since this server last heard of it
		if owner, _, err = member.Locate(ctx, candidate.ID(), false); err == nil && owner != "" {
			err = hub.take(ctx, candidate, owner, fencer)
		}
	}
	if err != nil {
		hub.log.Debug("a connection stays at its server", "connection", candidate.ID(), "owner", owner, "error", err)
		return false
	}
	return owner != ""
}

func (h *Hub) take(ctx context.Context, candidate *transport.Connection, owner string, fencer backplane.Fencer) error {
	arriving, err := newArrival(ctx, h, candidate, fencer)
	if err != nil {
		return err
	}
	return h.server.options.Member.Take(ctx, candidate.ID(), owner, arriving)
}

func newArrival(ctx context.Context, hub *Hub, candidate *transport.Connection, fencer backplane.Fencer) (*arrival, error) {
	a := &arrival{decided: make(chan struct{})}
	if err := a.begin(ctx, newMovedConnection(hub, candidate), fencer); err != nil {
		return nil, fmt.Errorf("move a connection here: %w", err)
	}
	a.connection.arrival = a
	return a, nil
}

// Request implements cluster.Taker.
func (a *arrival) Request() []byte {
	c := a.connection
	request := handover.Request{Hub: c.hub.name, Domain: string(a.domain), Identity: transport.IdentityOf(c.transport.Request().User)}
	return request.Append(nil)
}

// Capture implements cluster.Taker.
func (a *arrival) Capture(ctx context.Context, attempt string, payload []byte) error {
	c := a.connection
	offer, err := handover.ParseOffer(payload)
	if err != nil {
		return cluster.Refuse(cluster.RefusedVersion, err)
	}
	index := slices.IndexFunc(c.hub.options.Protocols, func(p protocol.Protocol) bool { return p.Name() == offer.Protocol })
	if index < 0 {
		return cluster.Refuse(cluster.RefusedVersion, fmt.Errorf("the protocol %q is not spoken here", offer.Protocol))
	}
	if backplane.Domain(offer.Domain) != a.domain {
		return cluster.Refuse(cluster.RefusedOrder, backplane.ErrNoOrder)
	}
	c.protocolIndex, c.user = index, offer.User
	targets := targetsOf(c, offer.Groups)
	a.side, a.attempt = &sideBuffer{arriving: true, cut: newCut(targets)}, attempt
	c.side.Store(a.side)
	if err := c.hub.index.expect(ctx, c, offer.Groups); err != nil {
		return fmt.Errorf("subscribe what a connection hears: %w", err)
	}
	c.hub.fences.await(attempt, a.fence)
	ctx, cancel := context.WithTimeout(ctx, fenceTimeout)
	defer cancel()
	if err := a.fencer.Fence(ctx, attempt, audiences(targets)...); err != nil {
		return fmt.Errorf("cut the messages to a connection: %w", err)
	}
	return a.awaitCut(ctx)
}

// Import implements cluster.Taker.
func (a *arrival) Import(ctx context.Context, payload []byte) error {
	state, err := handover.ParseState(payload)
	if err != nil {
		return cluster.Refuse(cluster.RefusedVersion, err)
	}
	a.state = state
	isBinary := a.connection.codec().Binary()
	a.exported = transport.State{Started: state.Started, OutboxState: transport.OutboxState{Acknowledged: state.Acknowledged}}
	for _, message := range state.Messages {
		a.exported.Messages = append(a.exported.Messages, transport.NewPayload(message, isBinary))
	}
	if err := a.whole(ctx); err != nil {
		return err
	}
	a.connection.transport.Reserve()
	return nil
}

// Commit implements cluster.Taker.
func (a *arrival) Commit() {
	c := a.connection
	c.hub.fences.forget(a.attempt)
	c.resume(&a.state)
	c.transport.Divert(true)
	c.inbox.hold()
	c.inbox.add(a.state.Unread)
	c.hub.index.settle(c)
	for _, result := range a.state.Results {
		c.hub.forwardedResult(result.InvocationID, result.ReturnTo, c)
	}
	c.transport.Adopt(c, a.exported)
	if !a.side.pass(c.deliver) {
		c.transport.Abort(transport.ErrSlowClient)
	}
	c.side.Store(nil)
	a.state, a.exported = handover.State{}, transport.State{}
	close(a.decided)
	c.start(c.reopen)
	if c.hub.closing.Load() {
		c.sendElsewhere() // the server began to close meanwhile, and may have told all whom it knew before
	}
}

// resume makes a new connection go on as the state says. Nobody else knows it yet.
func (c *connection) resume(state *handover.State) {
	c.sequence.received.Store(state.Received)
	if !c.transport.Stateful() {
		c.sequence.current = state.Received // such a client repeats nothing
	}
	if state.Pings {
		c.keepAlive.received.Store(time.Now().UnixNano())
	}
	c.items.restore(state.Items)
	c.mu.Lock()
	c.phase, c.cleanup = phaseOpen, true
	c.mu.Unlock()
}

// Abort implements cluster.Taker.
func (a *arrival) Abort() {
	c := a.connection
	c.hub.fences.forget(a.attempt)
	c.hub.index.unexpect(c)
	c.transport.Withdraw()
	c.leave()
	close(a.decided)
}

// arriving tells whether the connection is on its way to this server: others know of it, but it cannot end yet.
func (c *connection) arriving() bool {
	if c.arrival == nil {
		return false
	}
	select {
	case <-c.arrival.decided:
		return false
	default:
		return true
	}
}

// awaited waits until it is known whose the connection is.
func (a *arrival) awaited(ctx context.Context) error {
	select {
	case <-a.decided:
		return nil
	case <-ctx.Done():
		return errors.Join(errMoving, context.Cause(ctx))
	}
}
