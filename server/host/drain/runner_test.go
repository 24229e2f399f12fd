package drain

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// crowd is the clients of a server. Those that are sent away or told are gone at once.
type crowd struct {
	mu       sync.Mutex
	count    Count
	sentAway []time.Time
	told     []time.Time
	// stuck are stateful clients whose calls run until they are told to begin anew.
	stuck int
}

func (c *crowd) Count() Count {
	c.mu.Lock()
	defer c.mu.Unlock()
	count := c.count
	count.Movable = count.Stateful + count.LongPolling + count.Tunnelled
	count.Stateful += c.stuck
	return count
}

func (c *crowd) SendAway(most int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range most {
		if c.count.LongPolling > 0 {
			c.count.LongPolling--
		} else {
			c.count.Stateful--
		}
		c.sentAway = append(c.sentAway, time.Now())
	}
	return most
}

func (c *crowd) Tell(most int, all bool) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range most {
		switch {
		case c.count.Stateless > 0:
			c.count.Stateless--
		case all && c.count.Stateful > 0:
			c.count.Stateful--
		case all && c.stuck > 0:
			c.stuck--
		}
		c.told = append(c.told, time.Now())
	}
	return most
}

func (c *crowd) Drained(int, int) {}
func (c *crowd) Remaining(Count)  {}

// bench is a Runner under test.
type bench struct {
	*Runner
	crowd   *crowd
	changes []bool
	mu      sync.Mutex
	takers  int
}

func newBench(count Count, takers int) *bench {
	b := &bench{crowd: &crowd{count: count}, takers: takers}
	b.Runner = New(Options{
		Delay: 5 * time.Second, Period: 10 * time.Second, Timeout: time.Minute, Rate: 100, Clients: b.crowd, Observer: b.crowd,
		Takers:  func(context.Context) int { b.mu.Lock(); defer b.mu.Unlock(); return b.takers },
		Changed: func(draining bool) { b.changes = append(b.changes, draining) },
		Logger:  slog.New(slog.DiscardHandler),
	})
	return b
}

func (b *bench) alone() *bench {
	b.options.Takers = nil
	return b
}

func (b *bench) setTakers(takers int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.takers = takers
}

// end ends the server and returns how long it took.
func (b *bench) end() time.Duration {
	began := time.Now()
	b.End(context.Background())
	return time.Since(began)
}

func within(t *testing.T, what string, took, least, most time.Duration) {
	t.Helper()
	if took < least || took > most {
		t.Errorf("%s: %v, want %v to %v", what, took, least, most)
	}
}

func TestClientsByLongPollingAreSentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(Count{LongPolling: 3}, 1)
		b.end()
		if len(b.crowd.sentAway) != 3 || len(b.crowd.told) > 0 {
			t.Errorf("%d were sent away, %d told to begin anew", len(b.crowd.sentAway), len(b.crowd.told))
		}
	})
}

func TestAServerEndsWhenItsClientsAreElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(Count{Stateful: 500, Stateless: 40}, 1)
		began := time.Now()
		took := b.end()
		// Nobody leaves before the delay is over, all leave at their pace, and then nobody may come for as long as that again.
		within(t, "the first one sent away", b.crowd.sentAway[0].Sub(began), 5*time.Second, 5200*time.Millisecond)
		within(t, "the last one sent away", b.crowd.sentAway[499].Sub(began), 10*time.Second, 11*time.Second)
		within(t, "the first one told", b.crowd.told[0].Sub(began), 5*time.Second, 5200*time.Millisecond)
		within(t, "the last one told", b.crowd.told[39].Sub(began), 14*time.Second, 15*time.Second)
		within(t, "the end", took, 19*time.Second, 21*time.Second)
		if len(b.crowd.sentAway) != 500 || len(b.crowd.told) != 40 {
			t.Errorf("%d sent away, %d told", len(b.crowd.sentAway), len(b.crowd.told))
		}
	})
}

func TestAServerWithoutClientsEndsAfterTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		within(t, "the end", newBench(Count{}, 1).end(), 5*time.Second, 5200*time.Millisecond)
	})
}

func TestAServerAloneTellsItsClientsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(Count{Stateful: 5, Stateless: 5}, 0).alone()
		within(t, "the end", b.end(), 14*time.Second, 15200*time.Millisecond)
		if len(b.crowd.told) != 10 {
			t.Errorf("%d told", len(b.crowd.told))
		}
	})
}

func TestAServerServesOnUntilAnotherOneTakesItsClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(Count{Stateful: 50}, 0)
		began := time.Now()
		time.AfterFunc(20*time.Second, func() { b.setTakers(1) })
		within(t, "the end", b.end(), 25*time.Second, 28*time.Second)
		if first := b.crowd.sentAway[0].Sub(began); first < 20*time.Second || len(b.crowd.told) > 0 {
			t.Errorf("the first one left after %v, %d were told to begin anew", first, len(b.crowd.told))
		}
	})
}

func TestPatienceWithAbsentServersEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(Count{Stateful: 50}, 0)
		within(t, "the end", b.end(), 45*time.Second, 51*time.Second)
		if len(b.crowd.told) != 50 || len(b.crowd.sentAway) != 0 {
			t.Errorf("%d told, %d sent away", len(b.crowd.told), len(b.crowd.sentAway))
		}
	})
}

