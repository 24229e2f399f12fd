package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

func withStreams(o *Options) { o.Mode = ModeStreams }

// both applies several changes.
func both(changes ...func(*Options)) func(*Options) {
	return func(o *Options) {
		for _, change := range changes {
			if change != nil {
				change(o)
			}
		}
	}
}

// kills is how often a test kills Redis: a few times in a normal run, as often as REDIS_KILLS says in a long one.
func kills(t testing.TB, few int) int {
	t.Helper()
	text := os.Getenv("REDIS_KILLS")
	if text == "" {
		return few
	}
	many, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("REDIS_KILLS: %v", err)
	}
	return many
}

// Redis, which writes before it answers, is killed again and again under load: nothing that it accepted is lost, nothing
// doubles, and no call fails.
func TestStreamsLoseAndDoubleNothingWhenRedisIsKilled(t *testing.T) {
	redis := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s := startSoak(t, func(change func(*Options)) *Backplane {
		return startPlane(t, redis.Address, both(withStreams, change, func(o *Options) { o.WaitTimeout = time.Minute }))
	})
	count := kills(t, 3)
	for range count {
		s.awaitProgress(t, 1+rand.IntN(100))
		redis.Kill()
		redis.Start(t)
	}
	s.awaitProgress(t, 20)
	accepted, failed := s.check(t)
	t.Logf("%d kills: %d calls accepted and delivered once, %d failed", count, accepted, failed)
	if failed > 0 {
		t.Errorf("%d calls failed", failed)
	}
}

// A Redis that writes nothing to disk forgets everything when it is killed. What it had accepted in the last moments is
// sent again.
func TestStreamsSurviveARedisThatForgetsEverything(t *testing.T) {
	redis := redistest.Start(t)
	s := startSoak(t, func(change func(*Options)) *Backplane {
		return startPlane(t, redis.Address, both(withStreams, change, func(o *Options) { o.WaitTimeout = time.Minute }))
	})
	for range kills(t, 2) {
		s.awaitProgress(t, 20)
		redis.Kill()
		redis.Start(t)
	}
	s.awaitProgress(t, 20)
	s.check(t)
}

// Connections break, with and without the reply; Redis stays.
func TestStreamsSurviveCutConnections(t *testing.T) {
	redis := redistest.Start(t)
	client := redis.Client(t, goredis.Options{})
	s := startSoak(t, func(change func(*Options)) *Backplane {
		return startPlane(t, redis.Address, both(withStreams, change, func(o *Options) { o.WaitTimeout = time.Minute }))
	})
	for range 4 {
		s.awaitProgress(t, 5)
		if err := client.ClientKillByFilter(testContext(t), "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
			t.Fatal(err)
		}
	}
	if _, failed := s.check(t); failed > 0 {
		t.Errorf("%d calls failed", failed)
	}
}

// What is published while a server is cut off comes when it is back, as long as the stream keeps it.
func TestStreamsDeliverWhatWasPublishedDuringAGap(t *testing.T) {
	redis := redistest.Start(t)
	proxy := redistest.StartProxy(t, redis.Address)
	var seen states
	receiver := newRecorder()
	away := openHub(t, startPlane(t, proxy.Address, both(withStreams, seen.observe)), receiver)
	hub := openHub(t, startPlane(t, redis.Address, withStreams), newRecorder())
	if err := away.Subscribe(testContext(t), toGroup("g")); err != nil {
		t.Fatal(err)
	}
	seen.expect(t, true)
	proxy.Cut()
	seen.expect(t, false)
	for number := range 1200 {
		publish(t, hub, toGroup("g"), fmt.Sprint(number))
	}
	// Joining works meanwhile: no round trip is needed.
	if err := away.Subscribe(testContext(t), toGroup("later")); err != nil {
		t.Error(err)
	}
	publish(t, hub, toGroup("later"), "hello")
	proxy.Mend()
	for number := range 1200 {
		receiver.expect(t, toGroup("g"), fmt.Sprint(number))
	}
	receiver.expect(t, toGroup("later"), "hello")
}

func TestStreamsSayWhatWasTrimmedBeforeItWasRead(t *testing.T) {
	redis := redistest.Start(t)
	client := redis.Client(t, goredis.Options{})
	proxy := redistest.StartProxy(t, redis.Address)
	var seen states
	var log logBuffer
	receiver := newRecorder()
	plane := startPlane(t, proxy.Address, both(withStreams, seen.observe, func(o *Options) { o.Logger = log.logger() }))
	openHub(t, plane, receiver)
	hub := openHub(t, startPlane(t, redis.Address, withStreams), newRecorder())
	publish(t, hub, toAll, "first")
	receiver.expect(t, toAll, "first")
	proxy.Cut()
	seen.expect(t, false)
	for number := range 100 {
		publish(t, hub, toAll, fmt.Sprint(number))
	}
	if err := client.XTrimMaxLen(testContext(t), streamKeys{}.of("Chat:all"), 30).Err(); err != nil {
		t.Fatal(err)
	}
	proxy.Mend()
	for number := 70; number < 100; number++ {
		receiver.expect(t, toAll, fmt.Sprint(number))
	}
	if missed := plane.State().Missed; missed != 70 {
		t.Errorf("missed %d", missed)
	}
	if !strings.Contains(log.String(), "were gone from the stream") {
		t.Error(log.String())
	}
}

