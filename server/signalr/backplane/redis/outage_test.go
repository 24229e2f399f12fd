package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// quick are options with which losses are found, and waits end, in a fraction of a second.
func quick(o *Options) {
	o.PublishTimeout = 400 * time.Millisecond
	o.SubscribeTimeout = 400 * time.Millisecond
	o.HealthCheckInterval = 100 * time.Millisecond
}

func TestSubscriptionsResumeWhenRedisReturns(t *testing.T) {
	redis := redistest.Start(t)
	var seen states
	var log logBuffer
	receiver := newRecorder()
	plane := startPlane(t, redis.Address, func(o *Options) {
		seen.observe(o)
		o.Logger = log.logger()
		o.PublishTimeout = time.Hour // calls end because Redis is known to be down, not because their time is over
	})
	hub := openHub(t, plane, receiver)
	seen.expect(t, true)
	if err := hub.Subscribe(testContext(t), toGroup("g"), toUser("u")); err != nil {
		t.Fatal(err)
	}
	hub.Unsubscribe(toUser("u"))

	redis.Kill()
	state := seen.expect(t, false)
	if !state.EverConnected || state.LastError == nil {
		t.Errorf("state %+v", state)
	}
	var err error
	eventually(t, "publishing fails", func() bool {
		err = hub.Publish(testContext(t), toGroup("g"), textMessage("lost"))
		return err != nil && strings.Contains(err.Error(), "cannot be reached")
	})
	if !errors.Is(err, backplane.ErrUnavailable) || !strings.Contains(err.Error(), redis.Address) {
		t.Errorf("error %v", err)
	}
	waiting := make(chan error, 1)
	go func() { waiting <- hub.Subscribe(testContext(t), toGroup("later")) }()

	redis.Start(t)
	if state := seen.expect(t, true); state.Generation != 2 {
		t.Errorf("state %+v", state)
	}
	if err := receiveFrom(t, "end of Subscribe", waiting); err != nil {
		t.Errorf("who waited for Redis got %v", err)
	}
	for _, target := range []backplane.Target{toAll, toGroup("g"), toGroup("later"), toUser("u")} {
		publish(t, hub, target, "again")
	}
	publish(t, hub, toAll, "last")
	receiver.expect(t, toAll, "again")
	receiver.expect(t, toGroup("g"), "again")
	receiver.expect(t, toGroup("later"), "again")
	receiver.expect(t, toAll, "last")
	if log.lines() != 3 {
		t.Errorf("%d log lines, want connected, lost, connected:\n%s", log.lines(), &log)
	}
}

func TestStartWithoutRedis(t *testing.T) {
	redis := redistest.Start(t)
	redis.Kill()
	var log logBuffer
	plane := startPlane(t, redis.Address, func(o *Options) {
		quick(o)
		o.Logger = log.logger()
	})
	receiver := newRecorder()
	hub, err := plane.Open("Chat", receiver)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the refusal is known", func() bool {
		err := plane.State().LastError
		return err != nil && strings.Contains(err.Error(), "refused")
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := plane.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("Ready: %v", err)
	}
	if err := hub.Publish(testContext(t), toAll, textMessage("x")); !errors.Is(err, backplane.ErrUnavailable) {
		t.Errorf("Publish: %v", err)
	}
	if err := hub.Subscribe(testContext(t), toGroup("g")); !errors.Is(err, backplane.ErrUnavailable) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("Subscribe: %v", err)
	}
	if state := plane.State(); state.Connected || state.EverConnected || state.Generation != 0 {
		t.Errorf("state %+v", state)
	}
	redis.Start(t)
	if err := plane.Ready(testContext(t)); err != nil {
		t.Fatal(err)
	}
	publish(t, hub, toAll, "hello")
	receiver.expect(t, toAll, "hello")
	// The Subscribe that failed has left nothing behind.
	channels, err := redis.Client(t, goredis.Options{}).PubSubChannels(testContext(t), "Chat:group:*").Result()
	if err != nil || len(channels) != 0 {
		t.Errorf("channels %v, %v", channels, err)
	}
	if log.lines() != 2 {
		t.Errorf("%d log lines, want cannot connect, connected:\n%s", log.lines(), &log)
	}
}

func TestKilledConnectionsAreReplaced(t *testing.T) {
	redis := redistest.Start(t)
	for _, kind := range []string{"pubsub", "normal"} {
		t.Run(kind, func(t *testing.T) {
			var seen states
			receiver := newRecorder()
			hub := openHub(t, startPlane(t, redis.Address, func(o *Options) {
				seen.observe(o)
				o.HealthCheckInterval = 50 * time.Millisecond
			}), receiver)
			seen.expect(t, true)
			if err := hub.Subscribe(testContext(t), toGroup("g")); err != nil {
				t.Fatal(err)
			}
			killed, err := redis.Client(t, goredis.Options{}).ClientKillByFilter(testContext(t), "TYPE", kind, "SKIPME", "yes").Result()
			if err != nil || killed < 1 {
				t.Fatalf("killed %d, %v", killed, err)
			}
			seen.expect(t, false)
			seen.expect(t, true)
			untilExchanged(t, hub, receiver, toGroup("g"), "again")
		})
	}
}

