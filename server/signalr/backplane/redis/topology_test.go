package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// longPatience is for what a fail-over takes on a busy machine.
const longPatience = 90 * time.Second

// startAt connects to servers; what change does to the options comes last.
func startAt(t testing.TB, servers Servers, change func(*Options)) *Backplane {
	t.Helper()
	options := Options{Servers: servers, HealthCheckInterval: 500 * time.Millisecond}
	if change != nil {
		change(&options)
	}
	plane := New(options)
	t.Cleanup(func() { _ = plane.Close() })
	return plane
}

// untilExchanged publishes until a message of a hub reaches another: Redis has nothing to tell when all are where they
// should be.
func untilExchanged(t testing.TB, from backplane.Hub, to *recorder, target backplane.Target, text string) {
	t.Helper()
	deadline := time.After(longPatience)
	var last error
	for {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := from.Publish(ctx, target, textMessage(text))
		cancel()
		if err != nil {
			last = err
		}
		select {
		case got := <-to.deliveries:
			if string(got.message.Encodings[0].Frame) == text {
				return
			}
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			t.Fatalf("%q did not arrive within %s: %v", text, longPatience, last)
		}
	}
}

func sentinelServers(s *redistest.Sentinels) Servers {
	return Servers{Addresses: strings.Split(s.Endpoints(), ","), ServiceName: redistest.ServiceName}
}

func TestHubsFollowTheSentinels(t *testing.T) { //nolint:tparallel // each step begins where the one before has ended
	t.Parallel()
	sentinels := redistest.StartSentinels(t)
	first, second := newRecorder(), newRecorder()
	a := openHub(t, startAt(t, sentinelServers(sentinels), nil), first)
	b := openHub(t, startAt(t, sentinelServers(sentinels), nil), second)
	if err := b.Subscribe(testContext(t), toGroup("g")); err != nil {
		t.Fatal(err)
	}
	publish(t, a, toGroup("g"), "hello")
	second.expect(t, toGroup("g"), "hello")

	t.Run("fail-over on request", func(t *testing.T) {
		former := domain(t, a)
		sentinels.FailOver(t)
		untilExchanged(t, a, second, toGroup("g"), "requested")
		untilExchanged(t, b, first, toAll, "requested")
		eventuallyLong(t, "both have the domain of the new primary", func() bool {
			now := domain(t, a)
			return now != former && now == domain(t, b)
		})
		sentinels.AwaitReplica(t)
	})
	t.Run("the primary is killed", func(t *testing.T) {
		before := sentinels.Master(t)
		before.Kill()
		sentinels.AwaitFailOver(t, before)
		untilExchanged(t, a, second, toGroup("g"), "killed")
		untilExchanged(t, b, first, toAll, "killed")
		before.Start(t)
		sentinels.AwaitReplica(t)
	})
	// Its connections stay open and nothing ever comes from them: go-redis's own subscriptions are dead from here on,
	// see redis/go-redis#3811.
	t.Run("the primary is frozen", func(t *testing.T) {
		before := sentinels.Master(t)
		before.Pause(t)
		t.Cleanup(func() { before.Resume(t) })
		sentinels.AwaitFailOver(t, before)
		untilExchanged(t, a, second, toGroup("g"), "frozen")
		untilExchanged(t, b, first, toAll, "frozen")
	})
	t.Run("two Sentinels are gone", func(t *testing.T) {
		sentinels.Servers[0].Kill()
		sentinels.Servers[2].Kill()
		receiver := newRecorder()
		openHub(t, startAt(t, sentinelServers(sentinels), nil), receiver)
		untilExchanged(t, a, receiver, toAll, "newcomer")
	})
}

func TestUnknownServiceNameIsReported(t *testing.T) {
	t.Parallel()
	sentinels := redistest.StartSentinels(t)
	servers := sentinelServers(sentinels)
	servers.ServiceName = "other"
	expectProblem(t, startAt(t, servers, nil), "No such master with that name")
	servers.ServiceName = ""
	expectProblem(t, startAt(t, servers, nil), "give serviceName")
}

