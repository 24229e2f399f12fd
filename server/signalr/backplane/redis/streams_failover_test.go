package redis

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// The primary is killed again and again under load, and a replica takes its place that need not have all it accepted:
// nothing is lost, nothing doubles, and no call fails.
func TestStreamsLoseAndDoubleNothingWhenSentinelsFailOver(t *testing.T) {
	t.Parallel()
	sentinels := redistest.StartSentinels(t)
	s := startSoak(t, func(change func(*Options)) *Backplane {
		return startAt(t, sentinelServers(sentinels), both(withStreams, change, func(o *Options) { o.WaitTimeout = 2 * time.Minute }))
	})
	count := kills(t, 2)
	for range count {
		s.awaitProgress(t, 1+rand.IntN(100))
		before := sentinels.Master(t)
		before.Kill()
		sentinels.AwaitFailOver(t, before)
		before.Start(t)
		sentinels.AwaitReplica(t)
	}
	s.awaitProgress(t, 20)
	accepted, failed := s.check(t)
	t.Logf("%d fail-overs: %d calls accepted and delivered once, %d failed", count, accepted, failed)
	if failed > 0 {
		t.Errorf("%d calls failed", failed)
	}
}

// A Cluster keeps the streams of a prefix on one primary. A replica takes its place when that is killed.
func TestStreamsLoseAndDoubleNothingWhenAClusterFailsOver(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	servers := Servers{Addresses: []string{cluster.Nodes[0].Address, cluster.Nodes[1].Address, cluster.Nodes[2].Address}}
	s := startSoak(t, func(change func(*Options)) *Backplane {
		return startAt(t, servers, both(withStreams, change, func(o *Options) { o.WaitTimeout = 2 * time.Minute }))
	})
	key := streamKeys{}.of("Chat:all")
	for range 2 {
		s.awaitProgress(t, 20)
		before := cluster.Owner(t, key)
		before.Kill()
		eventually(t, "another node has the stream", func() bool { return cluster.Owner(t, key) != before })
		before.Start(t)
		cluster.AwaitHealth(t)
	}
	s.awaitProgress(t, 20)
	if _, failed := s.check(t); failed > 0 {
		t.Errorf("%d calls failed", failed)
	}
}
