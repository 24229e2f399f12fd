package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// These tests cut the messages of busy publishers by fences between two servers, and put together what a connection would
// have got that moved at each fence: from one server what came before it, from the other what came behind it.

// cutting is two servers between which messages are cut.
type cutting struct {
	witnesses [2]*witness
	hubs      [2]backplane.Hub
	// others publish beside the first of the two.
	others func(t *testing.T, publishers *publishers)
}

const (
	cuts = 50
	// betweenCuts is how many messages come at least between two fences.
	betweenCuts = 20
)

// run cuts the flow and returns what was wrong.
func (c *cutting) run(t *testing.T) faults {
	t.Helper()
	publishers := newPublishers(t)
	publishers.start("owner", byHub(c.hubs[0]))
	c.others(t, publishers)
	for cut := range cuts {
		until := c.witnesses[0].count() + betweenCuts
		eventually(t, "messages came", func() bool { return c.witnesses[0].count() >= until || t.Failed() })
		c.fence(t, c.hubs[cut%2], fmt.Sprint("cut ", cut))
	}
	total := publishers.stop()
	for at, witness := range c.witnesses {
		eventually(t, fmt.Sprintf("all messages came to server %d", at), func() bool { return witness.count() >= total })
	}
	found := faultsOf(c.witnesses, publishers.sent)
	t.Logf("%d messages of %d publishers, %d fences: %+v", total, len(publishers.sent), cuts, found)
	return found
}

// fence waits until both servers have got it.
func (c *cutting) fence(t *testing.T, by backplane.Hub, mark string) {
	t.Helper()
	fenced(t, by, mark, cutTargets...)
	for at, witness := range c.witnesses {
		eventually(t, fmt.Sprintf("the fence came to server %d", at), func() bool { return witness.saw(mark, len(cutTargets)) })
	}
}

// startCutting makes the two servers; third makes what publishes beside them.
func startCutting(t *testing.T, mode Mode, start func() *Backplane, raw func(*testing.T) func(context.Context, backplane.Target, string) error) *cutting {
	t.Helper()
	c := &cutting{}
	for at := range c.hubs {
		c.witnesses[at] = newWitness(mode)
		c.hubs[at] = c.witnesses[at].open(t, start())
	}
	third := openHub(t, start(), newRecorder())
	c.others = func(t *testing.T, publishers *publishers) {
		t.Helper()
		publishers.start("third", byHub(third))
		if raw != nil {
			publishers.start("reference", raw(t))
		} else {
			publishers.start("new", byHub(c.hubs[1]))
		}
	}
	return c
}

// expectExact runs c until nothing came in between: on a busy machine a node may fail over.
func expectExact(t *testing.T, start func() *cutting) {
	t.Helper()
	for range 3 {
		c := start()
		if first, second := domain(t, c.hubs[0]), domain(t, c.hubs[1]); first != second {
			t.Fatalf("domains %q and %q", first, second)
		}
		before, _ := ordersOf(testContext(t), c.hubs[0], c.hubs[1])
		found := c.run(t)
		if after, shared := ordersOf(testContext(t), c.hubs[0], c.hubs[1]); !shared || before != after {
			t.Log("Redis was disturbed, again")
			continue
		}
		if found != (faults{}) {
			t.Errorf("%+v", found)
		}
		return
	}
	t.Error("Redis was disturbed each time")
}

func TestFencesCutExactly(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{ModePubSub, ModeStreams} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			redis := redistest.Start(t)
			expectExact(t, func() *cutting {
				var raw func(*testing.T) func(context.Context, backplane.Target, string) error
				if mode == ModePubSub {
					raw = func(t *testing.T) func(context.Context, backplane.Target, string) error {
						return asReference(t, func(string) *redistest.Server { return redis })
					}
				}
				return startCutting(t, mode, func() *Backplane { return startPlane(t, redis.Address, withMode(mode)) }, raw)
			})
		})
	}
}

// In a Cluster ASP.NET Core servers publish at other nodes than ours: what counts is the one node that all listen to.
func TestFencesCutExactlyOnACluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	servers := Servers{Addresses: strings.Split(cluster.Endpoints(), ",")}
	start := func(mode Mode) func() *Backplane {
		return func() *Backplane {
			return startAt(t, servers, func(o *Options) { o.Mode, o.HealthCheckInterval = mode, defaultHealthCheck })
		}
	}
	expectExact(t, func() *cutting {
		return startCutting(t, ModePubSub, start(ModePubSub), func(t *testing.T) func(context.Context, backplane.Target, string) error {
			return asReference(t, func(channel string) *redistest.Server { return cluster.Owner(t, channel) })
		})
	})
	expectExact(t, func() *cutting { return startCutting(t, ModeSharded, start(ModeSharded), nil) })
}

