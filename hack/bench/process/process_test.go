//go:build linux

package process_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chatcluster/chatcluster/hack/bench/process"
)

// serverVariable makes this test binary a server at the address it holds; brokenVariable makes it unhealthy.
const (
	serverVariable = "BENCH_TEST_SERVER"
	brokenVariable = "BENCH_TEST_BROKEN"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(serverVariable); address != "" {
		serve(address)
	}
	goleak.VerifyTestMain(m)
}

func serve(address string) {
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if os.Getenv(brokenVariable) != "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Addr: address, ReadHeaderTimeout: time.Second}
	_, _ = os.Stderr.WriteString(server.ListenAndServe().Error())
	os.Exit(1)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := process.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + port
}

func start(t *testing.T, spec process.Spec) *process.Process {
	t.Helper()
	p, err := process.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

func TestServerIsAwaitedMeasuredAndStopped(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	p := start(t, process.Spec{Command: []string{os.Args[0]}, Environment: []string{serverVariable + "=" + address}})
	took, err := p.AwaitHealthy(t.Context(), "http://"+address+"/health")
	if err != nil || took <= 0 {
		t.Fatalf("healthy after %v: %v", took, err)
	}
	usage, err := process.ReadAll([]int{p.PID(), os.Getpid()})
	if err != nil || usage.Resident < 2<<20 {
		t.Errorf("usage %+v: %v", usage, err)
	}
	if err := p.Failure(); err != nil {
		t.Errorf("a running server failed: %v", err)
	}
	p.Stop()
	if _, err := process.Read(p.PID()); err == nil {
		t.Error("a stopped server still has usage")
	}
}

func TestServerThatEndsIsReportedWithItsOutput(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var log bytes.Buffer
	p := start(t, process.Spec{Command: []string{os.Args[0]}, Environment: []string{serverVariable + "=" + taken.Addr().String()}, Log: &log})
	_, err = p.AwaitHealthy(t.Context(), "http://127.0.0.1:1/health")
	if !strings.Contains(log.String(), "address already in use") {
		t.Errorf("the log is %q", &log)
	}
	if !errors.Is(err, process.ErrExited) || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
	if !errors.Is(p.Failure(), process.ErrExited) {
		t.Errorf("failure is %v", p.Failure())
	}
}

func TestServerThatStaysUnhealthyIsGivenUp(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	p := start(t, process.Spec{
		Command:     []string{os.Args[0]},
		Environment: []string{serverVariable + "=" + address, brokenVariable + "=1"},
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := p.AwaitHealthy(ctx, "http://"+address+"/health"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestStartTellsOfAProgramThatIsNotThere(t *testing.T) {
	t.Parallel()
	if _, err := process.Start(process.Spec{Command: []string{"/no/such/program"}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestLauncherIsWaitedForUntilItIsTheServer(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	begun := time.Now()
	const launching = 500 * time.Millisecond
	p := start(t, process.Spec{
		Command:     []string{"/bin/sh", "-c", `sleep 0.5; exec "$0"`, os.Args[0]},
		Environment: []string{serverVariable + "=" + address},
		Launcher:    true,
	})
	took, err := p.AwaitHealthy(t.Context(), "http://"+address+"/health")
	if whole := time.Since(begun); err != nil || took > whole-launching {
		t.Errorf("start-up of %v in all took %v with its launcher of %v: %v", whole, took, launching, err)
	}
}

func TestStopEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	// The child takes no notice of SIGTERM, and outlives its parent.
	p := start(t, process.Spec{Command: []string{"/bin/sh", "-c", `(trap "" TERM; echo $$; exec sleep 1000) & exec sleep 1000`}})
	group := p.PID()
	if err := syscall.Kill(-group, 0); err != nil {
		t.Fatalf("no such group: %v", err)
	}
	p.Stop()
	deadline := time.Now().Add(10 * time.Second)
	for living(group) {
		if time.Now().After(deadline) {
			t.Fatal("a process of the group is left")
		}
	}
}

// living tells whether a process of the group runs; one that is dead and not yet fetched by its parent does not.
func living(group int) bool {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return true
	}
	for _, entry := range entries {
		text, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue
		}
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(fields) > 2 && string(fields[2]) == strconv.Itoa(group) && string(fields[0]) != "Z" {
			return true
		}
	}
	return false
}

func TestProcessorTimeOfThisProcessGrows(t *testing.T) {
	t.Parallel()
	// The two clocks tick differently: what one shows, the other may show a tick later.
	const tick = 20 * time.Millisecond
	deadline := time.Now().Add(30 * time.Second)
	for { // burns until it shows
		usage, err := process.Read(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if own := process.OwnCPU(); usage.CPU > own+tick {
			t.Fatalf("%s is more than the %s that the process knows of", usage.CPU, own)
		}
		if usage.CPU >= 2*tick {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still %s", usage.CPU)
		}
	}
}

func TestSettledWaitsWithinItsLimit(t *testing.T) {
	t.Parallel()
	pids := []int{os.Getpid()}
	quick := process.Settling{Every: time.Millisecond, Looks: 1 << 30, Limit: 20 * time.Millisecond}
	if resident, err := process.Settled(t.Context(), pids, quick); err != nil || resident == 0 {
		t.Errorf("%d bytes: %v", resident, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	slow := process.Settling{Every: time.Hour, Looks: 2, Limit: time.Hour}
	if _, err := process.Settled(ctx, pids, slow); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := process.Settled(t.Context(), []int{1 << 30}, quick); err == nil {
		t.Error("a process that is not there has settled")
	}
}

func TestAPausedProcessAnswersWhenItIsResumed(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	p := start(t, process.Spec{Command: []string{os.Args[0]}, Environment: []string{serverVariable + "=" + address}})
	url := "http://" + address + "/health"
	if _, err := p.AwaitHealthy(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	// The signal takes its time to reach all threads.
	for answers := true; answers; {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := p.AwaitHealthy(ctx, url)
		answers = err == nil
		cancel()
	}
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.AwaitHealthy(t.Context(), url); err != nil {
		t.Errorf("a resumed server: %v", err)
	}
}

func TestKillAndTerminateEndAProcess(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*process.Process){"kill": (*process.Process).Kill, "terminate": (*process.Process).Terminate} {
		p := start(t, process.Spec{Command: []string{"/bin/sh", "-c", "exec sleep 60"}})
		end(p)
		<-p.Exited()
		if p.Failure() == nil {
			t.Errorf("%s: no failure is reported", name)
		}
	}
}