func TestClientsWhoseCallsDoNotEndBeginAnewAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(Count{}, 1)
		b.crowd.stuck = 3
		within(t, "the end", b.end(), 50*time.Second, 56*time.Second)
		if len(b.crowd.told) != 3 || len(b.crowd.sentAway) != 0 {
			t.Errorf("%d told, %d sent away", len(b.crowd.told), len(b.crowd.sentAway))
		}
	})
}

// ask sends a request to the handler.
func (b *bench) ask(method, instance string) (int, Progress) {
	request := httptest.NewRequest(method, Path, nil)
	if instance != "" {
		request.Header.Set(instanceHeader, instance)
	}
	recorder := httptest.NewRecorder()
	b.Handler("pod_0123", func() int { return 2 }).ServeHTTP(recorder, request)
	var progress Progress
	_ = json.Unmarshal(recorder.Body.Bytes(), &progress)
	return recorder.Code, progress
}

func TestADrainIsAskedForWatchedAndTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(Count{Stateful: 500, LongPolling: 1, Tunnelled: 2}, 1)
		expect := func(method string, status int, state string) Progress {
			t.Helper()
			got, progress := b.ask(method, "pod_0123")
			if got != status || progress.State != state {
				t.Fatalf("%s: %d %+v, want %d, %s", method, got, progress, status, state)
			}
			return progress
		}
		began := expect(http.MethodGet, http.StatusOK, Serving)
		if began.Since != nil || began.Deadline != nil || began.Connections != 501 || began.ReadyPeers != 2 || began.Instance != "pod_0123" ||
			began.Remaining != (Remaining{Stateful: 500, LongPolling: 1, Tunnelled: 2}) {
			t.Errorf("while it serves: %+v", began)
		}
		first := expect(http.MethodPost, http.StatusAccepted, Draining)
		time.Sleep(7 * time.Second)
		again := expect(http.MethodPost, http.StatusAccepted, Draining)
		if !again.Since.Equal(*first.Since) || !again.Deadline.Equal(*first.Deadline) || again.Ending {
			t.Errorf("asked again: %+v, before %+v", again, first)
		}
		expect(http.MethodDelete, http.StatusOK, Serving)
		expect(http.MethodDelete, http.StatusOK, Serving)
		left := b.crowd.Count()
		time.Sleep(time.Minute)
		if b.crowd.Count() != left || left.Stateful == 0 {
			t.Errorf("%+v became %+v after the drain was taken back", left, b.crowd.Count())
		}
		if len(b.changes) != 2 || !b.changes[0] || b.changes[1] {
			t.Errorf("changes: %v", b.changes)
		}
	})
}

func TestADrainedServerStaysUntilItIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(Count{Stateful: 50}, 1)
		b.Start()
		time.Sleep(5 * time.Minute)
		if _, progress := b.ask(http.MethodGet, ""); progress.State != Drained || progress.Ending {
			t.Errorf("%+v", progress)
		}
		b.crowd.mu.Lock()
		b.crowd.count.Stateful = 3 // who comes late is sent away, too
		b.crowd.mu.Unlock()
		time.Sleep(time.Minute)
		if count := b.crowd.Count(); count.Stateful != 0 {
			t.Errorf("%+v is left", count)
		}
		within(t, "the end", b.end(), 0, 200*time.Millisecond)
		if status, _ := b.ask(http.MethodDelete, ""); status != http.StatusConflict {
			t.Errorf("an end was taken back: %d", status)
		}
	})
}

func TestAServerThatStaysEndsNobodyWhomNoOtherTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(Count{Stateful: 50, Stateless: 5}, 0)
		b.crowd.stuck = 1
		b.Start()
		time.Sleep(5 * time.Minute)
		b.Stop()
		if count := b.crowd.Count(); count.Stateful != 51 || count.Stateless != 5 || len(b.crowd.told) != 0 {
			t.Errorf("%+v, %d told", count, len(b.crowd.told))
		}
	})
}

func TestADrainHasTheWholeTimeoutFromTheEndOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(Count{}, 0)
		b.crowd.stuck = 1
		b.Start()
		time.Sleep(5 * time.Minute)
		b.setTakers(1)
		time.Sleep(2 * time.Second) // its deadline is long over
		b.Stop()
		if len(b.crowd.told) != 0 {
			t.Errorf("%d told by a server that stays", len(b.crowd.told))
		}

		b = newBench(Count{}, 0)
		b.crowd.stuck = 1
		b.Start()
		time.Sleep(5 * time.Minute)
		time.AfterFunc(time.Second, func() { b.setTakers(1) })
		within(t, "the end", b.end(), 50*time.Second, 56*time.Second)
	})
}

func TestRequestsForAnotherProcessAreRefused(t *testing.T) {
	b := newBench(Count{}, 0)
	if status, _ := b.ask(http.MethodPost, "pod_4567"); status != http.StatusMisdirectedRequest {
		t.Errorf("status %d", status)
	}
	if status, _ := b.ask(http.MethodPut, ""); status != http.StatusMethodNotAllowed {
		t.Errorf("PUT: status %d", status)
	}
	if _, progress := b.ask(http.MethodGet, ""); progress.State != Serving {
		t.Errorf("%+v", progress)
	}
}
