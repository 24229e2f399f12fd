package wire_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/controllers/redisform"
	"github.com/chatcluster/chatcluster/controllers/redisform/wire"
	"github.com/chatcluster/chatcluster/server/certificatetest"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

const (
	// patience is how long to wait for what must come. Only a failing test waits that long.
	patience = 90 * time.Second
	// interval is how often the operator of a test looks.
	interval = 50 * time.Millisecond
)

// form is real processes, and the operator that makes them one. Its methods are called by one at a time.
type form struct {
	t         testing.TB
	hands     *wire.Hands
	wanted    redisform.Wanted
	memory    redisform.Memory
	members   []redisform.Member
	processes map[string]*redistest.Server
	// serverOptions and sentinelLines are added to what each of them is started with.
	serverOptions, sentinelLines []string
	// authority is who vouches for all of them; nil without TLS.
	authority *certificatetest.Authority
	facts     redisform.Facts
	out       redisform.Outcome
	// trace is what was done and seen, for when a test fails.
	trace []string
	said  string
}

func newForm(t testing.TB, wanted redisform.Wanted) *form {
	wanted.Timing = redisform.Timing{DownAfter: time.Second, FailoverTimeout: 2 * time.Second, Patience: 10 * time.Second}
	return &form{t: t, hands: &wire.Hands{Told: &wire.Told{}}, wanted: wanted, processes: make(map[string]*redistest.Server)}
}

// add makes a process a member.
func (f *form) add(kind redisform.Kind, process *redistest.Server, address string, port int) *redisform.Member {
	ordinal := 0
	for _, member := range f.members {
		if member.Kind == kind {
			ordinal++
		}
	}
	member := redisform.Member{
		Name: fmt.Sprintf("%s-%d", kind, ordinal), Kind: kind, Ordinal: ordinal, Host: "127.0.0.1", Port: port,
		Address: address, IP: "127.0.0.1", Wanted: true,
	}
	f.members = append(f.members, member)
	f.processes[member.Name] = process
	return &f.members[len(f.members)-1]
}

// startServer starts a server with these options and those of the form.
func (f *form) startServer(options []string) *redistest.Server {
	f.t.Helper()
	options = append(options, f.serverOptions...)
	if f.authority != nil {
		return redistest.StartTLS(f.t, f.authority, options...)
	}
	return redistest.Start(f.t, options...)
}

func (f *form) member(name string) *redisform.Member {
	return &f.members[slices.IndexFunc(f.members, func(m redisform.Member) bool { return m.Name == name })]
}

// pass is one reconcile.
func (f *form) pass() {
	f.t.Helper()
	ctx := f.t.Context()
	f.facts = f.hands.Observe(ctx, f.wanted, f.members)
	f.out = redisform.Plan(time.Now(), f.facts, f.wanted, f.memory)
	f.memory = f.out.Memory
	f.note("%s %s %s", f.out.Status.Reason, f.out.Status.Primary, f.out.Status.Message)
	for _, step := range f.out.Steps {
		f.note("  %s", step)
	}
	if err := f.hands.CarryAll(ctx, f.facts, f.wanted, f.out.Steps); err != nil {
		f.note("  failed: %s", err)
	}
	for _, name := range f.out.Replace {
		f.note("  replace %s", name)
		f.processes[name].Stop()
		f.restart(name)
		f.member(name).Outdated = false
	}
	f.shrink()
}

// restart starts a process again.
func (f *form) restart(name string) {
	f.t.Helper()
	f.processes[name].Start(f.t)
	if f.member(name).Kind == redisform.SentinelKind {
		f.processes[name].Quicken(f.t, f.login())
	}
}

// shrink ends the pods that are not allowed any more.
func (f *form) shrink() {
	f.members = slices.DeleteFunc(f.members, func(member redisform.Member) bool {
		allowed := f.out.Servers
		if member.Kind == redisform.SentinelKind {
			allowed = f.out.Sentinels
		}
		if member.Ordinal < allowed {
			return false
		}
		f.note("  remove %s", member.Name)
		f.processes[member.Name].Stop()
		return true
	})
}

func (f *form) note(format string, arguments ...any) {
	if line := fmt.Sprintf(format, arguments...); line != f.said {
		f.said = line
		f.trace = append(f.trace, time.Now().Format("05.000 ")+line)
	}
}

// await lets the operator work until the condition holds.
func (f *form) await(what string, condition func() bool) {
	f.t.Helper()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		f.pass()
		if condition() {
			return
		}
		<-ticker.C
	}
	f.t.Fatalf("did not happen within %s: %s\n%s\n%+v", patience, what, strings.Join(f.trace, "\n"), f.facts)
}

// settle waits until all is as wanted.
func (f *form) settle(what string) {
	f.t.Helper()
	f.note("-- %s", what)
	f.await(what, func() bool {
		return f.out.Status.Reason == redisform.Healthy && len(f.out.Steps) == 0 && len(f.out.Replace) == 0 && !f.out.Status.Changing
	})
}

// login is who tests log in as.
func (f *form) login() redis.Options {
	options := redis.Options{TLSConfig: f.hands.TLS, Username: f.hands.Operator.User}
	if len(f.hands.Operator.Passwords) > 0 {
		options.Password = f.hands.Operator.Passwords[0]
	}
	return options
}

// all are the names of the members of a kind.
func (f *form) all(kind redisform.Kind) []string {
	var names []string
	for _, member := range f.members {
		if member.Kind == kind {
			names = append(names, member.Name)
		}
	}
	return names
}
