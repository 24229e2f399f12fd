package signalr

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/handover"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// The limits of a departure. Meanwhile calls of the client wait.
const (
	// quietTimeout is how long what runs for a connection may take to end before the connection counts as busy.
	quietTimeout = 2 * time.Second
	// fenceTimeout is how long a fence may take to come.
	fenceTimeout = 2 * time.Second
)

// giver gives connections of a server to others.
type giver Server

// departure is a connection of this server on its way to another one.
type departure struct {
	crossing
	// results are calls that the client has to answer, taken out when its state was.
	results []owedResult

	// What follows is guarded by crossing.mu. postponed ends the connection if it stays: its end was wanted meanwhile.
	postponed func()
	decided   bool
}

// departing finds the departure of a connection.
func (g *giver) departing(connectionID string) *departure {
	if c := (*Server)(g).find(connectionID); c != nil {
		return c.departure.Load()
	}
	return nil
}

// Offers implements cluster.Giver. Clients with WebSockets are asked about by whoever gets their next socket.
func (g *giver) Offers(connectionID string) bool {
	c := (*Server)(g).find(connectionID)
	if c == nil || c.transport.Kind() != transport.LongPolling || c.departure.Load() != nil || c.phaseNow() != phaseOpen {
		return false
	}
	now := time.Now()
	return (g.givingAway.Load() || c.mayGo(now)) && c.offer(now)
}

// offer notes that the connection is offered. It reports false if that was done a moment ago: then it did not come about, and the
// client must not wait for it with each of its polls.
func (c *connection) offer(now time.Time) bool {
	last := c.offered.Load()
	return now.Sub(time.Unix(0, last)) >= c.rest() && c.offered.CompareAndSwap(last, now.UnixNano())
}

// Prepare implements cluster.Giver.
func (g *giver) Prepare(ctx context.Context, connectionID, attempt string, payload []byte) ([]byte, error) {
	request, err := handover.ParseRequest(payload)
	if err != nil {
		return nil, cluster.Refuse(cluster.RefusedVersion, err)
	}
	c := (*Server)(g).connectionOf(request.Hub, connectionID)
	if c == nil || transport.IdentityOf(c.transport.Request().User) != request.Identity {
		return nil, cluster.Refuse(cluster.RefusedEnded, nil)
	}
	if !c.mayGo(time.Now()) && !g.givingAway.Load() {
		return nil, cluster.Refuse(cluster.RefusedUnwilling, nil)
	}
	d, err := newDeparture(ctx, c, attempt, backplane.Domain(request.Domain))
	if err != nil {
		return nil, err
	}
	if err := d.halt(ctx); err != nil {
		return nil, err
	}
	offer := handover.Offer{Domain: string(d.domain), Protocol: c.codec().Name(), User: c.user, Groups: c.hub.index.groupsOf(c)}
	return offer.Append(nil), nil
}

func newDeparture(ctx context.Context, c *connection, attempt string, domain backplane.Domain) (*departure, error) {
	fencer, ok := c.hub.backplane.(backplane.Fencer)
	if !ok {
		return nil, cluster.Refuse(cluster.RefusedOrder, backplane.ErrNoOrder)
	}
	d := &departure{crossing: crossing{attempt: attempt}}
	if err := d.begin(ctx, c, fencer); err != nil {
		return nil, cluster.Refuse(cluster.RefusedOrder, err)
	}
	if d.domain != domain {
		return nil, cluster.Refuse(cluster.RefusedOrder, fmt.Errorf("%w: %s here, %s there", backplane.ErrNoOrder, d.domain, domain))
	}
	return d, nil
}

// halt makes the connection stand still: no call starts, no group changes, and what is sent to it comes by the backplane.
func (d *departure) halt(ctx context.Context) error {
	c := d.connection
	if c.phaseNow() != phaseOpen {
		return cluster.Refuse(cluster.RefusedBusy, nil)
	}
	ctx, cancel := context.WithTimeout(ctx, quietTimeout)
	defer cancel()
	err := c.transport.BeginGiving()
	if errors.Is(err, transport.ErrAttached) && c.transport.Park(ctx) == nil {
		err = c.transport.BeginGiving() // the socket was one that the client has left
	}
	if err != nil {
		return cluster.Refuse(reasonNotToGive(err), err)
	}
	c.departure.Store(d)
	err = c.transport.AwaitPosts(ctx) // while the inbox is still read, or one that waits for room there would not end
	c.inbox.hold()
	if err == nil {
		err = c.quiet(ctx)
	}
	if err != nil {
		c.membership.open()
		d.callOff()
		return cluster.Refuse(cluster.RefusedBusy, err)
	}
	c.transport.Divert(true)
	d.side = &sideBuffer{cut: newCut(targetsOf(c, c.hub.index.groupsOf(c)))}
	c.hub.fences.await(d.attempt, d.fence)
	c.side.Store(d.side)
	return nil
}

