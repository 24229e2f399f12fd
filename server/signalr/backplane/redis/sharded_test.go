package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

func withSharded(o *Options) { o.Mode = ModeSharded }

func TestShardedOnOneServer(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	var seen states
	receiver := newRecorder()
	receiver.onGroup = func(_ context.Context, _ bool, connectionID, _ string) (bool, error) {
		return connectionID == "c1", nil
	}
	there := openHub(t, startPlane(t, redis.Address, both(withSharded, seen.observe)), receiver)
	hub := openHub(t, startPlane(t, redis.Address, withSharded), newRecorder())
	if err := there.Subscribe(testContext(t), toGroup("g"), toUser("u"), toConnection("c1")); err != nil {
		t.Fatal(err)
	}
	for _, target := range []backplane.Target{toAll, toGroup("g"), toUser("u"), toConnection("c1")} {
		publish(t, hub, target, "hello")
		receiver.expect(t, target, "hello")
	}
	if err := hub.AddToGroup(testContext(t), "c1", "g"); err != nil {
		t.Error(err)
	}
	err := hub.Publish(testContext(t), toConnection("nobody"), backplane.Message{InvocationID: "1"})
	if !errors.Is(err, backplane.ErrConnectionNotFound) {
		t.Errorf("a result from nobody: %v", err)
	}
	there.Unsubscribe(toUser("u"))
	client := redis.Client(t, goredis.Options{})
	eventually(t, "Redis has forgotten the user", func() bool {
		channels, err := client.PubSubShardChannels(testContext(t), "Chat:user:*").Result()
		return err == nil && len(channels) == 0
	})
	seen.expect(t, true)
	redis.Kill()
	seen.expect(t, false)
	redis.Start(t)
	seen.expect(t, true)
	untilExchanged(t, hub, receiver, toGroup("g"), "again")
}

func TestShardedFollowsTheSentinels(t *testing.T) {
	t.Parallel()
	sentinels := redistest.StartSentinels(t)
	receiver := newRecorder()
	hub := openHub(t, startAt(t, sentinelServers(sentinels), withSharded), newRecorder())
	there := openHub(t, startAt(t, sentinelServers(sentinels), withSharded), receiver)
	if err := there.Subscribe(testContext(t), toGroup("g")); err != nil {
		t.Fatal(err)
	}
	publish(t, hub, toGroup("g"), "hello")
	receiver.expect(t, toGroup("g"), "hello")
	before := sentinels.Master(t)
	before.Kill()
	sentinels.AwaitFailOver(t, before)
	untilExchanged(t, hub, receiver, toGroup("g"), "after the fail-over")
}

// shardedOnCluster is two servers of a Cluster, one of which listens to groups in all of its shards.
type shardedOnCluster struct {
	cluster  *redistest.Cluster
	sender   backplane.Hub
	receiver *recorder
	plane    *Backplane
}

const shardedGroups = 60

func startSharded(t *testing.T) *shardedOnCluster {
	t.Helper()
	c := &shardedOnCluster{cluster: redistest.StartCluster(t), receiver: newRecorder()}
	servers := Servers{Addresses: strings.Split(c.cluster.Endpoints(), ",")[1:2]}
	c.sender = openHub(t, startAt(t, servers, withSharded), newRecorder())
	c.plane = startAt(t, servers, withSharded)
	hub := openHub(t, c.plane, c.receiver)
	targets := make([]backplane.Target, shardedGroups)
	for number := range targets {
		targets[number] = toGroup(fmt.Sprint(number))
	}
	if err := hub.Subscribe(testContext(t), targets...); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *shardedOnCluster) exchangeEverywhere(t *testing.T, text string) {
	t.Helper()
	for number := range shardedGroups {
		untilExchanged(t, c.sender, c.receiver, toGroup(fmt.Sprint(number)), text)
	}
}

func TestShardedOnACluster(t *testing.T) {
	t.Parallel()
	c := startSharded(t)
	for number := range shardedGroups {
		for message := range 20 {
			publish(t, c.sender, toGroup(fmt.Sprint(number)), fmt.Sprint(message))
		}
		for message := range 20 {
			c.receiver.expect(t, toGroup(fmt.Sprint(number)), fmt.Sprint(message))
		}
	}
	if links := len(c.plane.carrier.(*sharded).shards); links != 3 {
		t.Errorf("%d links", links)
	}
	c.killPrimary(t)
	c.moveOneSlot(t)
	if state := c.plane.State(); !state.Connected {
		t.Errorf("state %+v", state)
	}
}

func (c *shardedOnCluster) killPrimary(t *testing.T) {
	t.Helper()
	before := c.cluster.Owner(t, "Chat:group:7")
	before.Kill()
	eventually(t, "another node serves the slot", func() bool { return c.cluster.Owner(t, "Chat:group:7") != before })
	c.exchangeEverywhere(t, "after the fail-over")
	before.Start(t)
	c.cluster.AwaitHealth(t)
}

func (c *shardedOnCluster) moveOneSlot(t *testing.T) {
	t.Helper()
	from, to := c.cluster.Owner(t, "Chat:group:7"), c.cluster.Owner(t, "Chat:group:0")
	for other := 1; to == from; other++ {
		to = c.cluster.Owner(t, fmt.Sprintf("Chat:group:%d", other))
	}
	moveSlot(t, c.cluster, slotOf("Chat:group:7"), to)
	c.exchangeEverywhere(t, "after the move")
}

// moveSlot moves a slot without keys. The former owner pushes sunsubscribe to those who listen there.
func moveSlot(t *testing.T, cluster *redistest.Cluster, slot int, to *redistest.Server) {
	t.Helper()
	id, err := to.Client(t, goredis.Options{}).ClusterMyID(testContext(t)).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range cluster.Nodes {
		client := node.Client(t, goredis.Options{})
		if role, err := client.Do(testContext(t), "ROLE").Slice(); err != nil || role[0] != "master" {
			continue
		}
		if err := client.Do(testContext(t), "CLUSTER", "SETSLOT", slot, "NODE", id).Err(); err != nil {
			t.Fatal(err)
		}
	}
	// A greater epoch lets all others believe it.
	if err := to.Client(t, goredis.Options{}).Do(testContext(t), "CLUSTER", "BUMPEPOCH").Err(); err != nil {
		t.Fatal(err)
	}
}
