package handover

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"github.com/chatcluster/chatcluster/hack/bench/handover/book"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small is a trial with few clients, or a reason why there can be none.
func small(t *testing.T) Options {
	t.Helper()
	for _, program := range []string{"haproxy", "redis-server"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Servers: 3, Raw: 12, Rate: 50, Phases: []string{Quiet, Update, Kill}, Quiet: time.Second, Pause: time.Second, HAProxy: "haproxy", RedisServer: "redis-server",
		Root: root, JavaScriptFolder: filepath.Join(root, "hack", "clients", "javascript"), Log: t.Output(),
	}
	if HasJavaScript(o.JavaScriptFolder) {
		o.JavaScript = 3
	} else {
		t.Log("without JavaScript clients: node or hack/clients/javascript/node_modules is missing")
	}
	return o
}

func TestClientsNoticeNoRollingUpdateAndNoDeathOfAnotherServer(t *testing.T) {
	t.Parallel()
	o := small(t)
	outcome, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	anyTime := Bounds{Pause: time.Hour, Return: time.Hour} // the machine may be busy
	clients := 0
	for _, row := range outcome.Rows {
		if wrong := row.missed(anyTime); len(wrong) > 0 {
			t.Errorf("%s, %s: %s", row.Phase, row.Who, strings.Join(wrong, ", "))
		}
		if strings.HasPrefix(row.Phase, "kill") {
			clients += row.Clients
			if (row.Who == "its clients") != (row.Closed > 0) {
				t.Errorf("%s of a server that was killed saw %d closes", row.Who, row.Closed)
			}
		}
	}
	if clients != o.Raw+o.JavaScript || len(outcome.Rows) < 4 {
		t.Errorf("%d clients in the rows of the kill, %d rows", clients, len(outcome.Rows))
	}
}

func TestATrialEndsWhenInterrupted(t *testing.T) {
	t.Parallel()
	o := small(t)
	o.Quiet = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Log = writer(func(text string) {
		if strings.Contains(text, "quiet") {
			cancel()
		}
	})
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// writer is told what is written.
type writer func(string)

func (w writer) Write(text []byte) (int, error) {
	w(string(text))
	return len(text), nil
}

func TestOptionsThatCannotBeAreNamed(t *testing.T) {
	t.Parallel()
	good := Options{Servers: 3, Raw: 1, Rate: 1, Quiet: 1, Pause: 1, Phases: AllPhases()}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Options){
		"2 servers":          func(o *Options) { o.Servers = 2 },
		"clients and rate":   func(o *Options) { o.Raw = 0 },
		"clients and rate m": func(o *Options) { o.Rate = 0 },
		"phases are some of": func(o *Options) { o.Phases = []string{Quiet, "lunch"} },
		"phases are some":    func(o *Options) { o.Phases = nil },
		"durations":          func(o *Options) { o.Pause = 0 },
	} {
		o := good
		change(&o)
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

// A client suffers from a server that has its connection, and from one that its socket only goes through.
func TestAnEventAtAServerIsAboutThreeKindsOfClients(t *testing.T) {
	t.Parallel()
	clients := []struct{ owner, front string }{{"hub-1", "place0"}, {"hub-1", "place1"}, {"hub-2", "place0"}, {"hub-2", "place1"}, {"hub-2", "place1"}}
	c := &crowd{books: book.New(len(clients)), owners: make([]atomic.Value, len(clients)), fronts: make([]atomic.Value, len(clients))}
	for i, client := range clients {
		c.owners[i].Store(client.owner)
		c.fronts[i].Store(client.front)
	}
	outcome := &Outcome{}
	trial := &trial{crowd: c, outcome: outcome, options: Options{Log: io.Discard}}
	c.books.Begin("stop", time.Now())
	trial.concern(&server{name: "hub-1", place: &place{name: "place0"}})
	trial.count(0, phase{name: "stop", goal: kept, through: kept}, time.Second)
	var got []string
	for _, row := range outcome.Rows {
		got = append(got, fmt.Sprint(row.Who, " ", row.Clients, " ", row.goal))
	}
	want := []string{fmt.Sprint("its clients 2 ", kept), fmt.Sprint("through it 1 ", kept), fmt.Sprint("all others 2 ", unnoticed)}
	if !slices.Equal(got, want) {
		t.Errorf("rows are about %q, want %q", got, want)
	}
}

func TestACrowdWithoutItsJavaScriptProcessIsNotAllThere(t *testing.T) {
	t.Parallel()
	gone := errors.New("the process is gone")
	c := &crowd{books: book.New(1), failed: make(chan error, 1)}
	c.books.Join(0, time.Now())
	if err := c.awaitAll(t.Context()); err != nil {
		t.Fatalf("all have joined: %v", err)
	}
	c.failed <- gone
	for range 2 { // who looks later must see it, too
		if err := c.awaitAll(t.Context()); !errors.Is(err, gone) {
			t.Errorf("got %v, want that %v", err, gone)
		}
	}
}

func TestAPhaseFailsIfTheJavaScriptProcessEndsInItsLastMoments(t *testing.T) {
	t.Parallel()
	gone := errors.New("the process is gone")
	c := &crowd{books: book.New(1), failed: make(chan error, 1)}
	c.books.Join(0, time.Now())
	var once sync.Once
	c.speakers = []speaker{speakerFunc(func() error {
		once.Do(func() { c.failed <- gone })
		return gone
	})}
	short := &trial{crowd: c, outcome: &Outcome{}, options: Options{Rate: 50, Log: io.Discard}}
	nothing := phase{name: "nothing", disturb: func(context.Context, *trial) error { return nil }}
	if err := short.run(t.Context(), 0, nothing); !errors.Is(err, gone) {
		t.Errorf("got %v, want that %v", err, gone)
	}
}

// speakerFunc is a speaker that answers to whatever it is to say.
type speakerFunc func() error

func (f speakerFunc) Say(int64, string) error { return f() }

func TestWhatJavaScriptClientsSayIsReadToItsEndOrReported(t *testing.T) {
	t.Parallel()
	c := &crowd{books: book.New(1), log: io.Discard}
	process := &javaScript{crowd: c}
	long := `{"event":"fault","error":"` + strings.Repeat("x", 100_000) + "\"}\n"
	if err := process.follow(strings.NewReader(long + `{"event":"joined","client":"js-0"}` + "\n")); err != nil || c.books.Away() != 0 {
		t.Errorf("a long line, and one behind it: %v, %d clients away", err, c.books.Away())
	}
	broken := errors.New("the pipe broke")
	if err := process.follow(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("got %v, want that %v", err, broken)
	}
	if err := process.follow(strings.NewReader(strings.Repeat("x", 2*longestLine))); !errors.Is(err, bufio.ErrTooLong) {
		t.Errorf("a line without end: %v", err)
	}
}

func TestNoPortIsGivenTwice(t *testing.T) {
	t.Parallel()
	const many = 1000 // of 10,000: by chance alone some would come again
	free, given := ports{}, map[string]bool{}
	for range many {
		port, err := free.next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		given[port] = true
	}
	if len(given) != many {
		t.Errorf("%d ports were given in %d turns", len(given), many)
	}
}
