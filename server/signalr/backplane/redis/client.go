package redis

import (
	"context"
	"net"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// NewClient returns a client for keys, beside the connections of a Backplane, whatever kind of servers options name. It
// repeats commands whose answers were lost. The caller closes it.
func NewClient(options Options) goredis.UniversalClient {
	connector := newConnector(options.withDefaults())
	return goredis.NewClusterClient(&goredis.ClusterOptions{
		// One server and a primary with replicas are a cluster of one shard: one way to find servers serves all kinds.
		ClusterSlots: connector.clusterSlots,
		NewClient: func(node *goredis.Options) *goredis.Client {
			return goredis.NewClient(connector.pooled(node.Addr))
		},
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

// clusterSlots tells which primary serves which slots.
func (c connector) clusterSlots(ctx context.Context) ([]goredis.ClusterSlot, error) {
	shards, err := c.place.shards(ctx)
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
