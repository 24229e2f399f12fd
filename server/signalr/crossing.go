package signalr

import (
	"context"
	"sync"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// crossing is what the old and the new server of a move both have of it: the fence that cuts the flow of messages to the
// connection, and whether the cut can be relied on.
type crossing struct {
	connection *connection
	fencer     backplane.Fencer
	attempt    string
	// domain and generation are those of the backplane when the move began here.
	domain     backplane.Domain
	generation uint64
	side       *sideBuffer
	// fenced is closed when the flow of messages to the connection has been cut here.
	fenced chan struct{}

	// mu guards what follows. Nothing is called while it is held.
	mu sync.Mutex
	// gap is set when a message may have been missed here before the fence came.
	gap bool
	// commandFences is how many fences had cut group commands when that of this move did, it included; 0 before.
	commandFences uint64
}

// begin notes how the backplane is before anything is done for the move.
func (x *crossing) begin(ctx context.Context, c *connection, fencer backplane.Fencer) error {
	x.connection, x.fencer, x.generation, x.fenced = c, fencer, fencer.Generation(), make(chan struct{})
	var err error
	x.domain, err = fencer.Domain(ctx)
	return err
}

// fence is called by the goroutine that delivers.
func (x *crossing) fence(target backplane.Target) {
	gap := x.fencer.Generation() != x.generation
	x.mu.Lock()
	x.gap = x.gap || gap
	if x.commandFences == 0 && cutsCommands(target) {
		x.commandFences = x.connection.hub.fences.commands.Load()
	}
	x.mu.Unlock()
	if x.side.fence(target) {
		select {
		case <-x.fenced:
		default:
			close(x.fenced)
		}
	}
}

// awaitCut waits until the flow of messages has been cut here. Its error is a *cluster.RefusalError.
func (x *crossing) awaitCut(ctx context.Context) error {
	select {
	case <-x.fenced:
		return nil
	case <-ctx.Done():
		return cluster.Refuse(cluster.RefusedGap, context.Cause(ctx))
	}
}

// whole fails if a message to the connection may have been missed here. Its error is a *cluster.RefusalError.
func (x *crossing) whole(ctx context.Context) error {
	domain, err := x.fencer.Domain(ctx)
	x.mu.Lock()
	gap := x.gap
	x.mu.Unlock()
	if err != nil || gap || domain != x.domain || x.side.isOverflowed() {
		return cluster.Refuse(cluster.RefusedGap, err)
	}
	return nil
}

// place is where the connection's stay at the old server ends and that at the new one begins: how many fences had cut group
// commands when that of this move did.
func (x *crossing) place() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.commandFences
}
