package redis

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// Redis refuses the messages of a hub whose key is no stream, one that it may have taken before among them. Those of another hub,
// which wait with them, arrive once each.
func TestStreamsOfOtherHubsGoOnWhereRedisRefusesOne(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	proxy := redistest.StartProxy(t, redis.Address)
	receiver := newRecorder()
	openHub(t, startPlane(t, redis.Address, withStreams), receiver)
	var seen states
	plane := startPlane(t, proxy.Address, both(withStreams, seen.observe, func(o *Options) { o.WaitTimeout = time.Minute }))
	good := openHub(t, plane, newRecorder())
	bad, err := plane.Open("Bad", newRecorder())
	if err != nil {
		t.Fatal(err)
	}
	if err := bad.Subscribe(testContext(t)); err != nil {
		t.Fatal(err)
	}
	seen.expect(t, true)
	held := proxy.HoldAt(redistest.ToServer, "on its way")
	first := make(chan error, 1)
	go func() { first <- bad.Publish(testContext(t), toAll, textMessage("on its way")) }()
	receiveFrom(t, "a message is on its way", held)
	proxy.Cut()
	proxy.Release(redistest.ToServer)
	seen.expect(t, false)
	client := redis.Client(t, goredis.Options{})
	if err := client.Set(testContext(t), streamKeys{}.of("Bad:all"), "no stream", 0).Err(); err != nil {
		t.Fatal(err)
	}
	const messages = 50
	accepted, refused := make([]error, messages), make([]error, messages)
	var sending sync.WaitGroup
	for number := range messages {
		sending.Go(func() { accepted[number] = good.Publish(testContext(t), toAll, textMessage(fmt.Sprint(number))) })
		sending.Go(func() { refused[number] = bad.Publish(testContext(t), toAll, textMessage("bad")) })
	}
	room := plane.carrier.(*streams).writer.room
	eventually(t, "most of them wait", func() bool {
		const left = maxQueuedBytes - 2*messages*publicationOverhead
		if !room.TryAcquire(left) {
			return true
		}
		room.Release(left)
		return false
	})
	proxy.Mend()
	sending.Wait()
	if err := receiveFrom(t, "the message that was on its way", first); !errors.Is(err, backplane.ErrUnavailable) {
		t.Errorf("the message that was on its way: %v", err)
	}
	for number := range messages {
		if accepted[number] != nil {
			t.Errorf("message %d: %v", number, accepted[number])
		}
		if !errors.Is(refused[number], backplane.ErrUnavailable) {
			t.Errorf("a message to the other hub: %v", refused[number])
		}
	}
	publish(t, good, toAll, "last")
	got := map[string]int{}
	for got["last"] == 0 {
		message := receiveFrom(t, "the messages", receiver.deliveries)
		got[string(message.message.Encodings[0].Frame)]++
	}
	if len(got) != messages+1 {
		t.Errorf("%d messages arrived, want %d", len(got), messages+1)
	}
	for text, times := range got {
		if times != 1 {
			t.Errorf("%q arrived %d times", text, times)
		}
	}
}
