package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// startClient returns a client for keys. It looks for the primary at that interval, and whenever it has reason to.
func startClient(t testing.TB, servers Servers, interval time.Duration) goredis.UniversalClient {
	t.Helper()
	client := NewClient(Options{Servers: servers, HealthCheckInterval: interval})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// keyOperations are what the users of a client for keys do.
var keyOperations = map[string]func(context.Context, goredis.UniversalClient) error{
	"a command": func(ctx context.Context, client goredis.UniversalClient) error {
		return client.Set(ctx, "key", "value", 0).Err()
	},
	"a pipeline": func(ctx context.Context, client goredis.UniversalClient) error {
		pipeline := client.Pipeline()
		pipeline.Set(ctx, "key", "value", 0)
		pipeline.Get(ctx, "absent")
		if _, err := pipeline.Exec(ctx); err != nil && !errors.Is(err, goredis.Nil) {
			return err
		}
		return nil
	},
}

// The clients look for the primary only when they have reason to: by the clock they would not within this test.
func TestAClientFindsTheNextPrimaryWhenItsOwnIsGone(t *testing.T) {
	t.Parallel()
	sentinels := redistest.StartSentinels(t)
	clients := map[string]goredis.UniversalClient{}
	for name, operate := range keyOperations {
		clients[name] = startClient(t, sentinelServers(sentinels), time.Hour)
		if err := operate(testContext(t), clients[name]); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	before := sentinels.Master(t)
	before.Kill()
	sentinels.AwaitFailOver(t, before)
	for name, operate := range keyOperations {
		eventually(t, name+" reaches the next primary", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			return operate(ctx, clients[name]) == nil
		})
	}
}

// Such a server answers whoever reads from it, and gives no reason to look for another.
func TestAClientLeavesAPrimaryThatBecameAReplica(t *testing.T) {
	t.Parallel()
	former := redistest.Start(t)
	later := redistest.StartReplica(t, former)
	client := startClient(t, Servers{Addresses: []string{later.Address, former.Address}}, 100*time.Millisecond)
	port := func() string { return client.ConfigGet(testContext(t), "port").Val()["port"] }
	if got := port(); got != fmt.Sprint(former.Port) {
		t.Fatalf("it is with the server at port %s", got)
	}
	swap(t, former, later)
	eventually(t, "it is with the other server", func() bool { return port() == fmt.Sprint(later.Port) })
}

func TestErrorsThatMakeAClientLookForThePrimary(t *testing.T) {
	refusal := func(text string) error { return fmt.Errorf("wrapped: %w", refused(text)) }
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"none":                    {nil, false},
		"nothing found":           {goredis.Nil, false},
		"a refusal":               {refusal("WRONGTYPE Operation against a key"), false},
		"who asked gave up":       {fmt.Errorf("wrapped: %w", context.Canceled), false},
		"the client is closed":    {goredis.ErrClosed, false},
		"a replica that refuses":  {refusal("READONLY You can't write against a read only replica."), true},
		"a replica at the login":  {fmt.Errorf("wrapped: %w", errIsReplica), true},
		"another serves the slot": {refusal("MOVED 1 127.0.0.1:1"), true},
		"the connection broke":    {io.EOF, true},
		"nobody is there":         {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, true},
		"no answer in time":       {context.DeadlineExceeded, true},
	} {
		if got := mayBeElsewhere(test.err); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// absent is a topology none of whose servers answers until one is there.
type absent struct {
	asked int
	there bool
}

func (a *absent) shards(context.Context) ([]shard, error) {
	a.asked++
	if a.there {
		return []shard{wholeShard("a:1")}, nil
	}
	return nil, errNoVerdict
}

func (*absent) prefer(string)  {}
func (*absent) String() string { return "absent" }

func TestServersThatCannotTellAreNotAskedWithEachCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		place := &absent{}
		finder := &slotFinder{place: place}
		for range 100 {
			if _, err := finder.slots(t.Context()); !errors.Is(err, errNoVerdict) {
				t.Errorf("the reason is %v", err)
			}
		}
		if place.asked != 1 {
			t.Errorf("they were asked %d times at once", place.asked)
		}
		place.there = true
		time.Sleep(findPause)
		for range 100 {
			if slots, err := finder.slots(t.Context()); err != nil || len(slots) != 1 || slots[0].Nodes[0].Addr != "a:1" {
				t.Errorf("found %v, %v", slots, err)
			}
		}
		if place.asked != 101 {
			t.Errorf("they were asked %d times, want each time", place.asked-1)
		}
	})
}

// Who gives up waiting does not keep others from asking.
func TestAnAskerThatGivesUpIsNoFailureOfTheServers(t *testing.T) {
	place := &absent{}
	finder := &slotFinder{place: place}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := finder.slots(gone); err == nil {
		t.Error("no error")
	}
	place.there = true
	if _, err := finder.slots(t.Context()); err != nil {
		t.Error(err)
	}
}
