package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

var everything = backplane.Target{Scope: backplane.ScopeEverything}

func fenced(t testing.TB, hub backplane.Hub, mark string, targets ...backplane.Target) {
	t.Helper()
	if err := hub.(backplane.Fencer).Fence(testContext(t), mark, targets...); err != nil {
		t.Fatal(err)
	}
}

// domain waits until the hub has one: it comes with the connection.
func domain(t testing.TB, hub backplane.Hub) backplane.Domain {
	t.Helper()
	var domain backplane.Domain
	eventually(t, "there is an order", func() (is bool) {
		var err error
		domain, err = hub.(backplane.Fencer).Domain(testContext(t))
		return err == nil
	})
	return domain
}

func (r *recorder) expectFence(t testing.TB, mark string, target backplane.Target) {
	t.Helper()
	want := fence{mark, target}
	if got := receiveFrom(t, fmt.Sprint(want), r.fences); got != want {
		t.Fatalf("fence %v, want %v", got, want)
	}
}

func withMode(mode Mode) func(*Options) { return func(o *Options) { o.Mode = mode } }

func TestOneFenceReachesAllServersInItsPlace(t *testing.T) {
	for _, mode := range []Mode{ModePubSub, ModeStreams} {
		t.Run(string(mode), func(t *testing.T) {
			redis := redistest.Start(t)
			here, there := newRecorder(), newRecorder()
			var order []string
			there.onFence = func(mark string) {
				for len(there.deliveries) > 0 {
					order = append(order, string((<-there.deliveries).message.Encodings[0].Frame))
				}
				order = append(order, mark)
			}
			hub := openHub(t, startPlane(t, redis.Address, withMode(mode)), here)
			other := openHub(t, startPlane(t, redis.Address, withMode(mode)), there)
			if first, second := domain(t, hub), domain(t, other); first != second {
				t.Errorf("domains %q and %q", first, second)
			}
			publish(t, hub, toAll, "1")
			fenced(t, hub, "first")
			publish(t, hub, toAll, "2")
			fenced(t, other, "second", toGroup("g"))
			here.expectFence(t, "first", everything)
			here.expectFence(t, "second", everything)
			there.expectFence(t, "first", everything)
			there.expectFence(t, "second", everything)
			if want := []string{"1", "first", "2", "second"}; !slices.Equal(order, want) {
				t.Errorf("%q came, want %q", order, want)
			}
		})
	}
}

func TestShardedFenceCutsEachChannelByItself(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	receiver := newRecorder()
	hub := openHub(t, startPlane(t, redis.Address, withSharded), newRecorder())
	there := openHub(t, startPlane(t, redis.Address, withSharded), receiver)
	if first, second := domain(t, hub), domain(t, there); first != second {
		t.Errorf("domains %q and %q", first, second)
	}
	targets := []backplane.Target{toGroup("g"), toUser("u"), toConnection("c1")}
	if err := there.Subscribe(testContext(t), append(targets, toGroup("other"))...); err != nil {
		t.Fatal(err)
	}
	fenced(t, hub, "mark", append(targets, toAll, toGroup("nobody's"))...)
	fenced(t, hub, "end", toGroup("other"))
	want := append(targets, toAll, backplane.Target{Scope: backplane.ScopeCommands})
	var got []backplane.Target
	for range want {
		came := receiveFrom(t, "fence", receiver.fences)
		if came.mark != "mark" {
			t.Errorf("fence %v", came)
		}
		got = append(got, came.target)
	}
	for _, target := range want {
		if !slices.Contains(got, target) {
			t.Errorf("%v was not cut", target)
		}
	}
}

// A fence that ASP.NET Core servers would have to read is of no use: none comes in channels that they listen to.
func TestFenceOfPubSubIsInNoChannelOfTheReference(t *testing.T) {
	address := startMini(t)
	listener := goredis.NewClient(&goredis.Options{Addr: address}).PSubscribe(testContext(t), "*")
	defer func() { _ = listener.Close() }()
	if _, err := listener.Receive(testContext(t)); err != nil {
		t.Fatal(err)
	}
	hub := openHub(t, startPlane(t, address, nil), newRecorder())
	fenced(t, hub, "mark", toAll, toGroup("g"))
	publish(t, hub, toAll, "end")
	for _, want := range []string{"Chat:internal:fence", "Chat:all"} {
		message, err := listener.ReceiveMessage(testContext(t))
		if err != nil || message.Channel != want {
			t.Errorf("message in %v, want %s; error %v", message, want, err)
		}
	}
}