// Connections break again and again, in the middle of it all: messages may be lost, but none comes twice or out of order.
func TestNothingDoublesWhenConnectionsBreak(t *testing.T) {
	redis := redistest.Start(t)
	client := redis.Client(t, goredis.Options{})
	receiver := newRecorder()
	sender := openHub(t, startPlane(t, redis.Address, nil), newRecorder())
	openHub(t, startPlane(t, redis.Address, nil), receiver)
	const messages = 1500
	var accepted int
	for number := range messages {
		if number%300 == 150 {
			kind := []string{"normal", "pubsub"}[number/300%2]
			if err := client.ClientKillByFilter(testContext(t), "TYPE", kind, "SKIPME", "yes").Err(); err != nil {
				t.Fatal(err)
			}
		}
		switch err := sender.Publish(testContext(t), toAll, textMessage(fmt.Sprint(number))); {
		case err == nil:
			accepted++
		case !errors.Is(err, backplane.ErrUnavailable):
			t.Fatal(err)
		}
	}
	if accepted < messages/2 {
		t.Errorf("only %d of %d messages were accepted", accepted, messages)
	}
	received, last := 0, -1
	for ended := false; !ended; {
		publish(t, sender, toAll, fmt.Sprint(messages))
		for len(receiver.deliveries) > 0 && !ended {
			got := <-receiver.deliveries
			number, err := strconv.Atoi(string(got.message.Encodings[0].Frame))
			if err != nil || number <= last {
				t.Fatalf("message %d after %d, %v", number, last, err)
			}
			received, last, ended = received+1, number, number == messages
		}
	}
	if received < messages/4 {
		t.Errorf("only %d of %d messages were received", received, messages)
	}
}

func TestWrongPasswordIsReportedAndNeverShown(t *testing.T) {
	redis := redistest.Start(t, "--requirepass", "right-s3cret")
	var log logBuffer
	plane := startPlane(t, redis.Address, func(o *Options) {
		o.Redis.Password = "wrong-s3cret"
		o.Logger = log.logger()
	})
	eventually(t, "the refusal is known", func() bool {
		err := plane.State().LastError
		return err != nil && strings.Contains(err.Error(), "WRONGPASS")
	})
	client := redis.Client(t, goredis.Options{Password: "right-s3cret"})
	if err := client.ConfigSet(testContext(t), "requirepass", "wrong-s3cret").Err(); err != nil {
		t.Fatal(err)
	}
	if err := plane.Ready(testContext(t)); err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), "s3cret") || !strings.Contains(log.String(), "WRONGPASS") {
		t.Error(log.String())
	}
}

func TestMissingPasswordIsReported(t *testing.T) {
	redis := redistest.Start(t, "--requirepass", "x")
	plane := startPlane(t, redis.Address, nil)
	eventually(t, "the refusal is known", func() bool {
		err := plane.State().LastError
		return err != nil && strings.Contains(err.Error(), "NOAUTH")
	})
}

func TestMissingPermissionIsReported(t *testing.T) {
	redis := redistest.Start(t)
	client := redis.Client(t, goredis.Options{})
	if err := client.Do(testContext(t), "ACL", "SETUSER", "app", "on", ">pw", "+@all", "resetchannels", "&Other:*").Err(); err != nil {
		t.Fatal(err)
	}
	plane := startPlane(t, redis.Address, func(o *Options) {
		quick(o)
		o.Redis.Username, o.Redis.Password = "app", "pw"
	})
	hub, err := plane.Open("Chat", newRecorder())
	if err != nil {
		t.Fatal(err)
	}
	if err := hub.Subscribe(testContext(t)); !errors.Is(err, backplane.ErrUnavailable) || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("Subscribe: %v", err)
	}
	var publishErr error
	eventually(t, "the publisher is connected", func() bool {
		publishErr = hub.Publish(testContext(t), toAll, textMessage("x"))
		return publishErr != nil && strings.Contains(publishErr.Error(), "NOPERM")
	})
	if !errors.Is(publishErr, backplane.ErrUnavailable) {
		t.Errorf("Publish: %v", publishErr)
	}
	if err := client.Do(testContext(t), "ACL", "SETUSER", "app", "allchannels").Err(); err != nil {
		t.Fatal(err)
	}
	if err := plane.Ready(testContext(t)); err != nil {
		t.Error(err)
	}
}

