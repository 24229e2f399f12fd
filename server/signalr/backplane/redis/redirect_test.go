package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// refused is an error that Redis answered with.
type refused string

func (r refused) Error() string { return string(r) }
func (refused) RedisError()     {}

func TestRedirectsAreRead(t *testing.T) {
	for _, test := range []struct {
		err   error
		want  redirect
		moved bool
	}{
		{refused("MOVED 866 10.0.0.1:6379"), redirect{866, "10.0.0.1:6379"}, true},
		{fmt.Errorf("publish: %w", refused("MOVED 0 :6379")), redirect{0, ":6379"}, true},
		{refused("MOVED 7 fd00::5:6379"), redirect{7, "[fd00::5]:6379"}, true},
		{refused("MOVED 7 ?:6379"), redirect{slot: 7}, true},
		{refused("MOVED some 10.0.0.1:6379"), redirect{address: "10.0.0.1:6379"}, false},
		{refused("MOVED 866"), redirect{}, false},
		{refused("ASK 866 10.0.0.1:6379"), redirect{}, false},
		{errors.New("MOVED 866 10.0.0.1:6379"), redirect{}, false},
		{nil, redirect{}, false},
	} {
		if got, moved := redirectOf(test.err); got != test.want || moved != test.moved {
			t.Errorf("%v: %+v, %t", test.err, got, moved)
		}
	}
}

func TestAnAnswerWithoutAnErrorCostsNothing(t *testing.T) {
	if allocated := testing.AllocsPerRun(100, func() { redirectOf(nil) }); allocated > 0 {
		t.Errorf("%v allocations", allocated)
	}
}

func TestWhoIsNamedIsToldToTheTopology(t *testing.T) {
	for _, test := range []struct{ said, asked, want string }{
		{"MOVED 866 10.0.0.1:6379", "10.0.0.2:6379", "10.0.0.1:6379"},
		{"MOVED 866 :6380", "10.0.0.2:6379", "10.0.0.2:6380"},
		{"MOVED 866 ?:6379", "10.0.0.2:6379", ""}, // it knows no name, which is not to say that it is itself
	} {
		place := &seeds{}
		if err := (redirects{place, test.asked}).note(refused(test.said)); err == nil || place.preferred != test.want {
			t.Errorf("%s by %s: asks %q first, want %q", test.said, test.asked, place.preferred, test.want)
		}
	}
}

func TestTheServerThatWasNamedIsNotAskedFirstForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		place := &seeds{addresses: []string{"a:1", "b:1"}}
		place.prefer("b:1")
		time.Sleep(preference)
		if got := place.candidates(); got[0] != "b:1" {
			t.Errorf("asks %v", got)
		}
		time.Sleep(time.Second)
		if got := place.candidates(); !slices.Equal(got, []string{"a:1", "b:1"}) {
			t.Errorf("after its time it asks %v", got)
		}
	})
}

func TestTheServerThatWasNamedIsAskedFirstUntilItIsGone(t *testing.T) {
	place := &seeds{addresses: []string{"a:1", "b:1"}}
	half := []shard{{"b:1", []slotRange{{0, 9}}}, {"c:1", []slotRange{{10, 19}}}}
	place.remember(shardsAnswer{server: 0, shards: half}, "a:1")
	place.prefer("b:1")
	if got := place.candidates(); !slices.Equal(got, []string{"b:1", "a:1", "c:1"}) {
		t.Errorf("asks %v", got)
	}
	place.remember(shardsAnswer{server: 1, shards: half}, "a:1") // what was asked for before says nothing of it
	if got := place.candidates(); got[0] != "b:1" {
		t.Errorf("asks %v", got)
	}
	place.remember(shardsAnswer{server: 1, shards: half}, "b:1")
	if got := place.candidates(); !slices.Equal(got, []string{"a:1", "b:1", "c:1"}) {
		t.Errorf("asks %v", got)
	}
}

// behind is the topology of a Cluster as a node tells it that believes another to serve everything, until one is named.
type behind struct {
	node  string
	knows topology

	mutex sync.Mutex
	named []string
}

func (b *behind) String() string { return b.node }

func (b *behind) prefer(address string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.named = append(b.named, address)
}

func (b *behind) shards(ctx context.Context) ([]shard, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if len(b.named) == 0 {
		return []shard{wholeShard(b.node)}, nil
	}
	return b.knows.shards(ctx)
}

// startBehind is startAt for a server whose topology is place.
func startBehind(t *testing.T, place *behind, mode Mode) *Backplane {
	t.Helper()
	options := Options{Servers: Servers{Addresses: []string{place.node}}, Mode: mode}.withDefaults()
	connector := newConnector(options)
	place.knows, connector.place = connector.place, place
	plane, ctx := newBackplane(options, place.String())
	plane.carrier = newCarrier(connector, options, plane.table, plane.status)
	plane.goroutines.Go(func() { plane.carrier.run(ctx) })
	t.Cleanup(func() { _ = plane.Close() })
	return plane
}

// A node that is behind must not be believed for as long as it is.
func TestTheNodeThatIsNamedInTheWrongPlaceIsBelieved(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	publishes := func(t *testing.T, plane *Backplane) {
		t.Helper()
		if _, err := plane.carrier.publish(testContext(t), "Chat:all", []byte("x")); err != nil {
			t.Error(err)
		}
	}
	for _, test := range []struct {
		name   string
		mode   Mode
		right  string
		effect func(t *testing.T, plane *Backplane)
	}{
		{"by a subscription", ModeSharded, "Chat:all", func(t *testing.T, plane *Backplane) { t.Helper(); openHub(t, plane, newRecorder()) }},
		{"by a publication", ModeSharded, "Chat:all", publishes},
		{"by a write to a stream", ModeStreams, streamKeys{}.of("Chat:all"), publishes}, // all but the transaction's end is refused
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			right := cluster.Owner(t, test.right)
			wrong := cluster.Nodes[slices.IndexFunc(cluster.Nodes, func(node *redistest.Server) bool { return node != right })]
			place := &behind{node: wrong.Address}
			test.effect(t, startBehind(t, place, test.mode))
			place.mutex.Lock()
			defer place.mutex.Unlock()
			if !slices.Contains(place.named, right.Address) {
				t.Errorf("named were %v, want %s among them", place.named, right.Address)
			}
		})
	}
}

var _ goredis.Hook = redirects{}