func TestStreamsAreTrimmedByCount(t *testing.T) {
	redis := redistest.Start(t)
	client := redis.Client(t, goredis.Options{})
	receiver := newRecorder()
	hub := openHub(t, startPlane(t, redis.Address, both(withStreams, func(o *Options) { o.StreamLength = 200 })), receiver)
	for number := range 1000 {
		publish(t, hub, toAll, fmt.Sprint(number))
	}
	receiver.expect(t, toAll, "0")
	// Redis trims whole blocks of 100.
	if length := client.XLen(testContext(t), streamKeys{}.of("Chat:all")).Val(); length < 200 || length > 400 {
		t.Errorf("%d entries are left", length)
	}
}

func TestStreamsAreTrimmedByAge(t *testing.T) {
	redis := redistest.Start(t)
	client := redis.Client(t, goredis.Options{})
	plane := startPlane(t, redis.Address, both(withStreams, func(o *Options) { o.StreamAge = time.Hour }))
	hub := openHub(t, plane, newRecorder())
	key := streamKeys{}.of("Chat:all")
	for number := range 250 {
		err := client.XAdd(testContext(t), &goredis.XAddArgs{Stream: key, ID: fmt.Sprintf("1000-%d", number+1), Values: []any{"x", "y"}}).Err()
		if err != nil {
			t.Fatal(err)
		}
	}
	publish(t, hub, toAll, "new")
	if err := plane.carrier.(*streams).writer.trim(testContext(t), client); err != nil {
		t.Fatal(err)
	}
	if length := client.XLen(testContext(t), key).Val(); length > 60 {
		t.Errorf("%d entries are left", length)
	}
}