// Two servers that listen to different nodes have no order in common, although all messages reach both.
func TestServersAtDifferentNodesHaveDifferentDomains(t *testing.T) {
	t.Parallel()
	first, second := redistest.Start(t), redistest.Start(t)
	a := openHub(t, startPlane(t, first.Address, nil), newRecorder())
	b := openHub(t, startPlane(t, second.Address, nil), newRecorder())
	if one, other := domain(t, a), domain(t, b); one == other {
		t.Errorf("the domain of both is %q", one)
	}
}

// halves lets a server get its messages over one connection and its fences over another.
type halves struct {
	*witness
	messages bool
}

func (h halves) Deliver(target backplane.Target, message backplane.Message) {
	if h.messages {
		h.witness.Deliver(target, message)
	}
}

func (h halves) Fenced(mark string, target backplane.Target) {
	if !h.messages {
		h.witness.Fenced(mark, target)
	}
}

// The counter-test: it must show what a fence on a second connection does.
func TestFenceOnASecondConnectionCutsWrongly(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	proxy := redistest.StartProxy(t, redis.Address)
	start := func() *Backplane { return startPlane(t, redis.Address, nil) }
	c := startCutting(t, ModePubSub, start, nil)
	split := newWitness(ModePubSub)
	data := openHub(t, startPlane(t, proxy.Address, nil), halves{split, true})
	if err := data.Subscribe(testContext(t), cutTargets...); err != nil {
		t.Fatal(err)
	}
	openHub(t, start(), halves{split, false})
	c.witnesses[1] = split
	proxy.Delay(20 * time.Millisecond)
	if found := c.run(t); found.lost == 0 || found.doubled == 0 {
		t.Errorf("%+v: nothing lost or nothing doubled", found)
	}
}

// Where a server has missed something between two fences, its generation says so.
func TestGapBetweenFencesShowsInTheGeneration(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	c := startCutting(t, ModePubSub, func() *Backplane { return startPlane(t, redis.Address, nil) }, nil)
	killer := redis.Client(t, goredis.Options{})
	publishers := newPublishers(t)
	publishers.start("owner", byHub(c.hubs[0]))
	c.others(t, publishers)
	const rounds = 4
	for round := range rounds {
		c.fence(t, c.hubs[0], fmt.Sprint(round, " before"))
		before := [2]uint64{c.hubs[0].(backplane.Fencer).Generation(), c.hubs[1].(backplane.Fencer).Generation()}
		killed := make(chan error, 1)
		go func() { killed <- killer.Do(context.Background(), "CLIENT", "KILL", "TYPE", "pubsub").Err() }()
		for number := range 3 {
			fenced(t, c.hubs[1], fmt.Sprint(round, " around ", number))
		}
		if err := receiveFrom(t, "answer", killed); err != nil {
			t.Fatal(err)
		}
		for at, hub := range c.hubs {
			eventually(t, "the generation is another", func() bool { return hub.(backplane.Fencer).Generation() != before[at] })
			domain(t, hub)
			if err := hub.Subscribe(testContext(t)); err != nil {
				t.Fatal(err)
			}
		}
		for number := range 2 {
			c.fence(t, c.hubs[1], fmt.Sprint(round, " after ", number))
		}
	}
	publishers.stop()
	compared, broken := compareSegments(t, c.witnesses)
	t.Logf("%d segments between fences are the same, %d were not compared because a generation changed", compared, broken)
	if compared < rounds {
		t.Errorf("%d segments were compared", compared)
	}
}

// compareSegments looks at what came between any two fences that are neighbours at both servers.
func compareSegments(t *testing.T, witnesses [2]*witness) (compared, broken int) {
	t.Helper()
	first, second := segmentsByFences(witnesses[0]), segmentsByFences(witnesses[1])
	for between, here := range first {
		there, known := second[between]
		switch {
		case !known:
		case here.broken || there.broken:
			broken++
		case !slices.Equal(here.messages, there.messages):
			t.Errorf("%s: %d messages at one server, %d at the other", between, len(here.messages), len(there.messages))
		default:
			compared++
		}
	}
	return compared, broken
}

type segment struct {
	messages []event
	// broken: the generation is not the same at its ends.
	broken bool
}

func segmentsByFences(w *witness) map[string]segment {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	segments := make(map[string]segment)
	var begin event
	var messages []event
	for _, came := range w.lanes[everything] {
		if came.mark == "" {
			messages = append(messages, came)
			continue
		}
		if begin.mark != "" {
			segments[begin.mark+" to "+came.mark] = segment{messages, begin.generation != came.generation}
		}
		begin, messages = came, nil
	}
	return segments
}
