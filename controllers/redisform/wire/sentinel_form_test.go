package wire_test

import (
	"slices"
	"strings"
	"testing"

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
	process := f.startServer(lines)
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
	conn := f.processes[first].Client(t, redis.Options{}).Conn()
	must(t, conn.Set(t.Context(), "precious", "data", 0).Err())
	must(t, conn.Wait(t.Context(), 2, patience).Err())
	must(t, conn.Close())
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
