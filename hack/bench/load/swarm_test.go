package load_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chatcluster/chatcluster/hack/bench/hubtest"
	"github.com/chatcluster/chatcluster/hack/bench/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const connections = 6

// paced is a short run of 40 broadcasts.
func paced() load.Workload {
	return load.Workload{Senders: 2, Rate: 400, Size: 64, Duration: 100 * time.Millisecond}
}

// lossy is the same for a hub from which not everything comes: a run ends when nothing came for so long.
func lossy() load.Workload {
	workload := paced()
	workload.Quiet = 2 * time.Second
	return workload
}

// closedLoop is long enough for each of its senders to come to its first call.
func closedLoop() load.Workload {
	workload := paced()
	workload.Senders, workload.Rate, workload.Duration = 3, 0, time.Second
	return workload
}

func serve(t *testing.T, faults hubtest.Faults) string {
	t.Helper()
	server := httptest.NewServer(hubtest.New(faults))
	t.Cleanup(server.Close)
	return server.URL + "/chatHub"
}

func connect(t *testing.T, options load.Options) *load.Swarm {
	t.Helper()
	if options.Connections == 0 {
		options.Connections = connections
	}
	swarm, err := load.Connect(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(swarm.Close)
	return swarm
}

func run(t *testing.T, swarm *load.Swarm, workload load.Workload) load.Result {
	t.Helper()
	result, err := swarm.Run(t.Context(), workload)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestEveryDeliveryIsCounted(t *testing.T) {
	t.Parallel()
	for name, portable := range map[string]bool{"epoll": false, "portable": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			swarm := connect(t, load.Options{URLs: []string{serve(t, hubtest.Faults{})}, Portable: portable})
			if err := swarm.Rendezvous(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
			result := run(t, swarm, paced())
			if result.Planned != 40 || result.Sent != 40 || result.Delivered != 40*connections || result.Lost() != 0 {
				t.Errorf("paced: %+v", result)
			}
			result = run(t, swarm, closedLoop())
			if result.Calls != result.Sent || result.Sent < 3 || result.Delivered != result.Sent*connections || result.Lost() != 0 {
				t.Errorf("closed loop: %+v", result)
			}
			if result.Duplicated != 0 || result.Strays != 0 || result.Disconnected != 0 || result.Failures != 0 {
				t.Errorf("faults of a good hub: %+v", result)
			}
			if result.DeliveriesPerSecond() <= 0 || result.CallsPerSecond() <= 0 || result.Latency.P50 <= 0 {
				t.Errorf("no figures: %+v", result)
			}
		})
	}
}

func TestLostAndDuplicatedDeliveriesAreCounted(t *testing.T) {
	t.Parallel()
	url := serve(t, hubtest.Faults{Copies: func(connection, broadcast int) int {
		switch {
		case connection == 1 && broadcast%10 == 0: // 4 of 40
			return 0
		case connection == 2 && broadcast == 7:
			return 3
		default:
			return 1
		}
	}})
	result := run(t, connect(t, load.Options{URLs: []string{url}}), lossy())
	if result.Lost() != 4 || result.Duplicated != 2 {
		t.Errorf("lost %d, duplicated %d, want 4 and 2", result.Lost(), result.Duplicated)
	}
}

func TestMessagesOfOthersAreStrays(t *testing.T) {
	t.Parallel()
	const others = `{"type":1,"target":"ReceiveMessage","arguments":["bench","~00000001000000000000000000001","Server 1"]}` +
		"\x1e" + `{"type":1,"target":"ReceiveMessage","arguments":["ann","hello ~ world","Server 1"]}` + "\x1e" + `{"type":6}`
	result := run(t, connect(t, load.Options{URLs: []string{serve(t, hubtest.Faults{Extra: others})}}), paced())
	if want := int64(2 * 40 * connections); result.Strays != want || result.Lost() != 0 || result.Duplicated != 0 {
		t.Errorf("%d strays, want %d; lost %d, duplicated %d", result.Strays, want, result.Lost(), result.Duplicated)
	}
}

func TestConnectionsThatEndAreReported(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		faults hubtest.Faults
		reason string
	}{
		"dropped":       {hubtest.Faults{Close: func(connection, broadcast int) bool { return connection == 0 && broadcast == 20 }}, "connection"},
		"Close message": {hubtest.Faults{Extra: `{"type":7,"error":"going away"}`}, "going away"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := run(t, connect(t, load.Options{URLs: []string{serve(t, tc.faults)}}), lossy())
			if result.Disconnected == 0 || !strings.Contains(result.Reason, tc.reason) || result.Lost() == 0 {
				t.Errorf("disconnected %d (%q), lost %d", result.Disconnected, result.Reason, result.Lost())
			}
		})
	}
}

