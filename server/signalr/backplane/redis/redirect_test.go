package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

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
	right := cluster.Owner(t, "Chat:all")
	wrong := cluster.Nodes[slices.IndexFunc(cluster.Nodes, func(node *redistest.Server) bool { return node != right })]
	for name, test := range map[string]func(t *testing.T, plane *Backplane){
		"by a subscription": func(t *testing.T, plane *Backplane) { t.Helper(); openHub(t, plane, newRecorder()) },
		"by a publication": func(t *testing.T, plane *Backplane) {
			t.Helper()
			if _, err := plane.carrier.publish(testContext(t), "Chat:all", []byte("x")); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			place := &behind{node: wrong.Address}
			test(t, startBehind(t, place, ModeSharded))
			place.mutex.Lock()
			defer place.mutex.Unlock()
			if !slices.Contains(place.named, right.Address) {
				t.Errorf("named were %v, want %s among them", place.named, right.Address)
			}
		})
	}
}

var _ goredis.Hook = redirects{}
