package wire_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/controllers/redisform"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

const primaryName = "main"

// newSentinelForm is to have three servers and three Sentinels.
func newSentinelForm(t testing.TB, persistent bool) *form {
	return newForm(t, redisform.Wanted{Form: redisform.Sentinel, Name: primaryName, Quorum: 2, Persistent: persistent})
}

// start starts all processes, which know nothing of each other, as pods do, and waits until they are one.
func (f *form) start() {
	f.t.Helper()
	for range 3 {
		f.addServer()
		f.addSentinel()
	}
	f.settle("form")
}

// options are the lines of a configuration as a command line has them.
func options(lines []string) []string {
	var words []string
	for _, line := range lines {
		name, value, _ := strings.Cut(line, " ")
		words = append(words, "--"+name)
		if name == "replicaof" {
			words = append(words, value)
			continue
		}
		words = append(words, strings.Fields(value)...)
	}
	return words
}

func (f *form) addServer() *redisform.Member {
	f.t.Helper()
	lines := options(redisform.ServerDirectives(f.wanted.Form, 2, f.wanted.Timing))
	if f.wanted.Persistent {
		lines = append(lines, "--appendonly", "yes")
	}
	process := redistest.Start(f.t, append(lines, f.serverOptions...)...)
	return f.add(redisform.ServerKind, process, process.Address, process.Port)
}

func (f *form) addSentinel() {
	f.t.Helper()
	lines := redisform.SentinelDirectives("127.0.0.1", 0)
	lines = slices.DeleteFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, "sentinel announce-") || strings.HasPrefix(line, "sentinel myid")
	})
	process := redistest.StartSentinel(f.t, f.login(), append(lines, f.sentinelLines...)...)
	f.add(redisform.SentinelKind, process, process.Address, process.Port)
}

// TestSentinelKeepsAcknowledgedWrites has a client that never stops writing, and counts as written what a replica has
// too, while nearly everything happens that happens to servers.
func TestSentinelKeepsAcknowledgedWrites(t *testing.T) {
	t.Parallel()
	f := newSentinelForm(t, true)
	f.start()
	first := f.out.Status.Primary
	w := startWriter(t, f)

	f.processes[first].Kill()
	f.await("another server is the primary", func() bool { return f.out.Status.Serving && f.out.Status.Primary != first })
	f.restart(first)
	f.settle("the primary was killed, and is back as a replica")

	w.awaitMore(f, 20)
	for i := range f.members {
		f.members[i].Outdated = true
	}
	f.settle("all pods are replaced")

	w.awaitMore(f, 20)
	f.addServer()
	f.settle("one replica more")
	f.member(f.members[len(f.members)-1].Name).Wanted = false
	f.settle("one replica less")

	w.awaitMore(f, 20)
	for _, name := range f.all(redisform.ServerKind) {
		f.processes[name].Kill()
	}
	for _, name := range f.all(redisform.SentinelKind) {
		f.processes[name].Kill()
	}
	for _, member := range f.members {
		f.restart(member.Name)
	}
	f.settle("all were killed at once")
	w.awaitMore(f, 20)
	w.check(f)
	f.checkOnePrimary()
}

// TestSentinelEmptyPrimary: the primary starts again without its data, so quickly that nobody has missed it.
func TestSentinelEmptyPrimary(t *testing.T) {
	t.Parallel()
	f := newSentinelForm(t, false)
	f.start()
	first := f.out.Status.Primary
	client := f.processes[first].Client(t, redis.Options{})
	must(t, client.Set(t.Context(), "precious", "data", 0).Err())
	must(t, client.Wait(t.Context(), 2, patience).Err())
	f.processes[first].Kill()
	f.restart(first)
	f.settle("the primary starts again without its data")
	if f.out.Status.Primary == first {
		t.Errorf("%s is the primary again", first)
	}
	for name := range f.processes {
		if f.processes[name] != nil && strings.HasPrefix(name, string(redisform.ServerKind)) {
			value, err := f.processes[name].Client(t, redis.Options{}).Get(t.Context(), "precious").Result()
			if err != nil || value != "data" {
				t.Errorf("%s has lost it: %q %v\n%s", name, value, err, strings.Join(f.trace, "\n"))
			}
		}
	}
	for _, name := range f.all(redisform.ServerKind) {
		f.processes[name].Kill()
	}
	for _, name := range f.all(redisform.ServerKind) {
		f.restart(name)
	}
	f.settle("all start again without data")
	f.checkOnePrimary()
}

func (f *form) checkOnePrimary() {
	f.t.Helper()
	primaries := 0
	for _, server := range f.facts.Servers {
		if server.Primary {
			primaries++
		}
	}
	if primaries != 1 {
		f.t.Errorf("there are %d primaries", primaries)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// writer writes one key after the other, as a client that asks the Sentinels where.
type writer struct {
	client *redis.Client
	// mutex guards acknowledged, the keys that a replica had too.
	mutex        sync.Mutex
	acknowledged []string
}

func startWriter(t testing.TB, f *form) *writer {
	var sentinels []string
	for _, name := range f.all(redisform.SentinelKind) {
		sentinels = append(sentinels, f.member(name).Address)
	}
	w := &writer{client: redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: primaryName, SentinelAddrs: sentinels, MaxRetries: -1, DialerRetries: 1, Protocol: 2,
	})}
	ctx, cancel := context.WithCancel(context.Background())
	var writing sync.WaitGroup
	writing.Go(func() { w.run(ctx) })
	t.Cleanup(func() {
		cancel()
		writing.Wait()
		_ = w.client.Close()
	})
	return w
}

func (w *writer) run(ctx context.Context) {
	ticker := time.NewTicker(2 * time.Millisecond) // the machine has other things to do, too
	defer ticker.Stop()
	for turn := 0; ctx.Err() == nil; turn++ {
		<-ticker.C
		key := fmt.Sprintf("write-%d", turn)
		if w.write(ctx, key) == nil {
			w.mutex.Lock()
			w.acknowledged = append(w.acknowledged, key)
			w.mutex.Unlock()
		}
	}
}

var errNoReplica = errors.New("no replica has it")

// write uses one connection: WAIT is about what that has written.
func (w *writer) write(ctx context.Context, key string) error {
	conn := w.client.Conn()
	defer func() { _ = conn.Close() }()
	if err := conn.Set(ctx, key, "", 0).Err(); err != nil {
		return err
	}
	replicas, err := conn.Wait(ctx, 1, interval).Result()
	if err == nil && replicas < 1 {
		err = errNoReplica
	}
	return err
}

func (w *writer) count() int {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return len(w.acknowledged)
}

// awaitMore waits until so many more writes were acknowledged.
func (w *writer) awaitMore(f *form, more int) {
	f.t.Helper()
	target := w.count() + more
	f.await("writes go on", func() bool { return w.count() >= target })
}

// check looks for all that was acknowledged at the primary.
func (w *writer) check(f *form) {
	f.t.Helper()
	w.mutex.Lock()
	acknowledged := slices.Clone(w.acknowledged)
	w.mutex.Unlock()
	client := f.processes[f.out.Status.Primary].Client(f.t, redis.Options{})
	found, err := client.Exists(f.t.Context(), acknowledged...).Result()
	must(f.t, err)
	if int(found) != len(acknowledged) {
		f.t.Errorf("%d of %d acknowledged writes are lost\n%s", len(acknowledged)-int(found), len(acknowledged), strings.Join(f.trace, "\n"))
	}
	f.t.Logf("%d acknowledged writes", len(acknowledged))
}
