package config

import (
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
)

// Backplane is how the messages of hubs go through Redis.
type Backplane struct {
	// Mode and StreamSafety are names of package redis.
	Mode, StreamSafety string
	LocalFallback      bool
	StreamLength       int
	StreamAge          time.Duration
	StreamWaitTimeout  time.Duration
}

// backplaneKeys defaults are those of package redis.
func (c *Config) backplaneKeys() []Key {
	const group = "Redis"
	b := &c.Backplane
	return []Key{
		{
			Name: "BackplaneMode", Group: group, Default: string(redis.ModePubSub), Value: Choice(&b.Mode, names(redis.Modes())...),
			Description: "How messages go through Redis; the same on all servers. pubsub is what ASP.NET Core servers speak. " +
				"sharded (Redis 7) loads one shard of a Cluster instead of all. streams lets servers catch up on what they missed while a connection or Redis was away.",
		},
		{
			Name: "BackplaneLocalFallback", Group: group, Default: textFalse, Value: Switch(&b.LocalFallback),
			Description: "For a server that is alone: while Redis is away, deliver to its own clients without it. Not with streams.",
		},
		{
			Name: "BackplaneStreamLength", Group: group, Default: "100000", Value: Count(&b.StreamLength, 1000, 100_000_000),
			Description: "How many messages of a hub its stream keeps, about. A server that falls further behind misses messages, and says so.",
		},
		{
			Name: "BackplaneStreamAge", Group: group, Default: "10m", Value: Duration(&b.StreamAge, 10*time.Second, 30*day),
			Description: "How long a stream keeps messages.",
		},
		{
			Name: "BackplaneStreamSafety", Group: group, Default: string(redis.SafetyAuto), Value: Choice(&b.StreamSafety, names(redis.Safeties())...),
			Description: "When a server may forget a message that Redis has taken, instead of sending it again to a Redis that came back without it: " +
				"when a replica has it, when it is on disk, with Redis's reply, or whichever of these the Redis at hand offers.",
		},
		{
			Name: "BackplaneStreamWaitTimeout", Group: group, Default: "15s", Value: Duration(&b.StreamWaitTimeout, shortest, day),
			Description: "How long a call waits with streams until Redis has taken its message, while Redis is away too, before it fails.",
		},
	}
}

func names[T ~string](values []T) []string {
	result := make([]string, len(values))
	for i, value := range values {
		result[i] = string(value)
	}
	return result
}

// checkBackplane finds combinations that make no sense.
func (c *Config) checkBackplane() error {
	if c.Backplane.LocalFallback && c.Backplane.Mode == string(redis.ModeStreams) {
		return Problem("BackplaneLocalFallback", "does not go with the mode streams, which delivers later what was published while Redis was away")
	}
	return nil
}
