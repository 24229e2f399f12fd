package cluster

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"
	"pgregory.net/rapid"
)

func openRedisDirectory(t *testing.T) (Directory, *miniredis.Miniredis) {
	t.Helper()
	server := miniredis.RunT(t)
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	return NewRedisDirectory(client, "app."), server
}

// Redis does what the pure functions say, whatever comes before: the tests on a simulated directory hold for Redis.
func TestRedisActsLikeTheSimulation(t *testing.T) {
	redis, server := openRedisDirectory(t)
	peers := []Peer{{"m_a", "10.0.0.1:9091"}, {"m_b", "[fd00::2]:9091"}}
	rapid.Check(t, func(t *rapid.T) {
		server.FlushAll()
		model := newSimulatedDirectory()
		ctx := context.Background()
		anyEntry := rapid.Custom(func(t *rapid.T) Entry {
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				return Entry{}
			case 1:
				return ended()
			}
			return Entry{Owner: rapid.SampledFrom(peers).Draw(t, "owner"), Epoch: rapid.Int64Range(1, 12).Draw(t, "epoch")}
		})
		anyID := rapid.SampledFrom([]string{"x", "y"})
		t.Repeat(map[string]func(*rapid.T){
			"swap": func(t *rapid.T) {
				change := Change{ConnectionID: anyID.Draw(t, "id"), To: anyEntry.Filter(Entry.exists).Draw(t, "to"), OrAbsent: rapid.Bool().Draw(t, "or absent")}
				change.From = model.entries[change.ConnectionID]
				if rapid.Bool().Draw(t, "stale") {
					change.From = anyEntry.Draw(t, "from")
				}
				if got, want := redis.Swap(ctx, change), model.Swap(ctx, change); !slices.Equal(got, want) {
					t.Fatalf("%+v: %+v, want %+v", change, got, want)
				}
			},
			"assert": func(t *rapid.T) {
				owner := rapid.SampledFrom(peers).Draw(t, "owner")
				holding := Holding{anyID.Draw(t, "id"), rapid.Int64Range(1, 12).Draw(t, "epoch")}
				if got, want := redis.Assert(ctx, owner, holding), model.Assert(ctx, owner, holding); !slices.Equal(got, want) {
					t.Fatalf("%+v of %+v: %+v, want %+v", holding, owner, got, want)
				}
			},
			"find": func(t *rapid.T) {
				id := anyID.Draw(t, "id")
				got, err := redis.Find(ctx, id)
				want, _ := model.Find(ctx, id)
				if err != nil || got != want {
					t.Fatalf("%+v, %v, want %+v", got, err, want)
				}
			},
		})
	})
}

func TestNothingStaysInRedisForLong(t *testing.T) {
	directory, server := openRedisDirectory(t)
	self := Peer{"m_a", "10.0.0.1:9091"}
	if _, err := directory.Renew(t.Context(), self, Load{State: Ready}); err != nil {
		t.Fatal(err)
	}
	for _, result := range directory.Swap(t.Context(), Change{ConnectionID: "x", To: claimed(self)}, Change{ConnectionID: "y", To: ended()}) {
		if result.Err != nil {
			t.Fatal(result.Err)
		}
	}
	lives := map[string]time.Duration{
		"app.chatcluster:srv:m_a": LivenessTimeout, "app.chatcluster:servers": LivenessTimeout,
		"app.chatcluster:loads":        LivenessTimeout,
		"app.chatcluster:connection:x": entryLife, "app.chatcluster:connection:y": tombstoneLife,
	}
	for _, key := range server.Keys() {
		if life := server.TTL(key); life != lives[key] || life == 0 {
			t.Errorf("%s lives for %v, want %v", key, life, lives[key])
		}
	}
	if len(server.Keys()) != len(lives) {
		t.Errorf("keys: %v", server.Keys())
	}
}