// Calls wait for a Redis that is away, within their bound, and say why they failed.
func TestStreamsCallsWaitWithinTheirBound(t *testing.T) {
	redis := redistest.Start(t)
	var seen states
	receiver := newRecorder()
	plane := startPlane(t, redis.Address, both(withStreams, seen.observe, func(o *Options) { o.WaitTimeout = 300 * time.Millisecond }))
	hub := openHub(t, plane, receiver)
	seen.expect(t, true)
	redis.Kill()
	seen.expect(t, false)
	// The first may be on its way when the writer finds out. It says so, and comes later.
	err := hub.Publish(testContext(t), toAll, textMessage("maybe"))
	late := err != nil && strings.Contains(err.Error(), "may arrive later")
	err = hub.Publish(testContext(t), toAll, textMessage("fails"))
	if !errors.Is(err, backplane.ErrUnavailable) || !strings.Contains(err.Error(), "did not take the message within 300ms") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := hub.Publish(ctx, toAll, textMessage("cancelled")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	redis.Start(t)
	seen.expect(t, true)
	// What failed before it was sent does not come later.
	publish(t, hub, toAll, "again")
	if late {
		receiver.expect(t, toAll, "maybe")
	}
	receiver.expect(t, toAll, "again")
}

// A message that Redis refuses fails at once, and leaves no gap in the numbers that readers would take for a loss.
func TestStreamsRefusalFailsAtOnce(t *testing.T) {
	redis := redistest.Start(t)
	client := redis.Client(t, goredis.Options{})
	receiver := newRecorder()
	plane := startPlane(t, redis.Address, withStreams)
	hub := openHub(t, plane, receiver)
	publish(t, hub, toAll, "first")
	if err := client.ConfigSet(testContext(t), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	err := hub.Publish(testContext(t), toAll, textMessage("refused"))
	if !errors.Is(err, backplane.ErrUnavailable) || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("error %v", err)
	}
	if err := client.ConfigSet(testContext(t), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	publish(t, hub, toAll, "second")
	receiver.expect(t, toAll, "first")
	receiver.expect(t, toAll, "second")
	if state := plane.State(); state.Missed != 0 {
		t.Errorf("state %+v", state)
	}
}

func TestStreamsKeepUntilAReplicaHasIt(t *testing.T) {
	master := redistest.Start(t)
	plane := startPlane(t, master.Address, both(withStreams, func(o *Options) { o.StreamSafety = SafetyReplica }))
	hub := openHub(t, plane, newRecorder())
	writer := plane.carrier.(*streams).writer
	publish(t, hub, toAll, "kept")
	if writer.unsafe() != 1 {
		t.Errorf("%d are kept", writer.unsafe())
	}
	redistest.StartReplica(t, master)
	eventually(t, "a replica has it", func() bool { return writer.unsafe() == 0 })
}

func TestStreamsServeManyHubsOverOneConnection(t *testing.T) {
	redis := redistest.Start(t)
	client := redis.Client(t, goredis.Options{})
	plane := startPlane(t, redis.Address, withStreams)
	receivers := make([]*recorder, 20)
	hubs := make([]backplane.Hub, len(receivers))
	for at := range receivers {
		receivers[at] = newRecorder()
		hub, err := plane.Open(fmt.Sprintf("Hub%d", at), receivers[at])
		if err != nil {
			t.Fatal(err)
		}
		if err := hub.Subscribe(testContext(t)); err != nil {
			t.Fatal(err)
		}
		hubs[at] = hub
	}
	for at, hub := range hubs {
		publish(t, hub, toAll, fmt.Sprint(at))
	}
	for at, receiver := range receivers {
		receiver.expect(t, toAll, fmt.Sprint(at))
		receiver.expectNothing(t)
	}
	if clients, err := client.ClientList(testContext(t)).Result(); err != nil || strings.Count(clients, "\n") > 4 {
		t.Errorf("clients %s, %v", clients, err)
	}
}

func TestStreamsCarryGroupCommandsAndClientResults(t *testing.T) {
	redis := redistest.Start(t)
	asker, owner := newRecorder(), newRecorder()
	owner.onGroup = func(_ context.Context, _ bool, connectionID, _ string) (bool, error) {
		return connectionID == "c1", nil
	}
	quickly := func(o *Options) { o.AcknowledgeTimeout = 3 * time.Second }
	hub := openHub(t, startPlane(t, redis.Address, both(withStreams, quickly)), asker)
	other := openHub(t, startPlane(t, redis.Address, withStreams), owner)
	if err := other.Subscribe(testContext(t), toConnection("c1")); err != nil {
		t.Fatal(err)
	}
	if err := hub.AddToGroup(testContext(t), "c1", "g"); err != nil {
		t.Fatal(err)
	}
	question := textMessage("question")
	question.InvocationID, question.ReturnTo = hub.NewInvocation()
	if err := hub.Publish(testContext(t), toConnection("c1"), question); err != nil {
		t.Fatal(err)
	}
	got := owner.expect(t, toConnection("c1"), "question")
	if err := other.Return(testContext(t), got.ReturnTo, "json", []byte("answer")); err != nil {
		t.Fatal(err)
	}
	if answer := receiveFrom(t, "answer", asker.completions); string(answer.frame) != "answer" {
		t.Errorf("answer %+v", answer)
	}
	question.InvocationID, question.ReturnTo = hub.NewInvocation()
	if err := hub.Publish(testContext(t), toConnection("nobody"), question); !errors.Is(err, backplane.ErrConnectionNotFound) {
		t.Errorf("error %v", err)
	}
}

// The rules are those of the README. A user who may not ask what Redis is gets more repetitions, and loses nothing.
func TestStreamsNeedNoMoreThanTheDocumentedPermissions(t *testing.T) {
	const documented = "+@connection +multi +exec +@stream +set +time +wait +info +config|get"
	for name, rules := range map[string]string{
		"all that is documented": documented,
		"the least":              strings.ReplaceAll(documented, "+info +config|get", ""),
	} {
		t.Run(name, func(t *testing.T) {
			redis := redistest.Start(t, "--appendonly", "yes")
			admin := redis.Client(t, goredis.Options{})
			user := []any{"ACL", "SETUSER", "app", "on", ">pw", "resetchannels", "~p_{p_chatcluster}:*", "-@all"}
			for rule := range strings.FieldsSeq(rules) {
				user = append(user, rule)
			}
			if err := admin.Do(testContext(t), user...).Err(); err != nil {
				t.Fatal(err)
			}
			receiver := newRecorder()
			plane := startPlane(t, redis.Address, both(withStreams, func(o *Options) {
				o.ChannelPrefix = "p_"
				o.Redis.Username, o.Redis.Password = "app", "pw"
			}))
			hub := openHub(t, plane, receiver)
			publish(t, hub, toAll, "hello")
			receiver.expect(t, toAll, "hello")
			if err := plane.carrier.(*streams).writer.trim(testContext(t), redis.Client(t, goredis.Options{Username: "app", Password: "pw"})); err != nil {
				t.Error(err)
			}
			if err := admin.ClientKillByFilter(testContext(t), "USER", "app").Err(); err != nil {
				t.Fatal(err)
			}
			publish(t, hub, toAll, "again")
			receiver.expect(t, toAll, "again")
			if refused := admin.Do(testContext(t), "ACL", "LOG").String(); strings.Contains(refused, "command") && name == "all that is documented" {
				t.Errorf("refused: %s", refused)
			}
		})
	}
}