// quiet waits until nothing runs for the connection and its groups do not change, and keeps its groups from changing.
func (c *connection) quiet(ctx context.Context) error {
	select {
	case <-c.activity.done():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return c.membership.close(ctx)
}

func reasonNotToGive(err error) string {
	switch {
	case errors.Is(err, transport.ErrAttached):
		return cluster.RefusedAttached
	case errors.Is(err, transport.ErrMoving):
		return cluster.RefusedMoving
	}
	return cluster.RefusedEnded
}

// State implements cluster.Giver.
func (g *giver) State(ctx context.Context, connectionID string) ([]byte, error) {
	d := g.departing(connectionID)
	if d == nil {
		return nil, cluster.Refuse(cluster.RefusedEnded, nil)
	}
	ctx, cancel := context.WithTimeout(ctx, fenceTimeout)
	defer cancel()
	if err := d.awaitCut(ctx); err != nil {
		return nil, err
	}
	if err := d.whole(ctx); err != nil {
		return nil, err
	}
	return d.export()
}

// export encodes what the connection leaves to its next server.
func (d *departure) export() ([]byte, error) {
	c := d.connection
	d.mu.Lock()
	ending := d.postponed != nil
	d.mu.Unlock()
	exported, err := c.transport.Export()
	if err != nil || ending {
		return nil, cluster.Refuse(cluster.RefusedEnded, err)
	}
	d.results = c.hub.results.takeOwed(c.id())
	state := handover.State{
		Started: exported.Started, Acknowledged: exported.Acknowledged, Received: c.sequence.received.Load(),
		Pings: c.keepAlive.received.Load() != 0, Items: c.items.export(),
	}
	if !c.transport.Stateful() {
		state.Unread = c.inbox.preview(nil)
	}
	for _, payload := range exported.Messages {
		state.Messages = append(state.Messages, payload.Message())
	}
	for _, result := range d.results {
		state.Results = append(state.Results, handover.Result{InvocationID: result.id, ReturnTo: result.returnTo})
	}
	encoded := state.Append(nil)
	if len(encoded) > handover.MaximumState {
		return nil, cluster.Refuse(cluster.RefusedSize, fmt.Errorf("its state has %d bytes, %d may be moved", len(encoded), handover.MaximumState))
	}
	return encoded, nil
}

// Keep implements cluster.Giver.
func (g *giver) Keep(connectionID string) {
	d := g.departing(connectionID)
	if d == nil {
		return
	}
	c := d.connection
	c.hub.fences.forget(d.attempt)
	c.hub.results.putBack(c.id(), d.results)
	if !d.side.pass(c.deliver) {
		c.transport.Abort(transport.ErrSlowClient)
	}
	c.side.Store(nil)
	c.membership.open()
	c.inbox.hold()
	c.start(c.reopen)
	d.callOff()
}

// callOff ends a departure that does not come about.
func (d *departure) callOff() {
	c := d.connection
	d.mu.Lock()
	d.decided = true
	postponed := d.postponed
	d.mu.Unlock()
	c.departure.Store(nil)
	c.transport.KeepGiven()
	c.letIn()
	if postponed != nil {
		postponed()
	}
}

// Given implements cluster.Giver.
func (g *giver) Given(connectionID string) {
	d := g.departing(connectionID)
	if d == nil {
		return
	}
	c := d.connection
	d.mu.Lock()
	d.decided = true
	d.mu.Unlock()
	c.hub.fences.forget(d.attempt)
	c.hub.results.handOver(d.results)
	c.transport.Given()
	c.leave()
	c.hub.departed.add(c.id(), c.since(), d.place())
	c.hub.index.remove(c)
	g.departures.Add(1)
	c.membership.open() // who waited to change its groups finds it elsewhere
}

// leave ends the connection for this server, without a word to the application: it goes on elsewhere.
func (c *connection) leave() {
	c.mu.Lock()
	c.ended, c.phase = true, phaseEnded
	c.mu.Unlock()
	c.inbox.close()
	c.cancel(context.Canceled)
}

// postpone puts an end off until it is known whose the connection is. It reports false if it is known.
func (d *departure) postpone(end func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.decided {
		return false
	}
	if d.postponed == nil {
		d.postponed = end
	}
	return true
}