func TestChannelsInRedisAreThoseOfTheReference(t *testing.T) {
	redis := redistest.Start(t)
	client := redis.Client(t, goredis.Options{})
	receiver := newRecorder()
	plane := startPlane(t, redis.Address, func(o *Options) { o.ChannelPrefix = "App_" })
	opened := openHub(t, plane, receiver)
	if err := opened.Subscribe(testContext(t), toGroup("*"), toUser("a[b]?"), toConnection("c1")); err != nil {
		t.Fatal(err)
	}
	names := inside(opened).channels
	fixed := []string{"App_Chat:all", "App_Chat:internal:ack:" + names.server, "App_Chat:internal:fence", "App_Chat:internal:groups", "App_Chat:internal:return:" + names.server}
	want := slices.Concat(fixed, []string{"App_Chat:connection:c1", "App_Chat:group:*", "App_Chat:user:a[b]?"})
	expectChannels(t, client, want)
	if patterns := client.PubSubNumPat(testContext(t)).Val(); patterns != 0 {
		t.Errorf("%d patterns are subscribed", patterns)
	}
	publish(t, opened, toGroup("anything"), "no")
	publish(t, opened, toUser("abx"), "no")
	publish(t, opened, toGroup("*"), "yes")
	receiver.expect(t, toGroup("*"), "yes")

	opened.Unsubscribe(toGroup("*"), toUser("a[b]?"), toConnection("c1"))
	expectChannels(t, client, fixed)
	if err := opened.Close(); err != nil {
		t.Fatal(err)
	}
	expectChannels(t, client, nil)
	if keys := client.DBSize(testContext(t)).Val(); keys != 0 {
		t.Errorf("%d keys were written", keys)
	}
}

func expectChannels(t *testing.T, client *goredis.Client, want []string) {
	t.Helper()
	slices.Sort(want)
	eventually(t, fmt.Sprintf("Redis has the channels %q", want), func() bool {
		channels, err := client.PubSubChannels(testContext(t), "*").Result()
		slices.Sort(channels)
		return err == nil && slices.Equal(channels, want)
	})
}

func TestManyConcurrentSubscribesTakeFewCommands(t *testing.T) {
	redis := redistest.Start(t)
	client := redis.Client(t, goredis.Options{})
	wanted := make(chan int, 20_000)
	hub := openHub(t, startPlane(t, redis.Address, func(o *Options) {
		o.SubscribeTimeout = patience
		o.Observer.SubscriptionsChanged = func(channels int) { wanted <- channels }
	}), newRecorder())
	// They gather while Redis is away: how many would gather while it is there depends on the machine.
	redis.Kill()
	const groups = 5000
	done := make(chan error, groups)
	for number := range groups {
		go func() { done <- hub.Subscribe(testContext(t), toGroup(fmt.Sprint(number))) }()
	}
	for receiveFrom(t, "all groups are wanted", wanted) < groups {
	}
	redis.Start(t)
	for range groups {
		if err := receiveFrom(t, "confirmation", done); err != nil {
			t.Fatal(err)
		}
	}
	counts, err := client.PubSubNumSub(testContext(t), "Chat:group:0", "Chat:group:4999").Result()
	if err != nil || counts["Chat:group:0"] != 1 || counts["Chat:group:4999"] != 1 {
		t.Errorf("subscribers %v, %v", counts, err)
	}
	var commands int
	info := client.InfoMap(testContext(t), "commandstats").Item("Commandstats", "cmdstat_subscribe")
	if _, err := fmt.Sscanf(info, "calls=%d,", &commands); err != nil {
		t.Fatalf("%q: %v", info, err)
	}
	if commands > groups/maxSubscribeBatch+10 {
		t.Errorf("%d SUBSCRIBE commands for %d calls", commands, groups)
	}
}

// What answers is not Redis: an error, and no panic.
func TestPeersThatAreNotRedisAreSurvived(t *testing.T) {
	answers := map[string]string{
		"HTTP":            "HTTP/1.1 400 Bad Request\r\n\r\n",
		"empty array":     "-ERR unknown command\r\n*0\r\n*0\r\n",
		"array of ints":   "-ERR unknown command\r\n+OK\r\n+OK\r\n*3\r\n:1\r\n:2\r\n:3\r\n",
		"huge array":      "-ERR unknown command\r\n*2147483647\r\n",
		"closed at once":  "",
		"short message":   "-ERR unknown command\r\n+OK\r\n+OK\r\n*1\r\n$7\r\nmessage\r\n",
		"nil in an array": "-ERR unknown command\r\n+OK\r\n+OK\r\n*3\r\n$9\r\nsubscribe\r\n$-1\r\n$-1\r\n",
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan struct{})
			go func() {
				defer close(served)
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					_, _ = conn.Read(make([]byte, 1024))
					_, _ = conn.Write([]byte(answer))
					_ = conn.Close()
				}
			}()
			t.Cleanup(func() {
				_ = listener.Close()
				<-served
			})
			plane := startPlane(t, listener.Addr().String(), quick)
			eventually(t, "the fault is known", func() bool { return plane.State().LastError != nil })
			if plane.State().Connected {
				t.Error("counts as connected")
			}
		})
	}
}
