package redisform

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSentinelDecisions has single moments that stories hardly meet. Each starts from one where all is well with redis-0 as
// the primary.
func TestSentinelDecisions(t *testing.T) {
	t.Parallel()
	restart := func(server *Server) {
		server.RunID, server.Primary, server.Follows, server.LinkUp, server.Priority = "another", false, "127.0.0.1:1", false, 0
	}
	lose := func(server *Server) { server.Answer = Answer{Problem: "no answer"} }
	down := func(f *Facts) {
		for i := range f.Sentinels {
			f.Sentinels[i].Monitors[0].Down = true
		}
	}
	cases := []struct {
		name   string
		change func(*Facts, *Wanted, *Memory)
		steps  string
		reason Reason
	}{
		{"nothing", func(*Facts, *Wanted, *Memory) {}, "", Healthy},
		{"a replica that has started again unheard is not risked", func(f *Facts, _ *Wanted, _ *Memory) {
			restart(&f.Servers[0])
			restart(&f.Servers[1])
			f.Servers[0].Keys, f.Servers[1].Keys = 0, 0
		}, "", FailingOver},
		{"a fail-over needs no patience where the replicas are as the Sentinels know them", func(f *Facts, _ *Wanted, _ *Memory) {
			restart(&f.Servers[0])
		}, "FailOver sentinel-0 redis-0", FailingOver},
		{"a server that loads may have the newest data", func(f *Facts, w *Wanted, _ *Memory) {
			w.AcceptLoss = true
			for i := range f.Servers {
				restart(&f.Servers[i])
			}
			f.Servers[1].Reached, f.Servers[1].Loading = false, true
		}, "", WaitingForData},
		{"a replica without all data does not wait out the last primary", func(f *Facts, _ *Wanted, m *Memory) {
			down(f)
			m.InSync, m.Waits = nil, long("data")
			lose(&f.Servers[0])
			restart(&f.Servers[1])
			restart(&f.Servers[2])
		}, "", WaitingForData},
		{"a replica that had all data does", func(f *Facts, _ *Wanted, m *Memory) {
			down(f)
			m.InSync, m.Waits = []string{"redis-2"}, long("data")
			lose(&f.Servers[0])
			restart(&f.Servers[1])
			restart(&f.Servers[2])
		}, "Elect redis-2 100", FailingOver},
		{"a person accepts the loss", func(f *Facts, w *Wanted, m *Memory) {
			down(f)
			w.AcceptLoss, m.InSync = true, nil
			lose(&f.Servers[0])
			restart(&f.Servers[1])
			restart(&f.Servers[2])
		}, "Elect redis-1 100", FailingOver},
		{"empty servers wait for one with a volume", func(f *Facts, _ *Wanted, m *Memory) {
			down(f)
			m.Waits = long("data")
			lose(&f.Servers[0])
			for _, i := range []int{1, 2} {
				restart(&f.Servers[i])
				f.Servers[i].Keys = 0
			}
		}, "", WaitingForData},
		{"a replica that gets no data is not chosen", func(f *Facts, _ *Wanted, m *Memory) {
			f.Servers[1].LinkUp, m.InSync = false, []string{"redis-2"}
		}, "Elect redis-1 0", Degraded},
		{"a link that broke just now may be the end of the primary", func(f *Facts, _ *Wanted, _ *Memory) {
			f.Servers[1].LinkUp = false
		}, "", Degraded},
		{"a primary that no replica hears accepts no writes", func(f *Facts, _ *Wanted, _ *Memory) {
			f.Servers[0].RefusesWrites = true
			lose(&f.Servers[1])
			lose(&f.Servers[2])
		}, "", WritesRefused},
		{"nor does one that most Sentinels miss too", func(f *Facts, _ *Wanted, _ *Memory) {
			f.Servers[0].RefusesWrites = true
			f.Sentinels[0].Answer, f.Sentinels[1].Answer = Answer{}, Answer{}
		}, "", WritesRefused},
		{"a minority of Sentinels decides nothing", func(f *Facts, _ *Wanted, _ *Memory) {
			f.Sentinels[0].Answer, f.Sentinels[1].Answer = Answer{}, Answer{}
			restart(&f.Servers[0])
		}, "", MajorityLost},
		{"a fail-over that is on its way is let alone", func(f *Facts, _ *Wanted, _ *Memory) {
			f.Sentinels[2].Monitors[0].FailingOver = true
			restart(&f.Servers[0])
		}, "", FailingOver},
		{"a primary that only the operator misses is let alone", func(f *Facts, _ *Wanted, _ *Memory) {
			lose(&f.Servers[0])
		}, "", Degraded},
		{"a primary that ends is replaced first", func(f *Facts, _ *Wanted, _ *Memory) {
			f.Servers[0].Ending = true
		}, "Switch redis-0 sentinel-0", Healthy},
		{"a rival that the Sentinels know is theirs", func(f *Facts, _ *Wanted, _ *Memory) {
			f.Servers[1].Primary, f.Servers[1].Follows, f.Servers[1].LinkUp = true, "", false
		}, "", Degraded},
		{"a rival that they do not know follows", func(f *Facts, _ *Wanted, _ *Memory) {
			f.Servers[1].Primary, f.Servers[1].Follows, f.Servers[1].LinkUp = true, "", false
			for i := range f.Sentinels {
				monitor := &f.Sentinels[i].Monitors[0]
				monitor.Replicas = slices.DeleteFunc(monitor.Replicas, func(k KnownReplica) bool { return k.Endpoint == f.Servers[1].Endpoint() })
			}
		}, "Follow redis-1 redis-0", Degraded},
		{"another monitor is removed", func(f *Facts, _ *Wanted, _ *Memory) {
			f.Sentinels[1].Monitors = append(f.Sentinels[1].Monitors, Monitor{Name: "other", Primary: "elsewhere:6379"})
		}, "Unwatch sentinel-1", Healthy},
		{"the quorum is changed", func(_ *Facts, w *Wanted, _ *Memory) { w.Quorum = 3 },
			"Tune sentinel-0 quorum 3; Tune sentinel-1 quorum 3; Tune sentinel-2 quorum 3", Healthy},
		{"a gone Sentinel is forgotten by one at a time", func(f *Facts, _ *Wanted, _ *Memory) {
			for i := range f.Sentinels {
				monitor := &f.Sentinels[i].Monitors[0]
				monitor.Others = append(monitor.Others, KnownSentinel{ID: "gone", Endpoint: "sentinel-0.demo:0"})
			}
		}, "Refresh sentinel-0", Healthy},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newSentinelWorld(t, 3, 3, true)
			w.settle()
			facts, wanted, memory := w.facts(), w.wanted, w.memory
			c.change(&facts, &wanted, &memory)
			out := Plan(w.now, facts, wanted, memory)
			expectPlan(t, out, c.steps, c.reason)
			if out.Status.Serving != (c.reason == Healthy || c.reason == Degraded) {
				t.Errorf("serving: %v, though it is %s", out.Status.Serving, c.reason)
			}
		})
	}
}

