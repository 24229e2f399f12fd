package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// outcome is what becomes of hub calls that need Redis, while something is wrong with it.
type outcome int

const (
	// callsFail: with an error that says so, and none is acknowledged.
	callsFail outcome = iota
	// callsAreRefused: the same, by Redis's own word, so with streams too.
	callsAreRefused
	// callsTakeLonger: they succeed.
	callsTakeLonger
	// callsGoOn: as if nothing were wrong.
	callsGoOn
)

// noticed is how a server finds out.
type noticed int

const (
	byTheEndOfConnections noticed = iota
	bySilence
	byAnswers
	notAtAll
)

// failure is a row of the table in the README.md of the backplane.
type failure struct {
	// what is wrong with Redis, and the command or the event that makes it so.
	what, example string
	begin, end    func(*site)
	// calls with pubsub and with streams.
	pubsub, streams outcome
	noticed         noticed
	// shown in /readyz?verbose while it lasts.
	shown string
	// failsOver: there are Sentinels, and it ends by itself.
	failsOver bool
	// absent: it begins before the servers do.
	absent bool
}

const (
	shownLost    = "connection lost, reconnecting"
	shownAbsent  = "not connected yet"
	shownRefused = "connected, but it refused the latest message"
	shownWell    = "connected"
)

func failures() []failure {
	return []failure{
		{
			what: "stopped", example: "`SHUTDOWN`, SIGTERM", shown: shownLost,
			begin: func(s *site) { s.redis.Stop() }, end: func(s *site) { s.redis.Start(s.t) },
		},
		{
			what: "killed", example: "SIGKILL, a crash", shown: shownLost,
			begin: func(s *site) { s.redis.Kill() }, end: func(s *site) { s.redis.Start(s.t) },
		},
		{
			what: "paused", example: "SIGSTOP, a node that is gone without a word", noticed: bySilence, shown: shownLost,
			begin: func(s *site) { s.redis.Pause(s.t) }, end: func(s *site) { s.redis.Resume(s.t) },
		},
		{
			what: "slow", example: "each way takes 200 ms", pubsub: callsTakeLonger, streams: callsTakeLonger, noticed: notAtAll, shown: shownWell,
			begin: func(s *site) { s.proxy.Delay(200 * time.Millisecond) }, end: func(s *site) { s.proxy.Delay(0) },
		},
		{
			what: "out of memory", example: "`maxmemory` reached with `noeviction`", pubsub: callsGoOn, streams: callsAreRefused, noticed: byAnswers,
			shown: shownRefused,
			begin: func(s *site) { s.command("CONFIG", "SET", "maxmemory", "1") },
			end:   func(s *site) { s.command("CONFIG", "SET", "maxmemory", "0") },
		},
		{
			what: "without permission", example: "the ACL user may not publish", pubsub: callsAreRefused, streams: callsAreRefused, noticed: byAnswers,
			shown: shownRefused,
			begin: func(s *site) { s.command("ACL", "SETUSER", "default", "-publish", "-xadd") },
			end:   func(s *site) { s.command("ACL", "SETUSER", "default", "+publish", "+xadd") },
		},
		{
			what: "failed over", example: "Sentinels make the replica the primary", failsOver: true, shown: shownLost,
			begin: func(s *site) { s.sentinels.Master(s.t).Kill() }, end: func(*site) {},
		},
		{
			what: "cut off one way", example: "what servers send is lost", noticed: bySilence, shown: shownLost,
			begin: func(s *site) { s.proxy.Hold(redistest.ToServer) }, end: func(s *site) { s.proxy.Release(redistest.ToServer) },
		},
		{
			what: "cut off the other way", example: "what Redis sends is lost", noticed: bySilence, shown: shownLost,
			begin: func(s *site) { s.proxy.Hold(redistest.ToClient) }, end: func(s *site) { s.proxy.Release(redistest.ToClient) },
		},
		{
			what: "absent at the start", example: "the servers come first", absent: true, shown: shownAbsent,
			begin: func(s *site) { s.redis.Kill() }, end: func(s *site) { s.redis.Start(s.t) },
		},
	}
}

// The settings of the tests, and what they stand for in the table: the bounds are the same multiples of them.
const (
	testCallTimeout = time.Second
	testKeepAlive   = time.Second
	testWait        = 2 * time.Second
	// slack is what a busy machine may add.
	slack = 15 * time.Second
)

// site is two hub servers on one Redis, behind a proxy, with a client each.
type site struct {
	t             *testing.T
	redis         *redistest.Server
	sentinels     *redistest.Sentinels
	proxy         *redistest.Proxy
	first, second *running
	here, there   *peer
	calls         int
	mode          redis.Mode
}