// A command that came before a fence runs on a goroutine of its own and may begin after it: its place is known nevertheless.
func TestGroupCommandsKnowTheFencesBeforeThem(t *testing.T) {
	for _, mode := range Modes() {
		t.Run(string(mode), func(t *testing.T) {
			redis := redistest.Start(t)
			there := newRecorder()
			release, places := make(chan struct{}), make(chan string, 10)
			there.onGroup = func(ctx context.Context, _ bool, _, group string) (bool, error) {
				<-release
				places <- fmt.Sprint(group, backplane.FencesBefore(ctx))
				return true, nil
			}
			other := openHub(t, startPlane(t, redis.Address, withMode(mode)), there)
			hub := openHub(t, startPlane(t, redis.Address, withMode(mode)), newRecorder())
			calls := make(chan error, 4)
			for number := range 4 {
				group := string(rune('a' + number))
				go func() { calls <- hub.AddToGroup(testContext(t), "c1", group) }()
				eventually(t, "the command has come", func() bool { return underWay(inside(other)) == number+1 })
				if number < 3 {
					fenced(t, hub, group)
					eventually(t, "the fence has come", func() bool { return inside(other).commandFences.Load() == uint64(number+1) })
				}
			}
			close(release)
			for _, want := range []string{"a0", "b1", "c2", "d3"} {
				if got := receiveFrom(t, "group command", places); got != want {
					t.Errorf("command and fences %s, want %s", got, want)
				}
				if err := receiveFrom(t, "answer", calls); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func underWay(h *hub) int {
	h.commands.mutex.Lock()
	defer h.commands.mutex.Unlock()
	return h.commands.count
}

func TestWhereNothingIsKnownOfTheOrderThereIsNone(t *testing.T) {
	redis := redistest.Start(t)
	client := redis.Client(t, goredis.Options{})
	rights := []any{"ACL", "SETUSER", "app", "on", ">pw", "allchannels", "allkeys", "+@all", "-info"}
	if err := client.Do(testContext(t), rights...).Err(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Options){
		"no right to ask": func(o *Options) { o.Redis.Username, o.Redis.Password = "app", "pw" },
		"sharded without the right": func(o *Options) {
			o.Redis.Username, o.Redis.Password, o.Mode = "app", "pw", ModeSharded
		},
		"streams without the right": func(o *Options) {
			o.Redis.Username, o.Redis.Password, o.Mode = "app", "pw", ModeStreams
		},
		"fallback": func(o *Options) { o.LocalFallback = true },
	} {
		hub := openHub(t, startPlane(t, redis.Address, change), newRecorder())
		if domain, err := hub.(backplane.Fencer).Domain(testContext(t)); !errors.Is(err, backplane.ErrNoOrder) {
			t.Errorf("%s: domain %q, error %v", name, domain, err)
		}
	}
}

func TestProcessIsKnownOfServersWithOneOrderOnly(t *testing.T) {
	for info, want := range map[string]string{
		"# Server\r\nredis_version:7.0.15\r\ngcc_version:12.2.0\r\nrun_id:abc\r\n":            "abc",
		"redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\nrun_id:abc\r\n": "abc",
		"redis_version:7.4.0\r\ndragonfly_version:df-1\r\nrun_id:abc\r\n":                     "",
		"redis_version:6.3.4\r\nrun_id:abc\r\nmvcc_depth:0\r\n":                               "",
		"redis_version:7.4.0\r\nrun_id:abc\r\nrlec_version:7\r\n":                             "",
		"# Server\r\n": "",
	} {
		if got := parseProcess(info); got != want {
			t.Errorf("%q: process %q, want %q", info, got, want)
		}
	}
}

// Who has lost its connection may have missed the fence, or what was before it: its generation is another then.
func TestGenerationChangesWithTheConnection(t *testing.T) {
	for _, mode := range []Mode{ModePubSub, ModeSharded} {
		t.Run(string(mode), func(t *testing.T) {
			redis := redistest.Start(t)
			receiver := newRecorder()
			// The hub as it is known to its receiver, and the generation that it has within a fence.
			opened, within := make(chan backplane.Fencer, 1), make(chan uint64, 10)
			receiver.onFence = func(string) {
				fencer := <-opened
				within <- fencer.Generation()
				opened <- fencer
			}
			hub := openHub(t, startPlane(t, redis.Address, withMode(mode)), receiver)
			fencer := hub.(backplane.Fencer)
			opened <- fencer
			was := domain(t, hub)
			before := fencer.Generation()
			fenced(t, hub, "before")
			if got := receiveFrom(t, "fence", within); got != before {
				t.Errorf("generation %d within the fence, %d outside", got, before)
			}
			client := redis.Client(t, goredis.Options{})
			if err := client.Do(testContext(t), "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the generation is another", func() bool { return fencer.Generation() != before })
			if now := domain(t, hub); now != was {
				t.Errorf("domain %q became %q", was, now)
			}
			if err := hub.Subscribe(testContext(t)); err != nil {
				t.Fatal(err)
			}
			for len(within) > 0 {
				<-within
			}
			fenced(t, hub, "after")
			if got, now := receiveFrom(t, "fence", within), fencer.Generation(); got != now || got == before {
				t.Errorf("generation %d within the fence, %d now, %d before", got, now, before)
			}
		})
	}
}

func TestStreamsChangeTheGenerationWithTheHistory(t *testing.T) {
	redis := redistest.Start(t)
	hub := openHub(t, startPlane(t, redis.Address, withMode(ModeStreams)), newRecorder())
	fencer := hub.(backplane.Fencer)
	was := domain(t, hub)
	before := fencer.Generation()
	redis.Kill()
	redis.Start(t)
	eventually(t, "the generation is another", func() bool { return fencer.Generation() != before })
	if now := domain(t, hub); now == was {
		t.Errorf("domain %q of another run of Redis", now)
	}
}

func TestDomainEndsWithRedis(t *testing.T) {
	redis := redistest.Start(t)
	hub := openHub(t, startPlane(t, redis.Address, nil), newRecorder())
	domain(t, hub)
	redis.Kill()
	eventually(t, "there is no order", func() bool {
		_, err := hub.(backplane.Fencer).Domain(testContext(t))
		return errors.Is(err, backplane.ErrNoOrder)
	})
	eventually(t, "fences fail", func() bool {
		err := hub.(backplane.Fencer).Fence(testContext(t), "mark")
		return errors.Is(err, backplane.ErrUnavailable)
	})
}

func TestMarksAreBounded(t *testing.T) {
	hub := openHub(t, startPlane(t, startMini(t), nil), newRecorder())
	for _, mark := range []string{"", strings.Repeat("x", maxMark+1)} {
		if err := hub.(backplane.Fencer).Fence(testContext(t), mark); !errors.Is(err, errBadMark) {
			t.Errorf("a mark of %d bytes: error %v", len(mark), err)
		}
	}
	fenced(t, hub, strings.Repeat("x", maxMark))
}

func TestFencePayloads(t *testing.T) {
	for _, mark := range []string{"m", strings.Repeat("x", maxMark)} {
		payload := encodeFence(mark)
		if got, err := decodeFence(payload); got != mark || err != nil {
			t.Errorf("%q became %q, %v", mark, got, err)
		}
		if _, _, err := decodeInvocation(payload); err == nil {
			t.Error("a fence is taken for a message")
		}
		if _, err := decodeGroupCommand(payload); err == nil {
			t.Error("a fence is taken for a group command")
		}
	}
	for _, payload := range [][]byte{nil, {0x90}, {0x91}, {0x91, 0xa0}, {0x91, 0xd9, 0xff, 'x'}, encodeFence(strings.Repeat("x", maxMark+1)), encodeInvocation(textMessage("x"), extension{})} {
		if mark, err := decodeFence(payload); err == nil {
			t.Errorf("% x was taken for the fence %q", payload, mark)
		}
	}
}

// What looks like a fence, in a channel where none comes, is dropped as anything else that cannot be read.
func TestFenceInAChannelOfPubSubIsDropped(t *testing.T) {
	address := startMini(t)
	receiver := newRecorder()
	hub := openHub(t, startPlane(t, address, nil), receiver)
	raw := goredis.NewClient(&goredis.Options{Addr: address})
	defer func() { _ = raw.Close() }()
	for _, channel := range []string{"Chat:all", "Chat:internal:groups"} {
		if err := raw.Publish(testContext(t), channel, encodeFence("forged")).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := raw.Publish(testContext(t), "Chat:internal:fence", "not a fence").Err(); err != nil {
		t.Fatal(err)
	}
	fenced(t, hub, "true")
	receiver.expectFence(t, "true", everything)
}

// A fence whose call has failed is not sent later.
func TestFenceThatNobodyWaitsForIsNotSent(t *testing.T) {
	redis := redistest.Start(t)
	proxy := redistest.StartProxy(t, redis.Address)
	receiver := newRecorder()
	hub := openHub(t, startPlane(t, proxy.Address, nil), receiver)
	proxy.Hold(redistest.ToServer)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	for _, mark := range []string{"on its way", "queued"} {
		if err := hub.(backplane.Fencer).Fence(ctx, mark); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error %v", mark, err)
		}
	}
	proxy.Release(redistest.ToServer)
	fenced(t, hub, "end")
	for mark := ""; mark != "end"; {
		mark = receiveFrom(t, "fence", receiver.fences).mark
		if mark == "queued" { // the other one may come
			t.Error("the fence was sent although its call had failed before")
		}
	}
}
