package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

func TestMessagesReachAllServersThatWantThem(t *testing.T) {
	address := startMini(t)
	here, there := newRecorder(), newRecorder()
	hub := openHub(t, startPlane(t, address, nil), here)
	other := openHub(t, startPlane(t, address, nil), there)
	targets := []backplane.Target{toGroup("g:*[a]"), toUser("ann"), toConnection("c1")}
	if err := other.Subscribe(testContext(t), targets...); err != nil {
		t.Fatal(err)
	}
	for _, target := range append(targets, toAll) {
		publish(t, hub, target, "hello")
		there.expect(t, target, "hello")
	}
	// The sender hears what is for all, and nothing that it did not subscribe.
	here.expect(t, toAll, "hello")
	here.expectNothing(t)
}

func TestMessageArrivesWhole(t *testing.T) {
	address := startMini(t)
	receiver := newRecorder()
	hub := openHub(t, startPlane(t, address, nil), receiver)
	message := backplane.Message{
		Excluded: []string{"c1", "c2"},
		Encodings: []backplane.Encoding{
			{Protocol: "json", Frame: []byte("{\"type\":1}\x1e")},
			{Protocol: "messagepack", Frame: bytes.Repeat([]byte{0, 0xFF}, 100_000)},
		},
	}
	if err := hub.Publish(testContext(t), toAll, message); err != nil {
		t.Fatal(err)
	}
	got := receiveFrom(t, "message", receiver.deliveries)
	if difference := cmp.Diff(message, got.message); difference != "" {
		t.Error(difference)
	}
}

func TestUnsubscribedTargetGetsNothing(t *testing.T) {
	address := startMini(t)
	receiver := newRecorder()
	hub := openHub(t, startPlane(t, address, nil), receiver)
	if err := hub.Subscribe(testContext(t), toGroup("a"), toGroup("b")); err != nil {
		t.Fatal(err)
	}
	hub.Unsubscribe(toGroup("a"))
	publish(t, hub, toGroup("a"), "no")
	publish(t, hub, toGroup("b"), "yes")
	receiver.expect(t, toGroup("b"), "yes")
	receiver.expectNothing(t)
}

func TestHubsAndPrefixesAreApart(t *testing.T) {
	address := startMini(t)
	mine, otherPrefix, otherHub := newRecorder(), newRecorder(), newRecorder()
	plane := startPlane(t, address, func(o *Options) { o.ChannelPrefix = "a_" })
	hub := openHub(t, plane, mine)
	openHub(t, startPlane(t, address, func(o *Options) { o.ChannelPrefix = "b_" }), otherPrefix)
	second, err := plane.Open("Other", otherHub)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Subscribe(testContext(t)); err != nil {
		t.Fatal(err)
	}
	publish(t, hub, toAll, "1")
	mine.expect(t, toAll, "1")
	publish(t, second, toAll, "2")
	otherHub.expect(t, toAll, "2")
	otherPrefix.expectNothing(t)
	mine.expectNothing(t)
}

// Every publisher's messages arrive in its order, on servers that hear several channels, whatever the channel.
func TestOrderOfEachPublisherIsKept(t *testing.T) {
	address := startMini(t)
	receiver := newRecorder()
	hub := openHub(t, startPlane(t, address, nil), receiver)
	sender := openHub(t, startPlane(t, address, nil), newRecorder())
	if err := hub.Subscribe(testContext(t), toGroup("g")); err != nil {
		t.Fatal(err)
	}
	const publishers, messages = 8, 250
	var group sync.WaitGroup
	for publisher := range publishers {
		group.Go(func() {
			for number := range messages {
				target := []backplane.Target{toAll, toGroup("g")}[number%2]
				publish(t, []backplane.Hub{hub, sender}[publisher%2], target, fmt.Sprintf("%d %d", publisher, number))
			}
		})
	}
	group.Wait()
	next := make([]int, publishers)
	for range publishers * messages {
		var publisher, number int
		got := receiveFrom(t, "message", receiver.deliveries)
		if _, err := fmt.Sscanf(string(got.message.Encodings[0].Frame), "%d %d", &publisher, &number); err != nil {
			t.Fatal(err)
		}
		if number != next[publisher] {
			t.Fatalf("publisher %d: got message %d, want %d", publisher, number, next[publisher])
		}
		next[publisher]++
	}
	receiver.expectNothing(t)
}