func TestServersInRedis(t *testing.T) {
	directory, server := openRedisDirectory(t)
	now := time.Now()
	server.SetTime(now)
	a, b := Peer{"m_a", "10.0.0.1:9091"}, Peer{"m_b", "[fd00::2]:9091"}
	renew := func(peer Peer, want ...Peer) {
		t.Helper()
		got, err := directory.Renew(t.Context(), peer, Load{State: Ready})
		if err != nil || !slices.EqualFunc(got, want, func(server Server, peer Peer) bool { return server.Peer == peer }) {
			t.Fatalf("%v, %v, want %v", got, err, want)
		}
	}
	renew(a, a)
	renew(b, a, b)
	server.FastForward(LivenessTimeout / 2)
	server.SetTime(now.Add(LivenessTimeout / 2))
	renew(b, a, b)
	server.FastForward(LivenessTimeout / 2)
	server.SetTime(now.Add(LivenessTimeout + time.Second))
	renew(b, b)
	for peer, want := range map[Peer]bool{a: false, b: true} {
		if alive, err := directory.Alive(t.Context(), peer.Instance); err != nil || alive != want {
			t.Errorf("%s alive: %v, %v", peer.Instance, alive, err)
		}
	}
	if err := directory.Leave(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if alive, err := directory.Alive(t.Context(), b.Instance); err != nil || alive {
		t.Errorf("after leaving, alive: %v, %v", alive, err)
	}
	renew(a, a)
}

func TestServersSayWhatTheyCarry(t *testing.T) {
	directory, server := openRedisDirectory(t)
	now := time.Now().Truncate(time.Millisecond)
	server.SetTime(now)
	a, b, old := Peer{"m_a", "10.0.0.1:9091"}, Peer{"m_b", "[fd00::2]:9091"}, Peer{"m_old", "10.0.0.3:9091"}
	renew := func(peer Peer, load Load, want ...Server) {
		t.Helper()
		got, err := directory.Renew(t.Context(), peer, load)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%+v, %v, want %+v", got, err, want)
		}
	}
	busy := Load{State: Ready, Connections: 120, Movable: 100, Limit: 500}
	renew(a, busy, Server{a, busy, now.UnixMilli()})
	later := now.Add(LivenessTimeout / 2)
	server.SetTime(later)
	leaving := Load{State: Draining, Connections: 3}
	renew(b, leaving, Server{a, busy, now.UnixMilli()}, Server{b, leaving, later.UnixMilli()})
	busy.Connections++
	renew(a, busy, Server{a, busy, later.UnixMilli()}, Server{b, leaving, later.UnixMilli()})
	// An older version says nothing of its load.
	if _, err := server.ZAdd("app.chatcluster:servers", float64(later.UnixMilli()), old.member()); err != nil {
		t.Fatal(err)
	}
	renew(a, busy, Server{a, busy, later.UnixMilli()}, Server{b, leaving, later.UnixMilli()}, Server{Peer: old})
	// Who has not reported for long is forgotten, were it listed still.
	server.SetTime(later.Add(LivenessTimeout))
	if _, err := server.ZAdd("app.chatcluster:servers", float64(later.Add(LivenessTimeout).UnixMilli()), b.member()); err != nil {
		t.Fatal(err)
	}
	renew(a, busy, Server{a, busy, later.Add(LivenessTimeout).UnixMilli()}, Server{Peer: b})
}

func TestReportsOfOtherVersions(t *testing.T) {
	peers := []Peer{{"m_a", "10.0.0.1:9091"}}
	load := Load{State: Ready, Connections: 12, Movable: 10, Limit: 500}
	for line, want := range map[string]Server{
		"m_a 77 " + load.text():                 {peers[0], load, 77},
		"m_a 77 " + load.text() + " and more 5": {peers[0], load, 77},
		"m_b 77 " + load.text():                 {Peer: peers[0]},
		"m_a 77 " + Load{}.text():               {Peer: peers[0]},
		"m_a 77 ready -1 0 0":                   {Peer: peers[0]},
		"m_a x ready 1 0 0":                     {Peer: peers[0]},
		"m_a 77 ready 1":                        {Peer: peers[0]},
		"":                                      {Peer: peers[0]},
	} {
		if got := withReports(peers, line); len(got) != 1 || got[0] != want {
			t.Errorf("%q is read as %+v, want %+v", line, got, want)
		}
	}
}

func TestStrangeEntriesAreErrors(t *testing.T) {
	directory, server := openRedisDirectory(t)
	for _, text := range []string{"x", "0 m_a address", "-1 m_a address", "1 m_a", "99999999999999999999 m_a address"} {
		if err := server.Set("app.chatcluster:connection:x", text); err != nil {
			t.Fatal(err)
		}
		if entry, err := directory.Find(t.Context(), "x"); err == nil {
			t.Errorf("%q is read as %+v", text, entry)
		}
	}
}

func TestABatchHasAResultForEachEntry(t *testing.T) {
	directory, server := openRedisDirectory(t)
	if err := server.Set("app.chatcluster:connection:strange", "x"); err != nil {
		t.Fatal(err)
	}
	server.HSet("app.chatcluster:connection:hash", "field", "value")
	self := Peer{"m_a", "10.0.0.1:9091"}
	var changes []Change
	var holdings []Holding
	for _, id := range []string{"strange", "hash", "good"} {
		changes = append(changes, Change{ConnectionID: id, From: claimed(self), To: claimed(self), OrAbsent: true})
		holdings = append(holdings, Holding{id, 1})
	}
	for name, results := range map[string][]Result{
		"swap": directory.Swap(t.Context(), changes...), "assert": directory.Assert(t.Context(), self, holdings...),
	} {
		for at, result := range results[:2] {
			if !errors.Is(result.Err, ErrUnreadable) {
				t.Errorf("%s %q: %+v", name, changes[at].ConnectionID, result)
			}
		}
		if last := results[2]; last != (Result{Entry: claimed(self), Written: true}) {
			t.Errorf("%s of what can be read: %+v", name, last)
		}
	}
}

// impatient gives all scripts of a pipeline an error when they have been answered, as the client of a Cluster does when there is no
// time left for one node.
type impatient struct{}

func (impatient) DialHook(next goredis.DialHook) goredis.DialHook          { return next }
func (impatient) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook { return next }

func (impatient) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, commands []goredis.Cmder) error {
		err := next(ctx, commands)
		for _, command := range commands {
			if command.Name() == "eval" { // not those with which a connection begins
				command.SetErr(context.DeadlineExceeded)
			}
		}
		return err
	}
}

func TestAnAnswerCountsAlthoughOthersCameTooLate(t *testing.T) {
	server := miniredis.RunT(t)
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr()})
	defer func() { _ = client.Close() }()
	client.AddHook(impatient{})
	self := Peer{"m_a", "10.0.0.1:9091"}
	entry, err := swap(t.Context(), NewRedisDirectory(client, "app."), Change{ConnectionID: "x", To: claimed(self)})
	if err != nil || entry != claimed(self) {
		t.Errorf("%+v, %v", entry, err)
	}
}
