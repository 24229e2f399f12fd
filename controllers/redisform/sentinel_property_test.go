package redisform

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestSentinelConverges lets anything happen to servers, Sentinels, the network and the operator, in any order. Whatever
// it was, an emptied server never becomes the primary while another has data, and once it stops, all becomes well.
func TestSentinelConverges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		persistent := rapid.Bool().Draw(rt, "persistent")
		w := newSentinelWorld(rt, 3, 3, persistent)
		w.run(rapid.IntRange(0, 30).Draw(rt, "before"))
		for range rapid.IntRange(1, 12).Draw(rt, "faults") {
			w.fault(rt)
			w.run(rapid.IntRange(0, 40).Draw(rt, "ticks"))
			w.check(rt)
		}
		w.heal()
		w.settle()
		w.check(rt)
		for _, s := range w.servers {
			if s != w.accepted() && s.primary {
				rt.Fatalf("%s is a primary too\n%s", s.Name, w.story())
			}
		}
	})
}

// TestSentinelLosesNothing lets one thing happen at a time, and all become well in between: no acknowledged write is lost.
func TestSentinelLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newSentinelWorld(rt, 3, 3, rapid.Bool().Draw(rt, "persistent"))
		w.settle()
		for range rapid.IntRange(1, 5).Draw(rt, "faults") {
			w.fault(rt)
			w.run(rapid.IntRange(0, 40).Draw(rt, "ticks"))
			w.heal()
			w.settle()
			if lost := w.lost(); lost > 0 {
				rt.Fatalf("%d of %d acknowledged writes are lost\n%s", lost, len(w.acknowledged), w.story())
			}
		}
	})
}

func (w *sentinelWorld) check(rt *rapid.T) {
	if w.emptied != "" {
		rt.Fatalf("%s\n%s", w.emptied, w.story())
	}
}

// fault is one thing that happens.
func (w *sentinelWorld) fault(rt *rapid.T) {
	server := w.servers[rapid.IntRange(0, len(w.servers)-1).Draw(rt, "server")]
	sentinel := w.sentinels[rapid.IntRange(0, len(w.sentinels)-1).Draw(rt, "sentinel")]
	faults := map[string]func(){
		"kill":     func() { w.kill(server) },
		"restart":  func() { w.kill(server); w.start(server) },
		"cut":      func() { server.cut = true },
		"deaf":     func() { server.deaf = true },
		"outdated": func() { server.Outdated = true },
		"blind":    func() { sentinel.up = false },
		"forget":   func() { sentinel.forget() },
		"away":     func() { w.away = true },
		"outdated sentinel": func() {
			sentinel.Outdated = true
		},
		"stranger": func() { sentinel.forget(); sentinel.primary = "stranger:6379" },
	}
	name := rapid.SampledFrom(sortedKeys(faults)).Draw(rt, "fault")
	w.tell(name + " " + server.Name + " or " + sentinel.Name)
	faults[name]()
}

// heal brings back all that is away.
func (w *sentinelWorld) heal() {
	w.tell("all come back")
	w.away = false
	for _, s := range w.servers {
		s.cut, s.deaf = false, false
		if !s.up {
			w.start(s)
		}
	}
	for _, s := range w.sentinels {
		s.up = true
	}
	slices.SortFunc(w.servers, func(a, b *simServer) int { return a.Ordinal - b.Ordinal })
}