func expectProblem(t testing.TB, plane *Backplane, text string) {
	t.Helper()
	eventually(t, "the reason is known: "+text, func() bool {
		err := plane.State().LastError
		return err != nil && strings.Contains(err.Error(), text)
	})
}

// Nothing ends the connections to a primary that is made a replica by hand. What is published there reaches nobody, and
// Redis answers that all is well.
func TestHubsLeaveAPrimaryThatBecameAReplica(t *testing.T) {
	t.Parallel()
	former := redistest.Start(t)
	later := redistest.StartReplica(t, former)
	servers := Servers{Addresses: []string{later.Address, former.Address}}
	var seen states
	moving, staying := newRecorder(), newRecorder()
	moved := openHub(t, startAt(t, servers, seen.observe), moving)
	seen.expect(t, true)
	swap(t, former, later)
	stayed := openHub(t, startAt(t, Servers{Addresses: []string{later.Address}}, nil), staying)
	untilExchanged(t, moved, staying, toAll, "from the one that moved")
	untilExchanged(t, stayed, moving, toAll, "to the one that moved")
	if state := seen.expect(t, false); !errors.Is(state.LastError, errNotPrimary) && !errors.Is(state.LastError, errIsReplica) {
		t.Errorf("the reason was %v", state.LastError)
	}
}

func swap(t testing.TB, former, later *redistest.Server) {
	t.Helper()
	ctx := testContext(t)
	if err := later.Client(t, goredis.Options{}).Do(ctx, "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	if err := former.Client(t, goredis.Options{}).Do(ctx, "REPLICAOF", "127.0.0.1", later.Port).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestAReplicaAloneIsRefused(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	replica := redistest.StartReplica(t, primary)
	plane := startAt(t, Servers{Addresses: []string{replica.Address}}, nil)
	expectProblem(t, plane, "it is a replica")
	if err := replica.Client(t, goredis.Options{}).Do(testContext(t), "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	if err := plane.Ready(testContext(t)); err != nil {
		t.Error(err)
	}
}

func TestHubsOnACluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	nodes := cluster.Nodes
	sender, receiver := newRecorder(), newRecorder()
	// They know different nodes, one of them a replica only.
	a := openHub(t, startAt(t, Servers{Addresses: []string{nodes[4].Address}}, nil), sender)
	b := openHub(t, startAt(t, Servers{Addresses: []string{nodes[1].Address, nodes[2].Address}}, nil), receiver)
	const messages = 2000
	done := make(chan error, messages)
	for number := range messages {
		text := fmt.Sprint(number)
		go func() { done <- a.Publish(testContext(t), toAll, textMessage(text)) }()
		if err := receiveFrom(t, "answer", done); err != nil {
			t.Fatal(err)
		}
	}
	for number := range messages {
		receiver.expect(t, toAll, fmt.Sprint(number))
	}
	if err := a.Publish(testContext(t), toConnection("nobody"), backplane.Message{InvocationID: "1"}); !errors.Is(err, backplane.ErrConnectionNotFound) {
		t.Errorf("a result from nobody: %v", err)
	}
	// An ASP.NET Core server subscribes where the slot of the channel is.
	there := a.(*hub).channels.target(toConnection("dotnet"))
	foreign := cluster.Owner(t, there).Client(t, goredis.Options{}).Subscribe(testContext(t), there)
	defer func() { _ = foreign.Close() }()
	if _, err := foreign.Receive(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if err := a.Publish(testContext(t), toConnection("dotnet"), backplane.Message{InvocationID: "2"}); err != nil {
		t.Errorf("a result from a server at another node: %v", err)
	}
	// The channel prefix, which is empty, says where all is.
	cluster.Owner(t, "").Kill()
	cluster.Owner(t, "")
	untilExchanged(t, a, receiver, toAll, "after the fail-over")
	untilExchanged(t, b, sender, toAll, "the other way")
}