// inside returns what is behind the interface.
func inside(opened backplane.Hub) *hub { return opened.(*hub) }

func TestAcknowledgementIDsStayPositiveAndUnique(t *testing.T) {
	a := acknowledgements{lastID: 1<<31 - 2}
	first, _ := a.expect()
	second, _ := a.expect()
	a.lastID = 0
	third, arrived := a.expect()
	if first != 1<<31-1 || second != 1 || third != 2 {
		t.Errorf("ids %d, %d, %d", first, second, third)
	}
	a.arrived(99)
	a.arrived(third)
	a.arrived(third)
	receiveFrom(t, "acknowledgement", arrived)
}

func TestClientResultCrossesServers(t *testing.T) {
	address := startMini(t)
	asker, owner := newRecorder(), newRecorder()
	hub := openHub(t, startPlane(t, address, func(o *Options) { o.ChannelPrefix = "p_" }), asker)
	other := openHub(t, startPlane(t, address, func(o *Options) { o.ChannelPrefix = "p_" }), owner)
	if err := other.Subscribe(testContext(t), toConnection("c1")); err != nil {
		t.Fatal(err)
	}
	question := textMessage("question")
	question.InvocationID, question.ReturnTo = hub.NewInvocation()
	if !regexp.MustCompile(`^[A-Za-z0-9+/]{22}$`).MatchString(question.InvocationID) {
		t.Errorf("invocation id %q", question.InvocationID)
	}
	if !regexp.MustCompile(`^Chat:internal:return:.+_[0-9a-f]{32}$`).MatchString(question.ReturnTo) {
		t.Errorf("return address %q", question.ReturnTo)
	}
	if err := hub.Publish(testContext(t), toConnection("c1"), question); err != nil {
		t.Fatal(err)
	}
	got := owner.expect(t, toConnection("c1"), "question")
	if got.InvocationID != question.InvocationID || got.ReturnTo != question.ReturnTo {
		t.Errorf("the question arrived as %+v", got)
	}
	if err := other.Return(testContext(t), got.ReturnTo, "messagepack", []byte("answer")); err != nil {
		t.Fatal(err)
	}
	answer := receiveFrom(t, "answer", asker.completions)
	if answer.protocol != "messagepack" || string(answer.frame) != "answer" || len(owner.completions) != 0 {
		t.Errorf("answer %+v", answer)
	}
}

// What asks many for one result is a message to them all the same, as it is for ASP.NET Core.
func TestOnlyAConnectionIsAskedForAResult(t *testing.T) {
	receiver := newRecorder()
	hub := openHub(t, startPlane(t, startMini(t), nil), receiver)
	if err := hub.Subscribe(testContext(t), toGroup("g"), toUser("u"), toConnection("c1")); err != nil {
		t.Fatal(err)
	}
	question := textMessage("question")
	question.InvocationID, question.ReturnTo = hub.NewInvocation()
	for target, want := range map[backplane.Target]backplane.Message{
		toAll: {}, toGroup("g"): {}, toUser("u"): {},
		toConnection("c1"): {InvocationID: question.InvocationID, ReturnTo: question.ReturnTo},
	} {
		if err := hub.Publish(testContext(t), target, question); err != nil {
			t.Fatal(err)
		}
		got := receiver.expect(t, target, "question")
		if got.InvocationID != want.InvocationID || got.ReturnTo != want.ReturnTo {
			t.Errorf("%+v is asked for %q at %q", target, got.InvocationID, got.ReturnTo)
		}
	}
}

func TestClientResultOfAnUnknownConnectionFails(t *testing.T) {
	hub := openHub(t, startPlane(t, startMini(t), nil), newRecorder())
	question := textMessage("question")
	question.InvocationID, question.ReturnTo = hub.NewInvocation()
	err := hub.Publish(testContext(t), toConnection("c9"), question)
	if !errors.Is(err, backplane.ErrConnectionNotFound) || !strings.Contains(err.Error(), `"c9"`) {
		t.Errorf("error %v", err)
	}
	// A message that wants no answer succeeds, as in the reference.
	publish(t, hub, toConnection("c9"), "hello")
}

