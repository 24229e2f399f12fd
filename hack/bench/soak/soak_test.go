package soak_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chatcluster/chatcluster/hack/bench/hubtest"
	"github.com/chatcluster/chatcluster/hack/bench/process"
	"github.com/chatcluster/chatcluster/hack/bench/soak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a hub server whose metrics are made up.
type fake struct {
	hub *hubtest.Hub
	// connected counts who is connected, opened who ever was.
	connected, opened, scrapes atomic.Int64
	// goroutinesLeft and bytesLeft stay behind for every connection.
	goroutinesLeft, bytesLeft int64
	// garbage is there for every connection at every other look.
	garbage int64
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/metrics" {
		f.connected.Add(1)
		f.opened.Add(1)
		defer f.connected.Add(-1)
		f.hub.ServeHTTP(w, r)
		return
	}
	looks := f.scrapes.Add(1)
	bytes := f.bytesLeft + looks%2*f.garbage
	_, _ = fmt.Fprintf(w, `# HELP go_goroutines Number of goroutines.
signalr_server_active_connections{signalr_transport="web_sockets"} %d
signalr_server_active_connections{signalr_transport="long_polling"} 0
go_goroutines %d
go_memstats_heap_alloc_bytes %e
go_gc_duration_seconds{quantile="0"} 1e-05
go_gc_duration_seconds_count %d
`, f.connected.Load(), 10+f.opened.Load()*f.goroutinesLeft, float64(1<<20+f.opened.Load()*bytes), looks)
}

func (f *fake) options(t *testing.T) soak.Options {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	// The memory of this process moves with all tests in it, that of one that sleeps does not.
	quiet, err := process.Start(process.Spec{Command: []string{"sleep", "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(quiet.Stop)
	return soak.Options{
		Hubs: []string{server.URL + "/chatHub"}, Metrics: []string{server.URL + "/metrics"}, PIDs: []int{quiet.PID()},
		Cohorts: 2, CohortSize: 5, Rate: 20,
		Stay: 200 * time.Millisecond, Warmup: 100 * time.Millisecond, Duration: time.Second, Rest: time.Second, Every: 100 * time.Millisecond,
	}
}

func TestSoundServerPasses(t *testing.T) {
	t.Parallel()
	f := &fake{hub: hubtest.New(hubtest.Faults{}), garbage: 1 << 20}
	o := f.options(t)
	var seen atomic.Int64
	o.Each = func(soak.Sample) { seen.Add(1) }
	report, err := soak.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Check(); err != nil {
		t.Error(err)
	}
	if total := report.Total; total.Opened < int64(o.Cohorts*o.CohortSize) || total.Delivered != total.Sent*int64(o.CohortSize) {
		t.Errorf("the clients say %+v", total)
	}
	if int(seen.Load()) != len(report.Samples) || len(report.Samples) == 0 {
		t.Errorf("%d samples were told of, %d are in the report", seen.Load(), len(report.Samples))
	}
	var printed strings.Builder
	if err := report.Print(&printed); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| before ", "| after ", " 0 lost, 0 repeated, 0 connections broken\n"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, printed.String())
		}
	}
}

func TestFaultsFail(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		server *fake
		want   string
	}{
		"goroutines": {&fake{hub: hubtest.New(hubtest.Faults{}), goroutinesLeft: 10}, "goroutines did not return: "},
		"heap":       {&fake{hub: hubtest.New(hubtest.Faults{}), bytesLeft: 1 << 20}, "the heap did not return: "},
		"lost messages": {&fake{hub: hubtest.New(hubtest.Faults{Copies: func(_, broadcast int) int {
			if broadcast%2 == 1 {
				return 0
			}
			return 1
		}})}, " deliveries were lost"},
		"repeated messages":  {&fake{hub: hubtest.New(hubtest.Faults{Copies: func(int, int) int { return 2 }})}, " repeated"},
		"broken connections": {&fake{hub: hubtest.New(hubtest.Faults{Close: func(connection, _ int) bool { return connection%5 == 4 }})}, " connections broke"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, err := soak.Run(t.Context(), test.server.options(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := report.Check(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the check says %v, want %q", err, test.want)
			}
		})
	}
}

func TestMemoryOfTheProcessesCounts(t *testing.T) {
	t.Parallel()
	report := soak.Report{
		Before: soak.State{Resident: 100 << 20}, After: soak.State{Resident: 142 << 20}, Total: soak.Tally{Delivered: 1},
	}
	if err := report.Check(); err == nil || !strings.Contains(err.Error(), "resident memory did not return: 100.0 MiB before, 142.0 MiB after") {
		t.Errorf("the check says %v", err)
	}
	report.After.Resident = 120 << 20
	if err := report.Check(); err != nil {
		t.Error(err)
	}
}

func TestSoakSaysWhatItCannotDo(t *testing.T) {
	t.Parallel()
	f := &fake{hub: hubtest.New(hubtest.Faults{})}
	for want, change := range map[string]func(*soak.Options){
		"as many metrics addresses":        func(o *soak.Options) { o.Metrics = nil },
		"2 cohorts of 1 clients":           func(o *soak.Options) { o.CohortSize = 1 },
		"rate and durations":               func(o *soak.Options) { o.Rate = 0 },
		"warm-up: ":                        func(o *soak.Options) { o.Hubs[0] = "http://127.0.0.1:1/chatHub" },
		"before the soak: read the metric": func(o *soak.Options) { o.Metrics[0] = o.Hubs[0] },
	} {
		o := f.options(t)
		change(&o)
		if _, err := soak.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q", err, want)
		}
	}
}
