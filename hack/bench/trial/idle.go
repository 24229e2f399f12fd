package trial

import (
	"context"
	"fmt"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/load"
	"github.com/chatcluster/chatcluster/hack/bench/process"
)

// DefaultSettling lets garbage collectors come to rest: runtimes give memory back within seconds, if they do.
func DefaultSettling() process.Settling {
	return process.Settling{Every: 500 * time.Millisecond, Looks: 6, Limit: 20 * time.Second}
}

// Idle is what connections cost that do nothing.
type Idle struct {
	Connections int
	// Before and After are the memory of all servers without and with the connections, in bytes.
	Before, After int64
	// Opening is how long it took to open them all.
	Opening time.Duration
	// Disconnected is how many of them the servers ended, Reason why the first.
	Disconnected int
	Reason       string
}

// BytesPerConnection is by how much the servers grew, per connection.
func (i Idle) BytesPerConnection() float64 {
	return float64(i.After-i.Before) / float64(i.Connections)
}

// RunIdle opens connections, waits for the memory of the servers to settle, and compares it with that before.
// Some connections come and go first: what a server sets up once is not a cost of each connection.
func RunIdle(ctx context.Context, options load.Options, servers []int, settling process.Settling) (Idle, error) {
	if err := firstConnections(ctx, options); err != nil {
		return Idle{}, err
	}
	before, err := process.Settled(ctx, servers, settling)
	if err != nil {
		return Idle{}, err
	}
	begun := time.Now()
	swarm, err := load.Connect(ctx, options)
	if err != nil {
		return Idle{}, err
	}
	defer swarm.Close()
	opening := time.Since(begun)
	after, err := process.Settled(ctx, servers, settling)
	if err != nil {
		return Idle{}, err
	}
	idle := Idle{Connections: options.Connections, Before: before, After: after, Opening: opening}
	if idle.Disconnected, err = swarm.Disconnected(); err != nil {
		idle.Reason = err.Error()
	}
	return idle, nil
}

func firstConnections(ctx context.Context, options load.Options) error {
	const few = 50
	options.Connections = min(few, options.Connections)
	swarm, err := load.Connect(ctx, options)
	if err != nil {
		return fmt.Errorf("first connections: %w", err)
	}
	swarm.Close()
	return nil
}