func TestSenderThatIsDisconnectedEndsTheClosedLoop(t *testing.T) {
	t.Parallel()
	url := serve(t, hubtest.Faults{Close: func(_, broadcast int) bool { return broadcast >= 5 }})
	workload := closedLoop()
	workload.Drain, workload.Quiet = time.Minute, lossy().Quiet
	begun := time.Now()
	result := run(t, connect(t, load.Options{URLs: []string{url}}), workload)
	if result.Disconnected != connections || time.Since(begun) > 30*time.Second {
		t.Errorf("%d disconnected after %v", result.Disconnected, time.Since(begun))
	}
}

func TestFailedCallsAreCountedWithTheirError(t *testing.T) {
	t.Parallel()
	url := serve(t, hubtest.Faults{CallError: "no such method"})
	result := run(t, connect(t, load.Options{URLs: []string{url}}), closedLoop())
	if result.Failures == 0 || result.Failures != result.Calls || result.Failure != "no such method" {
		t.Errorf("%d of %d calls failed: %q", result.Failures, result.Calls, result.Failure)
	}
}

func TestCallsWithoutCompletionEndWithTheDrainTime(t *testing.T) {
	t.Parallel()
	workload := closedLoop()
	workload.Drain = 200 * time.Millisecond
	result := run(t, connect(t, load.Options{URLs: []string{serve(t, hubtest.Faults{Silent: true})}}), workload)
	if result.Calls != 0 || result.Sent != 3 {
		t.Errorf("%+v", result)
	}
}

func TestLatencyCountsFromWhenABroadcastWasDue(t *testing.T) {
	t.Parallel()
	const stall = 200 * time.Millisecond
	url := serve(t, hubtest.Faults{Before: func(broadcast int) {
		if broadcast == 2 {
			<-time.After(stall)
		}
	}})
	workload := paced()
	workload.Senders, workload.Duration = 1, 300*time.Millisecond // 120 broadcasts, most of them behind the stalled one
	result := run(t, connect(t, load.Options{URLs: []string{url}}), workload)
	if result.Latency.Max < stall*9/10 || result.Latency.P50 < 20*time.Millisecond || result.Lost() != 0 {
		t.Errorf("a server that stalled for %v shows only in %+v", stall, result.Latency)
	}
}

func TestServerThatReadsLateGetsEverything(t *testing.T) {
	t.Parallel()
	for name, portable := range map[string]bool{"epoll": false, "portable": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			release := make(chan struct{})
			time.AfterFunc(300*time.Millisecond, func() { close(release) })
			url := serve(t, hubtest.Faults{Hold: release})
			workload := paced()
			workload.Senders, workload.Size = 1, 256<<10 // 10 MiB on one connection: more than its sockets hold
			workload.Drain, workload.Quiet = time.Minute, 10*time.Second
			result := run(t, connect(t, load.Options{URLs: []string{url}, Connections: 2, Portable: portable}), workload)
			if result.Sent != 40 || result.Lost() != 0 {
				t.Errorf("%+v", result)
			}
		})
	}
}

