package redisform

import (
	"slices"
	"testing"
	"time"
)

// TestClusterDecisions has single moments that stories do not meet. Each starts from three shards with a replica each where all
// is well: redis-0, redis-1 and redis-2 are the primaries, redis-3, redis-4 and redis-5 their replicas.
func TestClusterDecisions(t *testing.T) {
	t.Parallel()
	on := func(machines ...string) func(*Facts) {
		return func(f *Facts) {
			for i, machine := range machines {
				f.Servers[i].Machine = machine
			}
		}
	}
	cases := []struct {
		name   string
		change func(*Facts)
		steps  string
		reason Reason
	}{
		{"primaries are on machines of their own", on("a", "b", "c", "b", "c", "a"), "", Healthy},
		{"two of three primaries are on one machine", on("a", "a", "b", "b", "c", "c"), "TakeOver redis-4 Coordinated", Degraded},
		{"there are too few machines for anything better", on("a", "a", "b", "b", "b", "a"), "", Healthy},
		{"nobody knows the machines", on("", "", "", "", "", ""), "", Healthy},
		{"a replica looks for its primary where that was", func(f *Facts) {
			f.Servers[3].LinkUp, f.Servers[3].Follows = false, "10.0.0.99:6379"
		}, "Replicate redis-3 id1", Degraded},
		{"a replica does not reach its primary", func(f *Facts) {
			f.Servers[3].LinkUp, f.Servers[3].Follows = false, f.Servers[0].IP+":6379"
		}, "", Degraded},
		{"all are told to end at once", func(f *Facts) {
			for i := range f.Servers {
				f.Servers[i].Ending = true
			}
		}, "", Healthy},
		{"those that are left are told to end", func(f *Facts) {
			f.Servers[0].Answer, f.Servers[0].Node = Answer{Problem: "no answer"}, nil
			for i := range f.Servers {
				f.Servers[i].Ending = true
			}
		}, "", FailingOver},
		{"a replica has not heard yet where its primary is", func(f *Facts) {
			f.Servers[3].LinkUp, f.Servers[3].Follows = false, "10.0.0.99:6379"
			f.Servers[3].Node.peer(f.Servers[0].Node.ID).IP = "10.0.0.99"
		}, "", Degraded},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newClusterWorld(t, 3, 1, true)
			w.settle()
			facts := w.facts()
			c.change(&facts)
			out := Plan(w.now, facts, w.wanted, w.memory)
			expectPlan(t, out, c.steps, c.reason)
		})
	}
}

// TestClusterSuccession has moments at which primaries have been away for ten minutes, in the same Cluster, and nobody elected their
// replicas.
func TestClusterSuccession(t *testing.T) {
	t.Parallel()
	lose := func(f *Facts, missed bool, servers ...int) {
		for _, lost := range servers {
			id := f.Servers[lost].Node.ID
			f.Servers[lost].Answer, f.Servers[lost].Node = Answer{Problem: "no answer"}, nil
			f.Servers[lost+3].LinkUp = false
			for _, server := range f.Servers {
				if server.Node != nil {
					peer := server.Node.peer(id)
					peer.Connected, peer.Suspected, peer.Failed = !missed, missed, missed && len(servers) == 1
				}
			}
		}
	}
	cases := []struct {
		name   string
		change func(*Facts, *Wanted, *Memory)
		steps  string
		reason Reason
	}{
		{"a replica that had all data", func(f *Facts, _ *Wanted, _ *Memory) {
			lose(f, true, 0)
		}, "TakeOver redis-3 Forced", FailingOver},
		{"a replica that missed writes waits for its primary", func(f *Facts, _ *Wanted, m *Memory) {
			lose(f, true, 0)
			m.InSync = []string{"redis-4", "redis-5"}
		}, "", WaitingForData},
		{"a person accepts the loss", func(f *Facts, w *Wanted, m *Memory) {
			lose(f, true, 0)
			w.AcceptLoss, m.InSync = true, []string{"redis-4", "redis-5"}
		}, "TakeOver redis-3 Forced", FailingOver},
		{"most primaries may come back", func(f *Facts, _ *Wanted, _ *Memory) {
			lose(f, true, 0, 1)
		}, "", MajorityLost},
		{"a person knows that most primaries do not come back", func(f *Facts, w *Wanted, _ *Memory) {
			lose(f, true, 0, 1)
			w.AcceptLoss = true
		}, "TakeOver redis-3 Unasked; TakeOver redis-4 Unasked", MajorityLost},
		{"it is not accepted for a minute yet", func(f *Facts, w *Wanted, m *Memory) {
			lose(f, true, 0, 1)
			w.AcceptLoss, m.Waits = true, nil
		}, "", MajorityLost},
		{"a shard of which no server answers", func(f *Facts, _ *Wanted, _ *Memory) {
			lose(f, true, 0)
			f.Servers[3].Answer, f.Servers[3].Node = Answer{Problem: "no answer"}, nil
		}, "", WaitingForData},
		{"primaries that only the operator misses are at work", func(f *Facts, w *Wanted, _ *Memory) {
			lose(f, false, 0, 1)
			w.AcceptLoss = true
		}, "", MajorityLost},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newClusterWorld(t, 3, 1, true)
			w.settle()
			facts, wanted, memory := w.facts(), w.wanted, w.memory
			memory.Waits = map[string]time.Time{"primaries": w.now.Add(-10 * time.Minute)}
			c.change(&facts, &wanted, &memory)
			out := Plan(w.now, facts, wanted, memory)
			expectPlan(t, out, c.steps, c.reason)
		})
	}
}

// TestClusterRemembersWhoHasAllData: also of servers that do not answer, until their primary is there without them.
func TestClusterRemembersWhoHasAllData(t *testing.T) {
	t.Parallel()
	w := newClusterWorld(t, 3, 1, true)
	w.settle()
	all := w.memory.InSync
	facts := w.facts()
	lose := func(servers ...int) {
		for _, server := range servers {
			facts.Servers[server].Answer, facts.Servers[server].Node = Answer{Problem: "no answer"}, nil
		}
	}
	lose(0, 3)
	if out := Plan(w.now, facts, w.wanted, w.memory); !sameNames(out.Memory.InSync, all) {
		t.Errorf("without a shard: %v, want %v", out.Memory.InSync, all)
	}
	lose(1, 2, 4, 5)
	if out := Plan(w.now, facts, w.wanted, w.memory); !sameNames(out.Memory.InSync, all) {
		t.Errorf("without anybody: %v, want %v", out.Memory.InSync, all)
	}
	facts = w.facts()
	lose(3)
	if out := Plan(w.now, facts, w.wanted, w.memory); !sameNames(out.Memory.InSync, all[1:]) {
		t.Errorf("without one replica: %v, want %v", out.Memory.InSync, all[1:])
	}
}

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
