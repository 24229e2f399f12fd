package redis

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// NewClient returns a client for keys, beside the connections of a Backplane, whatever kind of servers options name. It
// repeats commands whose answers were lost, and follows a fail-over. The caller closes it.
func NewClient(options Options) goredis.UniversalClient {
	connector := newConnector(options.withDefaults())
	finder := &slotFinder{place: connector.place}
	client := goredis.NewClusterClient(&goredis.ClusterOptions{
		// One server and a primary with replicas are a cluster of one shard: one way to find servers serves all kinds.
		ClusterSlots: finder.slots,
		NewClient: func(node *goredis.Options) *goredis.Client {
			return goredis.NewClient(connector.pooled(node.Addr))
		},
		// A former primary may answer for ever: as the lookout does, it is asked whether it still is one.
		ClusterStateReloadInterval: connector.lookout.interval,
		MaintNotificationsConfig:   &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	// At the clients of the nodes, which see each attempt: the next one may find the new primary already.
	client.OnNewNode(func(node *goredis.Client) { node.AddHook(searcher{client}) })
	return client
}

// slotFinder tells go-redis which primary serves which slots.
type slotFinder struct {
	place topology

	// mutex guards what follows. It is not held while servers are asked.
	mutex sync.Mutex
	// failure is why no server could tell when they were last asked, which was at failedAt; nil if one could.
	failure  error
	failedAt time.Time
}

// slots repeats a failure for a moment: while no server can tell, go-redis asks with each command.
func (f *slotFinder) slots(ctx context.Context) ([]goredis.ClusterSlot, error) {
	if err := f.justFailed(); err != nil {
		return nil, err
	}
	shards, err := f.place.shards(ctx)
	if ctx.Err() == nil { // else it tells of who asked, not of the servers
		f.note(err)
	}
	if err != nil {
		return nil, err
	}
	var slots []goredis.ClusterSlot
	for _, shard := range shards {
		for _, served := range shard.slots {
			slots = append(slots, goredis.ClusterSlot{Start: served.first, End: served.last, Nodes: []goredis.ClusterNode{{Addr: shard.address}}})
		}
	}
	return slots, nil
}

func (f *slotFinder) justFailed() error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if time.Since(f.failedAt) < findPause {
		return f.failure
	}
	return nil
}

func (f *slotFinder) note(failure error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.failure, f.failedAt = failure, time.Now()
}

// searcher is a hook of go-redis that looks again who is the primary when a server does not answer as one. By itself go-redis
// does so only when a server says that another one is. It looks once at a time, with a pause behind each look.
type searcher struct{ client *goredis.ClusterClient }

// mayBeElsewhere tells an error after which another server may be the primary: no answer came, or that of a server which is
// none.
func mayBeElsewhere(err error) bool {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, goredis.ErrClosed):
		return false // the last two tell of who asked, not of the server
	default:
		return !isRefusal(err) || isPassing(err)
	}
}

// DialHook implements goredis.Hook.
func (s searcher) DialHook(next goredis.DialHook) goredis.DialHook { return next }

// ProcessHook implements goredis.Hook.
func (s searcher) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, command goredis.Cmder) error {
		err := next(ctx, command)
		if mayBeElsewhere(err) {
			s.client.ReloadState(ctx)
		}
		return err
	}
}

// ProcessPipelineHook implements goredis.Hook. The error of a pipeline may be nil although commands have failed.
func (s searcher) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, commands []goredis.Cmder) error {
		err := next(ctx, commands)
		failed := func(command goredis.Cmder) bool { return mayBeElsewhere(command.Err()) }
		if mayBeElsewhere(err) || slices.ContainsFunc(commands, failed) {
			s.client.ReloadState(ctx)
		}
		return err
	}
}

// pooled are options for a client of the primary at address.
func (c connector) pooled(address string) *goredis.Options {
	options := c.checked()
	options.Addr = address
	options.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx, address) }
	options.Protocol = 2 // as the backplane: pushed messages bring nothing here
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	options.ContextTimeoutEnabled = true
	options.ReadTimeout, options.WriteTimeout = c.timeout, c.timeout
	options.MaxRetries = -1 // the client of all nodes repeats
	return &options
}
