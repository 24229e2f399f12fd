package redis

import (
	"context"
	"errors"
	"testing"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// A server that was told it is alone goes on without Redis, and with it again, and doubles nothing in between.
func TestServerThatIsAloneDeliversWithoutRedis(t *testing.T) {
	redis := redistest.Start(t)
	var seen states
	receiver := newRecorder()
	receiver.onGroup = func(_ context.Context, _ bool, connectionID, _ string) (bool, error) {
		return connectionID == "c1", nil
	}
	plane := startPlane(t, redis.Address, both(seen.observe, func(o *Options) { o.LocalFallback = true }))
	hub := openHub(t, plane, receiver)
	seen.expect(t, true)
	publish(t, hub, toAll, "with Redis")
	receiver.expect(t, toAll, "with Redis")

	redis.Kill()
	seen.expect(t, false)
	if err := hub.Subscribe(testContext(t), toGroup("g"), toConnection("c1")); err != nil {
		t.Fatal(err)
	}
	for _, target := range []backplane.Target{toAll, toGroup("g"), toConnection("c1"), toGroup("nobody's")} {
		publish(t, hub, target, "alone")
	}
	receiver.expect(t, toAll, "alone")
	receiver.expect(t, toGroup("g"), "alone")
	receiver.expect(t, toConnection("c1"), "alone")
	receiver.expectNothing(t)
	if err := hub.AddToGroup(testContext(t), "gone", "g"); err != nil {
		t.Errorf("AddToGroup for a connection that nobody has: %v", err)
	}
	question := textMessage("question")
	question.InvocationID, question.ReturnTo = hub.NewInvocation()
	if err := hub.Publish(testContext(t), toConnection("gone"), question); !errors.Is(err, backplane.ErrConnectionNotFound) {
		t.Errorf("a result from nobody: %v", err)
	}

	redis.Start(t)
	seen.expect(t, true)
	publish(t, hub, toGroup("g"), "with Redis again")
	receiver.expect(t, toGroup("g"), "with Redis again")
	receiver.expectNothing(t)
}

func TestModesThatMakeNoSenseAreRefused(t *testing.T) {
	for _, change := range []func(*Options){
		both(withStreams, func(o *Options) { o.LocalFallback = true }),
		func(o *Options) { o.Mode = "carrier pigeons" },
	} {
		if _, err := startPlane(t, startMini(t), change).Open("Chat", newRecorder()); err == nil {
			t.Error("a hub could be opened")
		}
	}
}