func newSite(t *testing.T, mode redis.Mode, row failure) *site {
	t.Helper()
	s := &site{t: t, mode: mode}
	connection := ""
	if row.failsOver {
		s.sentinels = redistest.StartSentinels(t)
		connection = s.sentinels.Endpoints() + ",serviceName=" + redistest.ServiceName
	} else {
		s.redis = redistest.Start(t)
		s.proxy = redistest.StartProxy(t, s.redis.Address)
		connection = s.proxy.Address
	}
	if row.absent {
		row.begin(s)
	}
	configure := func(c *config.Config) {
		c.RedisConnection = fmt.Sprintf("%s,asyncTimeout=%d,connectTimeout=2000,keepAlive=%d",
			connection, testCallTimeout.Milliseconds(), int(testKeepAlive.Seconds()))
		c.ClusterKey = strings.Repeat("k", 32)
		c.Backplane.Mode, c.Backplane.StreamWaitTimeout = string(mode), testWait
		c.KeepAliveInterval = time.Second // the clients of this test take a server for lost that says nothing
	}
	s.first, s.second = start(t, configure), start(t, configure)
	return s
}

// join connects the clients and waits until they hear each other.
func (s *site) join() {
	s.t.Helper()
	s.await("ready", func() error {
		if !s.first.ready() || !s.second.ready() {
			return errors.New(s.first.report() + s.second.report())
		}
		return nil
	})
	s.here, s.there = s.enter(s.first), s.enter(s.second)
	s.exchange()
}

// peer is a client that notes what it hears. It is never connected anew.
type peer struct {
	*client
	completions chan message

	// mutex guards what follows.
	mutex sync.Mutex
	heard map[string]bool
	lost  error
}

func (s *site) enter(server *running) *peer {
	s.t.Helper()
	p := &peer{
		client:      connect(s.t, server.address()+"/chatHub", server.address()+"/chatHub"),
		completions: make(chan message, 16), heard: make(map[string]bool),
	}
	go p.listen()
	return p
}

func (p *peer) listen() {
	defer close(p.completions)
	for {
		text, err := p.receive()
		var got message
		if err == nil {
			err = json.Unmarshal([]byte(text), &got)
		}
		if err != nil {
			p.note(func() { p.lost = err })
			return
		}
		switch got.Type {
		case 1:
			p.note(func() { p.heard[got.Arguments[0]] = true })
		case 3:
			p.completions <- got
		}
	}
}

func (p *peer) note(what func()) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	what()
}

// hears tells whether one of the texts has come.
func (p *peer) hears(texts []string) (hears bool) {
	p.note(func() {
		hears = slices.ContainsFunc(texts, func(text string) bool { return p.heard[text] })
	})
	return hears
}

// completion returns the end of the call that is under way.
func (p *peer) completion(id string) message {
	p.t.Helper()
	got, open := <-p.completions
	if !open || got.InvocationID != id {
		p.t.Fatalf("call %s: a client has lost its connection: %v", id, p.lost)
	}
	return got
}

// await asks until there is no error, for as long as a fail-over takes on a busy machine.
func (s *site) await(what string, ask func() error) {
	s.t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(90 * time.Second)
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			s.t.Fatalf("%s: %v", what, err)
		}
	}
}

func (s *site) command(arguments ...any) {
	s.t.Helper()
	if err := s.redis.Client(s.t, goredis.Options{}).Do(context.Background(), arguments...).Err(); err != nil {
		s.t.Fatal(err)
	}
}

// message is what a client gets.
type message struct {
	Type         int      `json:"type"`
	InvocationID string   `json:"invocationId"`
	Error        string   `json:"error"`
	Arguments    []string `json:"arguments"`
}

// call broadcasts a text, and returns the text of the error if the call failed, and how long it took.
func (s *site) call(from *peer) (text, problem string, took time.Duration) {
	s.t.Helper()
	s.calls++
	id := fmt.Sprint(s.calls)
	text = "call " + id
	started := time.Now()
	from.send(`{"type":1,"invocationId":"` + id + `","target":"Broadcast","arguments":["` + text + `"]}`)
	return text, from.completion(id).Error, time.Since(started)
}

// echo makes a call that needs no Redis.
func (s *site) echo(from *peer) {
	s.t.Helper()
	s.calls++
	id := fmt.Sprint(s.calls)
	from.send(`{"type":1,"invocationId":"` + id + `","target":"Echo","arguments":["x"]}`)
	if got := from.completion(id); got.Error != "" {
		s.t.Error(got.Error)
	}
}

// exchange broadcasts until each client has heard the other: what is sent before the other's server has come back is lost.
func (s *site) exchange() {
	s.t.Helper()
	for _, pair := range [][2]*peer{{s.here, s.there}, {s.there, s.here}} {
		var sent []string
		s.await("a broadcast arrives", func() error {
			if pair[1].hears(sent) {
				return nil
			}
			text, problem, _ := s.call(pair[0])
			if sent = append(sent, text); problem != "" {
				return errors.New(problem)
			}
			return errUnheard
		})
	}
}

var errUnheard = errors.New("it is accepted and not heard")

var connectedMetric = regexp.MustCompile(`(?m)^chatcluster_redis_connected (\d)$`)

