package redis

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// A Redis that is there and does not answer, like one behind a network that swallows everything: calls end in time, the
// loss is noticed without any traffic, and all works again afterwards.
func TestPausedRedisIsNoticedAndCallsAreBounded(t *testing.T) {
	redis := redistest.Start(t)
	var seen states
	receiver := newRecorder()
	hub := openHub(t, startPlane(t, redis.Address, func(o *Options) {
		quick(o)
		seen.observe(o)
	}), receiver)
	seen.expect(t, true)
	redis.Pause(t)
	t.Cleanup(func() { redis.Resume(t) })

	if err := hub.Publish(testContext(t), toAll, textMessage("x")); !errors.Is(err, backplane.ErrUnavailable) {
		t.Errorf("Publish: %v", err)
	}
	if state := seen.expect(t, false); state.LastError == nil {
		t.Errorf("state %+v", state)
	}
	if err := hub.Subscribe(testContext(t), toGroup("g")); !errors.Is(err, backplane.ErrUnavailable) {
		t.Errorf("Subscribe: %v", err)
	}
	redis.Resume(t)
	seen.expect(t, true)
	untilExchanged(t, hub, receiver, toAll, "again")
}

// With no traffic at all, only pings can tell.
func TestSilentLossIsNoticed(t *testing.T) {
	redis := redistest.Start(t)
	var seen states
	openHub(t, startPlane(t, redis.Address, func(o *Options) {
		o.HealthCheckInterval = 100 * time.Millisecond
		seen.observe(o)
	}), newRecorder())
	seen.expect(t, true)
	redis.Pause(t)
	t.Cleanup(func() { redis.Resume(t) })
	if state := seen.expect(t, false); !strings.Contains(state.LastError.Error(), "no answer for 225ms") {
		t.Errorf("noticed was %v", state.LastError)
	}
}

// Many large messages to a Redis that does not take them: memory is bounded by letting callers wait, and all end in time.
func TestQueueIsBoundedWhenRedisDoesNotAnswer(t *testing.T) {
	redis := redistest.Start(t)
	plane := startPlane(t, redis.Address, func(o *Options) {
		quick(o)
		o.HealthCheckInterval = time.Minute
		o.PublishTimeout = 5 * time.Second // the queue has to fill while the first call still waits
	})
	hub := openHub(t, plane, newRecorder())
	redis.Pause(t)
	t.Cleanup(func() { redis.Resume(t) })
	message := textMessage(string(bytes.Repeat([]byte("x"), maxQueuedBytes/8)))
	var calls sync.WaitGroup
	for range 40 {
		calls.Go(func() {
			if err := hub.Publish(testContext(t), toAll, message); !errors.Is(err, backplane.ErrUnavailable) {
				t.Errorf("error %v", err)
			}
		})
	}
	eventually(t, "the queue is full", func() bool {
		if plane.carrier.(*link).publisher.room.TryAcquire(maxQueuedBytes / 8) {
			plane.carrier.(*link).publisher.room.Release(maxQueuedBytes / 8)
			return false
		}
		return true
	})
	calls.Wait()
	redis.Resume(t)
	eventually(t, "the room is given back", func() bool {
		if !plane.carrier.(*link).publisher.room.TryAcquire(maxQueuedBytes) {
			return false
		}
		plane.carrier.(*link).publisher.room.Release(maxQueuedBytes)
		return true
	})
	eventually(t, "messages are taken again", func() bool {
		return hub.Publish(testContext(t), toAll, textMessage("again")) == nil
	})
}