// long are waits that have taken longer than anybody has patience.
func long(causes ...string) map[string]time.Time {
	waits := map[string]time.Time{}
	for _, cause := range causes {
		waits[cause] = time.Unix(0, 0)
	}
	return waits
}

// A rival that the Sentinels know is theirs to demote, and a Sentinel that watches it is told by the others: the operator waits for
// both at once.
func TestWaitsThatComeTogetherBothEnd(t *testing.T) {
	t.Parallel()
	w := newSentinelWorld(t, 3, 3, true)
	w.settle()
	facts, memory := w.facts(), w.memory
	facts.Servers[1].Primary, facts.Servers[1].Follows, facts.Servers[1].LinkUp = true, "", false
	facts.Sentinels[2].Monitors[0].Primary = facts.Servers[1].Endpoint()
	for after := time.Duration(0); after < DefaultPatience; after += time.Second {
		out := Plan(w.now.Add(after), facts, w.wanted, memory)
		expectPlan(t, out, "", Degraded)
		memory = out.Memory
	}
	out := Plan(w.now.Add(DefaultPatience), facts, w.wanted, memory)
	expectPlan(t, out, "Follow redis-1 redis-0; Unwatch sentinel-2; Watch sentinel-2 redis-0", Degraded)
	out = Plan(w.now.Add(DefaultPatience), w.facts(), w.wanted, out.Memory)
	if len(out.Memory.Waits) > 0 {
		t.Errorf("%v are waited for though all is well", out.Memory.Waits)
	}
}

func expectPlan(t *testing.T, out Outcome, steps string, reason Reason) {
	t.Helper()
	if got := lines(out.Steps); got != steps {
		t.Errorf("steps: %s, want: %s", got, steps)
	}
	if out.Status.Reason != reason {
		t.Errorf("reason: %s (%s), want: %s", out.Status.Reason, out.Status.Message, reason)
	}
}

func lines(steps []Step) string {
	texts := make([]string, len(steps))
	for i, step := range steps {
		texts[i] = step.String()
	}
	return strings.Join(texts, "; ")
}
