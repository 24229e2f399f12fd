package redis

import (
	"errors"
	"fmt"
)

// Mode is how messages go through Redis. All servers that share clients use the same.
type Mode string

// The modes.
const (
	// ModePubSub is classic publish/subscribe, the one that ASP.NET Core servers speak. The default.
	ModePubSub Mode = "pubsub"
	// ModeSharded is publish/subscribe with SPUBLISH and SSUBSCRIBE: in a Cluster, each message goes to one shard only
	// instead of all. Messages to different groups, users or connections do not keep their order among each other.
	ModeSharded Mode = "sharded"
	// ModeStreams keeps the last messages of each hub in a stream: what a server misses while its connection or Redis is
	// away it reads later, and what Redis forgets is sent again. Every server reads every message.
	ModeStreams Mode = "streams"
)

// Modes are all modes, the default first.
func Modes() []Mode { return []Mode{ModePubSub, ModeSharded, ModeStreams} }

// Safety says when a server in ModeStreams may forget a message that Redis has accepted: it keeps those that Redis may
// still lose, and sends them again if Redis comes back without them.
type Safety string

// The degrees of safety.
const (
	// SafetyAuto waits for what the Redis at hand has: a replica (WAIT 1) if any is connected, the disk if it writes an
	// append-only file (WAITAOF from Redis 7.2 on, nothing with appendfsync always, else a few seconds). The default.
	SafetyAuto Safety = "auto"
	// SafetyReply takes Redis's answer for safe.
	SafetyReply Safety = "reply"
	// SafetyReplica waits until a replica has it. Without a replica all is kept, up to a bound.
	SafetyReplica Safety = "replica"
	// SafetyDisk waits until it is on Redis's own disk.
	SafetyDisk Safety = "disk"
)

// Safeties are all degrees, the default first.
func Safeties() []Safety { return []Safety{SafetyAuto, SafetyReply, SafetyReplica, SafetyDisk} }

var errFallbackNeedsPubSub = errors.New("local fallback works with publish/subscribe only: streams deliver later what was published while Redis was away")

// checkMode refuses combinations that make no sense.
func checkMode(options Options) error {
	switch options.Mode {
	case ModePubSub, ModeSharded:
		return nil
	case ModeStreams:
		if options.LocalFallback {
			return errFallbackNeedsPubSub
		}
		return nil
	default:
		return fmt.Errorf("unknown mode %q: allowed are %s, %s and %s", options.Mode, ModePubSub, ModeSharded, ModeStreams)
	}
}