func TestMalformedPayloadsAreDroppedAndLoggedWithoutContents(t *testing.T) {
	address := startMini(t)
	var log logBuffer
	receiver := newRecorder()
	hub := openHub(t, startPlane(t, address, func(o *Options) { o.Logger = log.logger() }), receiver)
	names := inside(hub).channels
	raw := goredis.NewClient(&goredis.Options{Addr: address})
	defer func() { _ = raw.Close() }()
	for range 100 {
		for _, channel := range []string{"Chat:all", "Chat:internal:groups", names.acknowledgements(names.server), names.results()} {
			if err := raw.Publish(testContext(t), channel, "s3cret").Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(t, hub, toAll, "still here")
	receiver.expect(t, toAll, "still here")
	if strings.Contains(log.String(), "s3cret") || strings.Count(log.String(), "dropped what could not be read") != 1 {
		t.Error(log.String())
	}
}

func TestClosedHubRefusesAndLetsWaitersGo(t *testing.T) {
	address := startMini(t)
	plane := startPlane(t, address, nil)
	receiver := newRecorder()
	hub := openHub(t, plane, receiver)
	waiting := make(chan error, 1)
	arrived := make(chan struct{})
	there := newRecorder()
	there.onGroup = func(ctx context.Context, _ bool, _, _ string) (bool, error) {
		close(arrived)
		<-ctx.Done()
		return true, ctx.Err()
	}
	other := openHub(t, startPlane(t, address, nil), there)
	go func() { waiting <- hub.AddToGroup(testContext(t), "c1", "g") }()
	receiveFrom(t, "command", arrived)
	if err := errors.Join(hub.Close(), hub.Close()); err != nil {
		t.Error(err)
	}
	if err := receiveFrom(t, "end of AddToGroup", waiting); !errors.Is(err, backplane.ErrClosed) {
		t.Errorf("waiting AddToGroup: %v", err)
	}
	// Closing the other hub must end the command that it is busy with.
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"Publish":    hub.Publish(testContext(t), toAll, textMessage("x")),
		"Subscribe":  hub.Subscribe(testContext(t), toGroup("g")),
		"AddToGroup": hub.AddToGroup(testContext(t), "c", "g"),
		"Return":     hub.Return(testContext(t), "x", "json", nil),
	} {
		if !errors.Is(err, backplane.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	again := openHub(t, plane, receiver)
	publish(t, again, toAll, "reopened")
	receiver.expect(t, toAll, "reopened")
}

func TestHubNamesAreChecked(t *testing.T) {
	plane := startPlane(t, startMini(t), nil)
	openHub(t, plane, newRecorder())
	for _, name := range []string{"", "a:b", "Chat"} {
		if _, err := plane.Open(name, newRecorder()); err == nil {
			t.Errorf("%q could be opened", name)
		}
	}
}

func TestClosedBackplaneRefuses(t *testing.T) {
	plane := startPlane(t, startMini(t), nil)
	hub := openHub(t, plane, newRecorder())
	if err := errors.Join(plane.Close(), plane.Close()); err != nil {
		t.Error(err)
	}
	if err := hub.Publish(testContext(t), toAll, textMessage("x")); !errors.Is(err, backplane.ErrClosed) {
		t.Errorf("Publish: %v", err)
	}
	if _, err := plane.Open("New", newRecorder()); !errors.Is(err, backplane.ErrClosed) {
		t.Errorf("Open: %v", err)
	}
}

func TestObserverCounts(t *testing.T) {
	var published, failed, received, bytes, subscriptions atomic.Int64
	plane := startPlane(t, startMini(t), func(o *Options) {
		o.Observer = Observer{
			Published:     func() { published.Add(1) },
			PublishFailed: func() { failed.Add(1) },
			Received: func(size int) {
				received.Add(1)
				bytes.Add(int64(size))
			},
			SubscriptionsChanged: func(channels int) { subscriptions.Store(int64(channels)) },
		}
	})
	receiver := newRecorder()
	hub := openHub(t, plane, receiver)
	if err := hub.Subscribe(testContext(t), toGroup("g")); err != nil {
		t.Fatal(err)
	}
	publish(t, hub, toAll, "x")
	receiver.expect(t, toAll, "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := hub.Publish(ctx, toAll, textMessage("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if published.Load() != 1 || failed.Load() != 1 || received.Load() != 1 || bytes.Load() < 10 || subscriptions.Load() != 6 {
		t.Errorf("published %d, failed %d, received %d of %d bytes, %d subscriptions",
			published.Load(), failed.Load(), received.Load(), bytes.Load(), subscriptions.Load())
	}
}
