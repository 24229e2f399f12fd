package redis

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// A server that reads behind another would tell a client what it has heard there.
func TestStreamsTellAClientThatConnectsNothingFromBefore(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	sender := openHub(t, startPlane(t, redis.Address, withStreams), newRecorder())
	plane := startPlane(t, redis.Address, both(withStreams, withPatience))
	receiver := newBlocked()
	hub := openHub(t, plane, receiver)
	t.Cleanup(receiver.letGo) // else the hub could not close
	publish(t, sender, toAll, "from before")
	receiveFrom(t, "the message from before", receiver.entered)

	connected := connecting(t, hub, "c")
	reader := plane.carrier.(*streams).reader
	eventually(t, "Redis has told where the stream ends", func() bool {
		reader.mutex.Lock()
		defer reader.mutex.Unlock()
		return reader.ahead != nil
	})
	select {
	case <-connected:
		t.Error("the client is connected while a message from before is still to come")
	default:
	}
	receiver.letGo()
	if err := receiveFrom(t, "the client is connected", connected); err != nil {
		t.Error(err)
	}
	receiver.expect(t, toAll, "from before")
}

// Nobody waits for entries that cannot be read (any more).
func TestStreamsLetAClientConnectAtOnce(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	client := redis.Client(t, goredis.Options{})
	var seen states
	plane := startPlane(t, redis.Address, both(withStreams, withPatience, seen.observe))
	receiver := newRecorder()
	hub := openHub(t, plane, receiver)
	seen.expect(t, true)
	connect := func(id string) {
		t.Helper()
		if err := receiveFrom(t, "a client connects "+id, connecting(t, hub, id)); err != nil {
			t.Errorf("a client connects %s: %v", id, err)
		}
	}
	connect("without a stream")
	publish(t, hub, toAll, "one")
	publish(t, hub, toAll, "two")
	connect("behind two entries")
	key := streamKeys{plane.options.ChannelPrefix}.of("Chat:all")
	if err := client.XTrimMaxLen(testContext(t), key, 0).Err(); err != nil {
		t.Fatal(err)
	}
	connect("with a stream that was emptied")
	if err := client.Del(testContext(t), key).Err(); err != nil {
		t.Fatal(err)
	}
	connect("with a stream that was deleted")
	publish(t, hub, toAll, "three")
	connect("with a stream that began anew")
	redis.Kill()
	seen.expect(t, false)
	redis.Start(t)
	seen.expect(t, true)
	connect("with another Redis")
	for _, text := range []string{"one", "two", "three"} {
		receiver.expect(t, toAll, text)
	}
}

// A client that connects waits for a moment for a Redis that is away, not for as long as it is away, and the next does not.
func TestStreamsLetAClientConnectWithoutRedis(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	var seen states
	plane := startPlane(t, redis.Address, both(withStreams, seen.observe, func(o *Options) {
		o.SubscribeTimeout = catchUpShare * 100 * time.Millisecond
	}))
	hub := openHub(t, plane, newRecorder())
	seen.expect(t, true)
	redis.Kill()
	seen.expect(t, false)
	if err := receiveFrom(t, "the first is connected", connecting(t, hub, "first")); err != nil {
		t.Error(err)
	}
	eventually(t, "the next does not wait", func() bool { return isDone(plane.table.catchUp(time.Nanosecond)) })
}
