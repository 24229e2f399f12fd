//go:build linux

package trial

import (
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chatcluster/chatcluster/hack/bench/hubtest"
	"github.com/chatcluster/chatcluster/hack/bench/load"
	"github.com/chatcluster/chatcluster/hack/bench/process"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReportIsTheDifferenceOfTwoLooks(t *testing.T) {
	t.Parallel()
	began := time.Now()
	before := usage{
		at:      began,
		servers: process.Usage{CPU: 10 * time.Second, Resident: 1 << 20}, redis: process.Usage{CPU: 5 * time.Second},
		own: time.Second, machine: 100 * time.Second,
	}
	after := usage{
		at:      began.Add(8 * time.Second),
		servers: process.Usage{CPU: 12 * time.Second, Resident: 3 << 20}, redis: process.Usage{CPU: 6 * time.Second},
		own: 3 * time.Second, machine: 109 * time.Second,
	}
	// The last delivery came long before the second look.
	report := newReport(load.Result{Delivered: 100, Elapsed: time.Second}, before, after)
	if report.ServerCPU != 2*time.Second || report.RedisCPU != time.Second || report.GeneratorCPU != 2*time.Second ||
		report.OtherCPU != 4*time.Second || report.Resident != 3<<20 {
		t.Errorf("%+v", report)
	}
	if got := report.DeliveriesPerServerCPU(); got != 50 {
		t.Errorf("%v deliveries per CPU second, want 50", got)
	}
	if got := report.Share(report.ServerCPU); got != 25 {
		t.Errorf("the servers used %v%% of a core, want 25%%", got)
	}
	if got := newReport(load.Result{Delivered: 100}, before, before); got.Share(time.Second) != 0 {
		t.Errorf("%v%% of a core in no time, want 0%%", got.Share(time.Second))
	}
	if got := newReport(load.Result{Delivered: 100}, before, before).DeliveriesPerServerCPU(); got != 0 {
		t.Errorf("%v deliveries per CPU second of servers that are not watched, want 0", got)
	}
}

func TestWarmUpIsNotMeasured(t *testing.T) {
	t.Parallel()
	var broadcasts atomic.Int64
	server := httptest.NewServer(hubtest.New(hubtest.Faults{Before: func(int) { broadcasts.Add(1) }}))
	t.Cleanup(server.Close)
	swarm, err := load.Connect(t.Context(), load.Options{URLs: []string{server.URL}, Connections: 3})
	if err != nil {
		t.Fatal(err)
	}
	workload := load.Workload{Senders: 1, Rate: 200, Size: 64, Duration: 100 * time.Millisecond}
	report, err := Run(t.Context(), swarm, workload, 50*time.Millisecond, Watched{Servers: []int{os.Getpid()}})
	swarm.Close()
	if err != nil {
		t.Fatal(err)
	}
	if report.Sent != 20 || report.Lost() != 0 || report.Resident == 0 {
		t.Errorf("%+v", report)
	}
	if got, want := broadcasts.Load(), int64(1+10+20); got != want { // rendezvous, warm-up, measurement
		t.Errorf("%d broadcasts in all, want %d", got, want)
	}
}

func TestRunTellsOfAServerThatIsGone(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(hubtest.New(hubtest.Faults{}))
	t.Cleanup(server.Close)
	swarm, err := load.Connect(t.Context(), load.Options{URLs: []string{server.URL}, Connections: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(swarm.Close)
	workload := load.Workload{Senders: 1, Rate: 200, Size: 64, Duration: 10 * time.Millisecond}
	_, err = Run(t.Context(), swarm, workload, 0, Watched{Servers: []int{1 << 30}})
	if err == nil || !strings.Contains(err.Error(), "usage of process") {
		t.Errorf("got %v", err)
	}
}
