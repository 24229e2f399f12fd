package wire_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/controllers/redisform"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// newClusterForm is to have three shards with a replica each.
func newClusterForm(t testing.TB, persistent bool) *form {
	return newForm(t, redisform.Wanted{Form: redisform.Cluster, Shards: 3, Persistent: persistent})
}

func (f *form) addNode() *redisform.Member {
	f.t.Helper()
	bus := redistest.FreePort(f.t)
	lines := append(options(redisform.ServerDirectives(f.wanted.Form, 1, f.wanted.Timing)),
		"--cluster-port", strconv.Itoa(bus), "--cluster-announce-hostname", "127.0.0.1", "--cluster-announce-ip", "127.0.0.1")
	if f.wanted.Persistent {
		lines = append(lines, "--appendonly", "yes")
	}
	process := f.startServer(lines)
	member := f.add(redisform.ServerKind, process, process.Address, process.Port)
	member.BusPort = bus
	return member
}

func (f *form) startCluster() {
	f.t.Helper()
	for range 6 {
		f.addNode()
	}
	f.settle("form")
}

// TestClusterKeepsAcknowledgedWrites has a client that never stops writing, and counts as written what a replica has too,
// while nearly everything happens that happens to nodes.
func TestClusterKeepsAcknowledgedWrites(t *testing.T) {
	t.Parallel()
	f := newClusterForm(t, true)
	f.startCluster()
	w := startClusterWriter(t, f)

	first := f.out.Status.Shards[0].Primary
	f.processes[first].Kill()
	f.await("a replica takes over", func() bool { return f.out.Status.Serving && f.out.Status.Shards[0].Primary != first })
	f.restart(first)
	f.settle("a primary was killed, and is back as a replica")

	w.awaitMore(f, 20)
	for i := range f.members {
		f.members[i].Outdated = true
	}
	f.settle("all pods are replaced")

	w.awaitMore(f, 20)
	for range 3 {
		f.addNode()
	}
	f.settle("a replica more for each shard")
	for i := range f.members {
		f.members[i].Wanted = i < 6
	}
	f.settle("a replica less")

	w.awaitMore(f, 20)
	for _, name := range f.all(redisform.ServerKind) {
		f.processes[name].Kill()
	}
	for _, name := range f.all(redisform.ServerKind) {
		f.restart(name)
	}
	f.settle("all were killed at once")
	w.awaitMore(f, 20)
	w.checkCluster(f)
}

// TestClusterEmptyPrimary: a primary starts again without its data and so without its identity, so quickly that nobody has
// missed it.
func TestClusterEmptyPrimary(t *testing.T) {
	t.Parallel()
	f := newClusterForm(t, false)
	f.startCluster()
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: f.addresses(), Protocol: 2})
	t.Cleanup(func() { _ = client.Close() })
	slot, err := client.ClusterKeySlot(t.Context(), "precious").Result()
	must(t, err)
	owner := f.owner(int(slot))
	conn := f.processes[owner].Client(t, redis.Options{}).Conn()
	must(t, conn.Set(t.Context(), "precious", "data", 0).Err())
	must(t, conn.Wait(t.Context(), 1, patience).Err())
	must(t, conn.Close())

	f.processes[owner].Kill()
	f.processes[owner].Forget(t, "nodes.conf")
	f.restart(owner)
	f.awaitReplica(owner) // at the old address, it would take the nothing there for its data
	f.settle("it starts again without its data")
	if now := f.owner(int(slot)); now == owner {
		t.Errorf("%s has the shard again", owner)
	}
	for _, server := range f.facts.Servers {
		if len(server.Node.Table) != 6 {
			t.Errorf("%s knows %d nodes", server.Name, len(server.Node.Table))
		}
	}
	fresh := redis.NewClusterClient(&redis.ClusterOptions{Addrs: f.addresses(), Protocol: 2})
	t.Cleanup(func() { _ = fresh.Close() })
	value, err := fresh.Get(t.Context(), "precious").Result()
	if err != nil || value != "data" {
		t.Errorf("it is lost: %q %v\n%s", value, err, strings.Join(f.trace, "\n"))
	}
}

// awaitReplica waits, without the operator, until a replica asks the server for its data and has been refused for longer than
// servers take that are in their place.
func (f *form) awaitReplica(name string) {
	f.t.Helper()
	const longer = 4 // seconds
	client := f.processes[name].Client(f.t, redis.Options{})
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-ticker.C {
		info := client.InfoMap(f.t.Context(), "server", "replication")
		if uptime, err := strconv.Atoi(info.Item("Server", "uptime_in_seconds")); err == nil && uptime >= longer &&
			info.Item("Replication", "connected_slaves") == "1" {
			return
		}
	}
	f.t.Fatalf("no replica asks %s", name)
}

// owner is the name of the primary that has a slot.
func (f *form) owner(slot int) string {
	f.t.Helper()
	for _, server := range f.facts.Servers {
		if server.Node == nil || !server.Primary {
			continue
		}
		for _, peer := range server.Node.Table {
			if peer.ID == server.Node.ID && slices.ContainsFunc(peer.Slots, func(s redisform.SlotRange) bool { return s.First <= slot && slot <= s.Last }) {
				return server.Name
			}
		}
	}
	f.t.Fatalf("nobody has slot %d", slot)
	return ""
}

func (f *form) addresses() []string {
	var addresses []string
	for _, member := range f.members {
		addresses = append(addresses, member.Address)
	}
	return addresses
}

func startClusterWriter(t testing.TB, f *form) *writer {
	client := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: f.addresses(), MaxRedirects: 1, MaxRetries: -1, DialerRetries: 1, Protocol: 2,
	})
	return start(t, client.Close, func(ctx context.Context, key string) (*redis.Conn, error) {
		node, err := client.MasterForKey(ctx, key)
		if err != nil {
			client.ReloadState(ctx)
			return nil, err
		}
		return node.Conn(), nil
	}, client.ReloadState)
}

// checkCluster looks for all that was acknowledged, wherever it is.
func (w *writer) checkCluster(f *form) {
	f.t.Helper()
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: f.addresses(), Protocol: 2})
	defer func() { _ = client.Close() }()
	acknowledged, lost := w.keys(), 0
	pipeline := client.Pipeline()
	var answers []*redis.IntCmd
	for _, key := range acknowledged {
		answers = append(answers, pipeline.Exists(f.t.Context(), key))
	}
	_, err := pipeline.Exec(f.t.Context())
	must(f.t, err)
	for _, answer := range answers {
		if answer.Val() == 0 {
			lost++
		}
	}
	if lost > 0 {
		f.t.Errorf("%d of %d acknowledged writes are lost\n%s", lost, len(acknowledged), strings.Join(f.trace, "\n"))
	}
	f.t.Logf("%d acknowledged writes", len(acknowledged))
}
