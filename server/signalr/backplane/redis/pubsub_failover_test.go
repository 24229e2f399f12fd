package redis

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// numbers publishes 1, 2, 3, ... and notes what was accepted. While Redis is away it waits: thousands of calls that fail
// at once would tell nothing.
type numbers struct {
	plane    *Backplane
	hub      backplane.Hub
	accepted map[int]bool
	failed   int
	sent     atomic.Int64
	taken    atomic.Int64
}

func (n *numbers) run(t testing.TB, stop <-chan struct{}) {
	for number := 1; ; number++ {
		select {
		case <-stop:
			return
		default:
		}
		n.sent.Store(int64(number))
		if n.hub.Publish(t.Context(), toAll, textMessage("n/"+fmt.Sprint(number))) == nil {
			n.accepted[number] = true
			n.taken.Add(1)
			continue
		}
		n.failed++
		eventuallyLong(t, "Redis is back", func() bool { return n.plane.State().Connected || isClosed(stop) })
	}
}

func isClosed(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// The primary is killed again and again under load. What is published while a server has no subscriptions is lost, by the
// nature of publish/subscribe, and counted here; nothing doubles or comes out of order, and service resumes by itself.
// REDIS_KILLS=20 makes it long.
func TestPubSubDoublesNothingWhenSentinelsFailOver(t *testing.T) {
	t.Parallel()
	sentinels := redistest.StartSentinels(t)
	received := &tally{seen: make(map[string][]int)}
	receiving := startAt(t, sentinelServers(sentinels), nil)
	openHub(t, receiving, received)
	plane := startAt(t, sentinelServers(sentinels), nil)
	sender := &numbers{plane: plane, hub: openHub(t, plane, newRecorderThatDrops()), accepted: make(map[int]bool)}
	stop := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() { sender.run(t, stop) })
	end := sync.OnceFunc(func() {
		close(stop)
		sending.Wait()
	})
	t.Cleanup(end)
	progress := func() {
		t.Helper()
		taken, seen := sender.taken.Load(), received.count("n")
		eventuallyLong(t, "messages are accepted and arrive", func() bool {
			return sender.taken.Load() > taken+20 && received.count("n") > seen+20
		})
	}
	count := kills(t, 2)
	for range count {
		progress()
		before := sentinels.Master(t)
		before.Kill()
		sentinels.AwaitFailOver(t, before)
		before.Start(t)
		sentinels.AwaitReplica(t)
	}
	progress()
	end()
	lost, stretches := received.missing(t, "n", sender)
	t.Logf("%d fail-overs: %d calls accepted, %d of them lost in %d stretches, none doubled, %d calls failed",
		count, len(sender.accepted), lost, stretches, sender.failed)
	// How long a stretch is depends on how soon the machine has the subscriptions in place again.
	if again := receiving.State().Generation - 1; stretches > int(again) {
		t.Errorf("messages were lost in %d stretches, and the receiver connected again %d times", stretches, again)
	}
}

// missing waits until the last accepted message has come, or one after it, and returns how many have not, and in how many
// stretches without any that has.
func (y *tally) missing(t testing.TB, name string, sender *numbers) (lost, stretches int) {
	t.Helper()
	final := int(sender.sent.Load())
	eventuallyLong(t, "the end is heard", func() bool {
		final++
		if err := sender.hub.Publish(testContext(t), toAll, textMessage(fmt.Sprintf("%s/%d", name, final))); err != nil {
			return false
		}
		y.mutex.Lock()
		defer y.mutex.Unlock()
		seen := y.seen[name]
		return len(seen) > 0 && seen[len(seen)-1] > int(sender.sent.Load())
	})
	y.mutex.Lock()
	defer y.mutex.Unlock()
	got, last := make(map[int]bool), 0
	for _, number := range y.seen[name] {
		if number <= last {
			t.Errorf("%d came after %d", number, last)
		}
		got[number], last = true, number
	}
	losing := false
	for _, number := range slices.Sorted(maps.Keys(sender.accepted)) {
		switch {
		case got[number]:
			losing = false
			continue
		case !losing:
			stretches++
		}
		losing = true
		lost++
	}
	return lost, stretches
}
