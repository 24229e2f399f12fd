package redis

import (
	"context"
	"errors"

	goredis "github.com/redis/go-redis/v9"
)

var errHeard = errors.New("the channel has subscribers")

// isHeardElsewhere tells whether a channel that nobody has subscribed at the node where this process publishes is subscribed
// at another node of a Cluster: PUBLISH counts subscribers of one node only, and ASP.NET Core servers subscribe each channel
// at the node that serves its slot. When Redis does not say, it may be.
func (c connector) isHeardElsewhere(ctx context.Context, channel string) bool {
	shards, err := c.place.shards(ctx)
	if err != nil {
		return true
	}
	if len(shards) < 2 {
		return false
	}
	for _, shard := range shards {
		err := c.probe(ctx, shard.address, func(ctx context.Context, client *goredis.Client) error {
			counts, err := client.PubSubNumSub(ctx, channel).Result()
			if err == nil && counts[channel] > 0 {
				err = errHeard
			}
			return err
		})
		if err != nil {
			return true
		}
	}
	return false
}