func TestPingsAreAnswered(t *testing.T) {
	t.Parallel()
	var ponged atomic.Int32
	answered := make(chan struct{})
	url := serve(t, hubtest.Faults{Ponged: func(err error) {
		if err == nil && ponged.Add(1) == connections {
			close(answered)
		}
	}})
	connect(t, load.Options{URLs: []string{url}})
	await(t, answered, "the pongs of all connections")
}

func TestConnectionsAreKeptAlive(t *testing.T) {
	t.Parallel()
	var mutex sync.Mutex
	heard, all := map[int]bool{}, make(chan struct{})
	url := serve(t, hubtest.Faults{Heard: func(connection int) {
		mutex.Lock()
		defer mutex.Unlock()
		if heard[connection] = true; len(heard) == connections && all != nil {
			close(all)
			all = nil
		}
	}})
	done := all
	connect(t, load.Options{URLs: []string{url}, PingInterval: 100 * time.Millisecond})
	await(t, done, "a ping of every connection")
}

func await(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s did not come", what)
	}
}

func TestRendezvousFailsIfServersDoNotShareMessages(t *testing.T) {
	t.Parallel()
	swarm := connect(t, load.Options{URLs: []string{serve(t, hubtest.Faults{}), serve(t, hubtest.Faults{})}})
	err := swarm.Rendezvous(t.Context(), 2)
	if err == nil || !strings.Contains(err.Error(), "share one Redis") {
		t.Errorf("got %v", err)
	}
}

func TestConnectTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	missing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(missing.Close)
	for name, tc := range map[string]struct{ url, want string }{
		"refused port":      {"http://127.0.0.1:1/chatHub", "connection refused"},
		"no hub":            {missing.URL + "/chatHub", "404"},
		"refused handshake": {serve(t, hubtest.Faults{Refusal: "no such protocol"}), "no such protocol"},
		"TLS":               {"https://localhost/chatHub", "scheme must be http or ws"},
		"no host":           {"http:///chatHub", "host is missing"},
		"no URL":            {"http://[::1", "missing ']'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := load.Connect(t.Context(), load.Options{URLs: []string{tc.url}, Connections: 40})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
		})
	}
}

func TestSilentServerEndsTheHandshakeInTime(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(hang) })
	options := load.Options{URLs: []string{server.URL}, Connections: 3, HandshakeTimeout: 50 * time.Millisecond}
	if _, err := load.Connect(t.Context(), options); err == nil {
		t.Error("connected to a server that says nothing")
	}
}

func TestRunEndsWhenInterrupted(t *testing.T) {
	t.Parallel()
	swarm := connect(t, load.Options{URLs: []string{serve(t, hubtest.Faults{})}})
	for _, workload := range []load.Workload{paced(), closedLoop()} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		workload.Duration = time.Hour
		if _, err := swarm.Run(ctx, workload); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that it was interrupted", err)
		}
		cancel()
	}
	if result := run(t, swarm, paced()); result.Lost() != 0 || result.Duplicated != 0 {
		t.Errorf("the next run suffers: %+v", result)
	}
}

func TestRunRefusesWorkloadsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	swarm := connect(t, load.Options{URLs: []string{serve(t, hubtest.Faults{})}})
	for name, change := range map[string]func(*load.Workload){
		"no senders":        func(w *load.Workload) { w.Senders = 0 },
		"too many senders":  func(w *load.Workload) { w.Senders = connections + 1 },
		"negative rate":     func(w *load.Workload) { w.Rate = -1 },
		"too many messages": func(w *load.Workload) { w.Rate = 1e12 },
		"short text":        func(w *load.Workload) { w.Size = load.MinimumSize - 1 },
		"no time":           func(w *load.Workload) { w.Duration = 0 },
		"negative drain":    func(w *load.Workload) { w.Drain = -1 },
	} {
		workload := paced()
		change(&workload)
		if _, err := swarm.Run(t.Context(), workload); !errors.Is(err, load.ErrWorkload) {
			t.Errorf("%s: got %v, want ErrWorkload", name, err)
		}
	}
}
