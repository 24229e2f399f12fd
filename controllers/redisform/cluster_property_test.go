package redisform

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestClusterConverges lets anything happen to nodes, the network and the operator, in any order. Whatever it was, an
// emptied node never takes over from one with data, and once it stops, all becomes well with one primary for each shard.
func TestClusterConverges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newClusterWorld(rt, 3, rapid.IntRange(1, 2).Draw(rt, "replicas"), rapid.Bool().Draw(rt, "persistent"))
		w.run(rapid.IntRange(0, 10).Draw(rt, "before"))
		for range rapid.IntRange(1, 8).Draw(rt, "faults") {
			w.fault(rt)
			w.run(rapid.IntRange(0, 20).Draw(rt, "ticks"))
		}
		w.heal()
		w.settle()
		if w.emptied != "" {
			rt.Fatalf("%s\n%s", w.emptied, w.story())
		}
		owners := 0
		for _, n := range w.nodes {
			if len(n.slots) > 0 {
				owners++
			}
		}
		if owners != w.wanted.Shards || slices.Contains(w.primaries(), nil) {
			rt.Fatalf("%d nodes have slots\n%s", owners, w.story())
		}
	})
}

// TestClusterLosesNothing lets one thing happen at a time, and all become well in between: no acknowledged write is lost.
func TestClusterLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newClusterWorld(rt, 3, 1, rapid.Bool().Draw(rt, "persistent"))
		w.settle()
		for range rapid.IntRange(1, 4).Draw(rt, "faults") {
			w.fault(rt)
			w.run(rapid.IntRange(0, 20).Draw(rt, "ticks"))
			w.heal()
			w.settle()
			if lost := w.lost(); lost > 0 {
				rt.Fatalf("%d acknowledged writes are lost\n%s", lost, w.story())
			}
		}
	})
}

// fault is one thing that happens.
func (w *clusterWorld) fault(rt *rapid.T) {
	node := w.nodes[rapid.IntRange(0, len(w.nodes)-1).Draw(rt, "node")]
	faults := map[string]func(){
		"kill":     func() { w.kill(node) },
		"restart":  func() { w.kill(node); w.start(node) },
		"move":     func() { w.kill(node); node.IP = "moved-" + node.IP; w.start(node) },
		"cut":      func() { node.cut = true },
		"deaf":     func() { node.deaf = true },
		"outdated": func() { node.Outdated = true },
		"away":     func() { w.away = true },
	}
	name := rapid.SampledFrom(sortedKeys(faults)).Draw(rt, "fault")
	w.tell(name + " " + node.Name)
	faults[name]()
}

// heal brings back all that is away.
func (w *clusterWorld) heal() {
	w.tell("all come back")
	w.away = false
	for _, n := range w.nodes {
		n.cut, n.deaf = false, false
		if !n.up {
			w.start(n)
		}
	}
}