// shows waits until the first server says of Redis what it should.
func (s *site) shows(text string) {
	s.t.Helper()
	mark, connected := "-", "0"
	if text == shownWell {
		mark = "+"
	}
	if text == shownWell || text == shownRefused {
		connected = "1"
	}
	want := fmt.Sprintf("[%s] redis: %s", mark, text)
	s.await("shown as "+want, func() error {
		if report := s.first.report(); !strings.Contains(report, want) {
			return errors.New(report)
		}
		if match := connectedMetric.FindStringSubmatch(s.first.metrics()); match == nil || match[1] != connected {
			return fmt.Errorf("metric chatcluster_redis_connected: %v", match)
		}
		return nil
	})
}

// bound is how long a call may take.
func (s *site) bound(o outcome) time.Duration {
	if s.mode == redis.ModeStreams && o == callsFail {
		return testWait + slack
	}
	return testCallTimeout + slack
}

// expectCalls makes calls until one ends as it should; those before it may have met Redis before it failed.
func (s *site) expectCalls(o outcome) {
	s.t.Helper()
	const says = "The server cannot reach its backplane."
	s.await("calls end as they should", func() error {
		_, problem, took := s.call(s.here)
		if took > s.bound(o) {
			s.t.Errorf("a call took %s", took)
		}
		switch o {
		case callsGoOn, callsTakeLonger:
			if problem != "" {
				return errors.New(problem)
			}
		case callsFail, callsAreRefused:
			if !strings.Contains(problem, says) {
				return fmt.Errorf("a call ended with %q", problem)
			}
		}
		return nil
	})
	if o != callsFail && o != callsAreRefused {
		return
	}
	// From here on nothing is acknowledged.
	for range 2 {
		if text, problem, took := s.call(s.here); !strings.Contains(problem, says) || took > s.bound(o) {
			s.t.Errorf("%s ended after %s with %q", text, took, problem)
		}
	}
}

func TestEveryFailureOfRedis(t *testing.T) {
	t.Parallel()
	for _, mode := range []redis.Mode{redis.ModePubSub, redis.ModeStreams} {
		for _, row := range failures() {
			t.Run(string(mode)+"/"+row.what, func(t *testing.T) {
				t.Parallel()
				row.test(t, mode)
			})
		}
	}
}

func (row failure) test(t *testing.T, mode redis.Mode) {
	s := newSite(t, mode, row)
	calls := row.pubsub
	if mode == redis.ModeStreams {
		calls = row.streams
	}
	if row.absent {
		s.shows(row.shown)
		if status, _ := s.first.do(http.MethodPost, "/chatHub/negotiate?negotiateVersion=1", nil); status != http.StatusServiceUnavailable {
			t.Errorf("negotiate: %d", status)
		}
		row.end(s)
		s.join()
		s.shows(shownWell)
		return
	}
	s.join()
	s.shows(shownWell)
	row.begin(s)
	if !row.failsOver { // it may be over already
		s.expectCalls(calls)
		if calls == callsGoOn {
			s.shows(shownWell)
		} else {
			s.shows(row.shown)
		}
		if !s.first.ready() || !s.second.ready() {
			t.Error("not ready")
		}
	}
	s.echo(s.here)
	s.echo(s.there)
	row.end(s)
	s.exchange()
	s.shows(shownWell)
}

// failureTable is the table for the README.
func failureTable() string {
	var table bytes.Buffer
	fmt.Fprint(&table, "| Redis is | such as | calls with `pubsub` | calls with `streams` | noticed | `/readyz?verbose` says |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, row := range failures() {
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s | %s |\n", row.what, row.example,
			row.callsText(redis.ModePubSub), row.callsText(redis.ModeStreams), row.noticedText(), "`redis: "+row.shown+"`")
	}
	return table.String()
}

func (row failure) callsText(mode redis.Mode) string {
	calls := row.pubsub
	if mode == redis.ModeStreams {
		calls = row.streams
	}
	switch {
	case row.absent:
		return "none: new clients get 503"
	case calls == callsGoOn:
		return "go on"
	case calls == callsTakeLonger:
		return "take as much longer"
	case calls == callsAreRefused:
		return "fail at once"
	case mode == redis.ModeStreams:
		return "wait; fail after 15 s"
	case row.noticed == bySilence:
		return "fail after 5 s; at once when it is noticed"
	default:
		return "fail at once"
	}
}

func (row failure) noticedText() string {
	switch row.noticed {
	case bySilence:
		return "after 9 s"
	case byAnswers:
		return "with the first call"
	case notAtAll:
		return "-"
	default:
		return "at once"
	}
}

// The table in the README.md of the backplane is what the tests above have tried.
func TestREADMEHasTheTableOfFailures(t *testing.T) {
	const path, begin, end = "../signalr/backplane/README.md", "<!-- failures: begin -->\n", "<!-- failures: end -->"
	readme, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("there is no README: %v", err)
	}
	before, rest, found := strings.Cut(string(readme), begin)
	old, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("server/signalr/backplane/README.md has no table between %q and %q", begin, end)
	}
	table := failureTable()
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != table {
		t.Error("the table of failures in server/signalr/backplane/README.md is out of date: go test ./server/host -run README -update")
	}
}
