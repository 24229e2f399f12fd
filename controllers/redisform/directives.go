package redisform

import (
	"crypto/sha1" //nolint:gosec // an identity, not a secret
	"encoding/hex"
	"fmt"
	"time"
)

// Nobody is the address of no server. A replica of it keeps its data, accepts no writes, and gives its data to nobody.
const (
	nobodyHost = "127.0.0.1"
	nobodyPort = 1
)

// maximumLag is how long a primary that no replica hears goes on to accept writes, in seconds.
const maximumLag = 10

// ServerDirectives are those lines of redis.conf on which the plans build; replicas is how many there are beside the
// primary, or beside each primary of a Cluster. The lines are the same for all servers: no server is a primary because
// of its name.
func ServerDirectives(form Form, replicas int, timing Timing) []string {
	timing = timing.withDefaults()
	directives := []string{
		// A server that is told to end waits for its replicas, and gives the writes nobody else has to them first.
		"shutdown-timeout 10",
		"repl-diskless-sync yes",
		SyncDelay + " " + syncDelayAtStart(form),
		// A replica that was away for a moment goes on where it was.
		"repl-backlog-size 32mb",
	}
	if form == Cluster {
		return append(directives,
			"cluster-enabled yes",
			"cluster-config-file nodes.conf",
			fmt.Sprintf("cluster-node-timeout %d", timing.DownAfter/time.Millisecond),
			// Shards that are there go on while another is not.
			"cluster-require-full-coverage no",
			// Nodes stay in their shards: the number of replicas is decided in one place.
			"cluster-allow-replica-migration no",
		)
	}
	directives = append(directives,
		// Every start is that of a replica that nobody chooses, be it empty or not, until it has the primary's data.
		fmt.Sprintf("replicaof %s %d", nobodyHost, nobodyPort),
		"replica-priority 0",
	)
	if replicas >= 2 {
		directives = append(directives,
			// A primary that is cut off from all replicas is being replaced: what it accepts would be lost.
			"min-replicas-to-write 1",
			fmt.Sprintf("min-replicas-max-lag %d", maximumLag),
		)
	}
	return directives
}

// SyncDelay is the directive that says for how many seconds a server makes replicas wait before it gives them its data.
const SyncDelay = "repl-diskless-sync-delay"

// Its values.
const (
	giveNow      = "1"
	giveWhenTold = "86400"
)

// syncDelayAtStart: a node of a Cluster that has lost its volume may have the address of the one before. Replicas of that would take
// its nothing for their data, and lose theirs, so it makes them wait until the operator has found its place. With Sentinels a server
// starts as a replica of nobody, which gives nothing anyway.
func syncDelayAtStart(form Form) string {
	if form == Cluster {
		return giveWhenTold
	}
	return giveNow
}

// SentinelDirectives are the lines of the first sentinel.conf of the Sentinel at host and port. Sentinels write to that
// file, so it must be copied to where they can, and a copy that is there be kept. What they watch they are told later.
func SentinelDirectives(host string, port int) []string {
	return []string{
		"sentinel resolve-hostnames yes",
		"sentinel announce-hostnames yes",
		"sentinel announce-ip " + host,
		fmt.Sprintf("sentinel announce-port %d", port),
		"sentinel myid " + SentinelID(host),
	}
}

// SentinelID is the ID of the Sentinel at host: one that has lost its file is no other Sentinel for it, since others count
// also those that they know and that are gone.
func SentinelID(host string) string {
	sum := sha1.Sum([]byte(host)) //nolint:gosec // an identity, not a secret
	return hex.EncodeToString(sum[:])
}
