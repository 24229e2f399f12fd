package handover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
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
