//go:build linux

package compare_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chatcluster/chatcluster/hack/bench/compare"
	"github.com/chatcluster/chatcluster/hack/bench/hubtest"
	"github.com/chatcluster/chatcluster/hack/bench/process"
)

// serverVariable makes this test binary a hub server at the address it holds.
const serverVariable = "BENCH_TEST_HUB"

func TestMain(m *testing.M) {
	if address := os.Getenv(serverVariable); address != "" {
		serve(address)
	}
	goleak.VerifyTestMain(m)
}

// serve runs a hub that, as lossy, loses a delivery of each 400 broadcasts to one of the clients of the flood, which are the
// third 20: whoever counts a loss has waited for it long.
func serve(address string) {
	hub := hubtest.New(hubtest.Faults{})
	if strings.HasSuffix(os.Args[len(os.Args)-1], "lossy") {
		hub = hubtest.New(hubtest.Faults{Copies: func(connection, broadcast int) int {
			if connection == 41 && broadcast%400 == 399 {
				return 0
			}
			return 1
		}})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(http.ResponseWriter, *http.Request) {})
	mux.Handle("/hub", hub)
	server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: time.Second}
	_, _ = os.Stderr.WriteString(server.ListenAndServe().Error())
	os.Exit(1)
}

func contender(name string) compare.Contender {
	return compare.Contender{
		Name: name, Command: []string{os.Args[0], name}, HealthPath: "/health", HubPath: "/hub",
		Environment: []string{serverVariable + "=127.0.0.1:{port}"},
	}
}

func options(t *testing.T, contenders ...compare.Contender) compare.Options {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed")
	}
	return compare.Options{
		Contenders: contenders, Root: t.TempDir(), RedisServer: "redis-server",
		Servers: 1, Rounds: 2, Connections: 20, Size: 64, IdleConnections: 60,
		Duration: 200 * time.Millisecond, Warmup: 50 * time.Millisecond,
		Settling: process.Settling{Every: 10 * time.Millisecond, Looks: 2, Limit: 100 * time.Millisecond},
	}
}

func TestCompareMeasuresEveryRowOfEveryContender(t *testing.T) {
	t.Parallel()
	absent := compare.Contender{Name: "absent", Command: []string{"/no/such/server"}, HealthPath: "/", HubPath: "/"}
	var progress strings.Builder
	o := options(t, contender("good"), absent, contender("lossy"))
	o.Progress = &progress
	outcome, err := compare.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	outcome.Finish()
	if len(outcome.Failures) > 0 {
		t.Fatalf("failures: %v\n%s", outcome.Failures, &progress)
	}
	if len(outcome.Absent) != 1 || !strings.Contains(outcome.Absent[0], "absent, there is no program /no/such/server") {
		t.Errorf("absent: %q", outcome.Absent)
	}
	for _, row := range outcome.Rows {
		for _, column := range outcome.Contenders {
			if _, ok := row.Values[column.Name]; !ok {
				t.Errorf("%s, %s: %s has no value", row.Section, row.Name, column.Name)
			}
		}
	}
	checkLosses(t, outcome)
	checkPrinted(t, outcome)
}

// checkLosses expects those of the lossy contender in the flood: 400 broadcasts, and 2 rounds.
func checkLosses(t *testing.T, outcome *compare.Outcome) {
	t.Helper()
	for _, row := range outcome.Rows {
		if row.Section != "flood" || row.Name != "lost" {
			continue
		}
		if row.Values["good"] != 0 || row.Values["lossy"] == 0 {
			t.Errorf("lost in the flood: %v", row.Values)
		}
		return
	}
	t.Error("no row tells the losses in the flood")
}

func checkPrinted(t *testing.T, outcome *compare.Outcome) {
	t.Helper()
	var text strings.Builder
	if err := outcome.Print(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| measure ", " good | ", " lossy | ", " good / lossy | ", "**flood: 2000 broadcasts/s to 20 clients, 64 bytes**", outcome.Absent[0]} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &text)
		}
	}
	if _, err := json.Marshal(outcome); err != nil {
		t.Error(err)
	}
}

func TestServerThatDiesIsAFailureNotTheEnd(t *testing.T) {
	t.Parallel()
	dying := contender("dying")
	// Healthy at first, gone a moment later.
	dying.Command = []string{"/bin/sh", "-c", `"$0" dying & sleep 0.4; kill -9 $!; echo the end is near; exit 3`, os.Args[0]}
	o := options(t, dying)
	o.Rounds, o.Duration, o.Warmup = 1, 2*time.Second, 0
	outcome, err := compare.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(outcome.Failures) == 0 || !strings.Contains(strings.Join(outcome.Failures, "\n"), "the end is near") {
		t.Errorf("failures: %q", outcome.Failures)
	}
}

func TestCompareEndsWhenInterrupted(t *testing.T) {
	t.Parallel()
	o := options(t, contender("good"))
	o.Duration = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	time.AfterFunc(time.Second, cancel)
	if _, err := compare.Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCompareNeedsAContenderAndRedis(t *testing.T) {
	t.Parallel()
	broken := contender("broken")
	broken.Build = []string{"/bin/sh", "-c", "echo no such package; exit 2"}
	if _, err := compare.Run(t.Context(), options(t, broken)); err == nil || !strings.Contains(err.Error(), "no such package") {
		t.Errorf("nothing to measure: got %v", err)
	}
	o := options(t, contender("good"))
	o.RedisServer = "/no/such/redis"
	if _, err := compare.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "redis: cannot run /no/such/redis") {
		t.Errorf("no Redis: got %v", err)
	}
	o.Rounds = 0
	if _, err := compare.Run(t.Context(), o); err == nil {
		t.Error("no rounds accepted")
	}
}
