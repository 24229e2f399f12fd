package redisform

import "testing"

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
			if steps := lines(out.Steps); steps != c.steps {
				t.Errorf("steps: %s, want: %s", steps, c.steps)
			}
			if out.Status.Reason != c.reason {
				t.Errorf("reason: %s (%s), want: %s", out.Status.Reason, out.Status.Message, c.reason)
			}
		})
	}
}
