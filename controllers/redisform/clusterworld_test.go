package redisform

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// clusterWorld is a simulation of what the nodes of a Cluster do by themselves, in ticks of a second, as far as the plans
// depend on it: they tell each other whom they know and where, replace a primary that does not answer if most primaries
// are there and the replica was in touch with it lately, and an old primary gives way to the newer one.
type clusterWorld struct {
	chronicle
	t       judge
	now     time.Time
	wanted  Wanted
	memory  Memory
	nodes   []*simNode
	ids     int
	epoch   int64
	written int
	// acknowledged are the writes that a replica had too, by shard.
	acknowledged map[int][]int
	away         bool
	last         Outcome
	emptied      string
}

type simNode struct {
	Member
	up, cut bool
	run     string
	identity
	// kept is what is on the volume.
	kept identity
	// linked: it is in touch with its primary, unlinked is for how long it has not been. deaf: it cannot be, though both are there.
	linked, deaf bool
	unlinked     int
	// missed is for how many ticks most primaries have missed it.
	missed int
}

// identity is what nodes.conf and the data have.
type identity struct {
	id      string
	address string
	epoch   int64
	primary string
	slots   []SlotRange
	// known has the addresses of others by their IDs.
	known map[string]string
	// forgotten are those that it does not want to hear of.
	forgotten map[string]bool
	data      map[int][]int
}

func (i identity) clone() identity {
	i.known, i.forgotten, i.slots = maps.Clone(i.known), maps.Clone(i.forgotten), slices.Clone(i.slots)
	i.data = maps.Clone(i.data)
	return i
}

const (
	simNodeTimeout = 5
	simValidity    = 50
)

func newClusterWorld(t judge, shards, replicas int, persistent bool) *clusterWorld {
	w := &clusterWorld{t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), acknowledged: make(map[int][]int)}
	w.wanted = Wanted{Form: Cluster, Shards: shards, Persistent: persistent}
	for i := range shards * (1 + replicas) {
		w.add(i)
	}
	return w
}

func (w *clusterWorld) add(ordinal int) {
	node := &simNode{Member: simMember(ServerKind, "redis", ordinal, 6379)}
	w.nodes = append(w.nodes, node)
	w.start(node)
}

// start is what the pod does: without a volume there is no identity either.
func (w *clusterWorld) start(n *simNode) {
	w.ids++
	n.up, n.run, n.linked, n.missed = true, "run"+strconv.Itoa(w.ids), false, 0
	if w.wanted.Persistent && n.kept.id != "" {
		n.identity = n.kept.clone()
		n.unlinked = simValidity + 1 // it does not know for how long
	} else {
		n.identity = identity{id: fmt.Sprintf("id%d", w.ids), known: map[string]string{}, forgotten: map[string]bool{}, data: map[int][]int{}}
		n.unlinked = 0
	}
	n.address = n.IP
	if n.address == "" {
		n.address, n.IP = "ip-"+n.Name, "ip-"+n.Name
	}
}

func (w *clusterWorld) kill(n *simNode) {
	if n.up {
		n.kept = n.clone()
	}
	n.up, n.linked = false, false
}

func (n *simNode) there() bool { return n.up && !n.cut }

func (w *clusterWorld) byID(id string) *simNode {
	at := slices.IndexFunc(w.nodes, func(n *simNode) bool { return n.id == id })
	if at < 0 {
		return nil
	}
	return w.nodes[at]
}

func (w *clusterWorld) node(name string) *simNode {
	at := slices.IndexFunc(w.nodes, func(n *simNode) bool { return n.Name == name })
	if at < 0 {
		return nil
	}
	return w.nodes[at]
}

func (w *clusterWorld) tick() {
	w.ticks++
	w.now = w.now.Add(time.Second)
	w.gossip()
	w.giveWay()
	w.replicate()
	w.elect()
	w.write()
	w.operate()
}

func (w *clusterWorld) run(ticks int) {
	for range ticks {
		w.tick()
	}
}

// talk tells whether two nodes know each other and one knows where the other is.
func talk(a, b *simNode) bool {
	if !a.there() || !b.there() || a == b {
		return false
	}
	return a.known[b.id] == b.address && !a.forgotten[b.id] || b.known[a.id] == a.address && !b.forgotten[a.id]
}

// gossip lets all that talk with each other know the same.
func (w *clusterWorld) gossip() {
	for range 2 {
		for _, a := range w.nodes {
			for _, b := range w.nodes {
				if !talk(a, b) || a.forgotten[b.id] || b.forgotten[a.id] {
					continue
				}
				a.known[b.id], b.known[a.id] = b.address, a.address
				for id, address := range b.known {
					if id != a.id && !a.forgotten[id] && (a.known[id] == "" || w.byID(id) != nil && w.byID(id).address == address) {
						a.known[id] = address
					}
				}
			}
		}
	}
}

// giveWay lets those who claim the same slots find out who has the higher epoch.
func (w *clusterWorld) giveWay() {
	for _, a := range w.nodes {
		for _, b := range w.nodes {
			if talk(a, b) && len(a.slots) > 0 && len(b.slots) > 0 && a.slots[0] == b.slots[0] && a.epoch < b.epoch {
				a.slots, a.primary, a.linked = nil, b.id, false
			}
		}
		// A replica of a replica moves on to the primary.
		if primary := w.byID(a.primary); a.up && primary != nil && talk(a, primary) && primary.primary != "" && primary.primary != a.id {
			a.primary = primary.primary
		}
	}
}

func (w *clusterWorld) replicate() {
	for _, n := range w.nodes {
		primary := w.byID(n.primary)
		n.linked = n.up && !n.deaf && n.primary != "" && primary != nil && talk(n, primary) && primary.primary == ""
		if !n.linked {
			n.unlinked++
			continue
		}
		n.unlinked, n.data = 0, maps.Clone(primary.data)
	}
}

// votes is how many primaries a node hears, and whether they are most of those that have slots.
func (w *clusterWorld) votes(n *simNode) bool {
	heard, claims := 0, make(map[int]bool)
	for _, owner := range w.nodes {
		if len(owner.slots) == 0 {
			continue
		}
		claims[owner.slots[0].First] = true
		if owner == n || talk(n, owner) {
			heard++
		}
	}
	return heard > max(len(claims), w.wanted.Shards)/2
}

func (w *clusterWorld) elect() {
	for _, n := range w.nodes {
		if !n.there() || n.primary == "" || n.linked || n.unlinked > simValidity || !w.votes(n) {
			continue
		}
		if primary := w.byID(n.primary); primary != nil && talk(n, primary) || n.unlinked < simNodeTimeout {
			continue
		}
		w.promote(n)
	}
}

// promote makes a replica the primary with the slots that its primary had.
func (w *clusterWorld) promote(n *simNode) {
	old := n.primary
	slots := w.slotsOf(old)
	if len(slots) == 0 {
		return
	}
	if total(n.data) == 0 {
		for _, other := range w.nodes {
			if other != n && other.there() && (other.id == old || other.primary == old) && total(other.data) > 0 && other.primary != "" {
				w.emptied = fmt.Sprintf("tick %d: %s is empty and takes over, %s has data", w.ticks, n.Name, other.Name)
			}
		}
	}
	w.epoch++
	n.epoch, n.slots, n.primary, n.linked = w.epoch+100, slots, "", false
	for _, other := range w.nodes {
		if other.primary == old && talk(other, n) {
			other.primary = n.id
		}
	}
}

func total(data map[int][]int) int {
	count := 0
	for _, writes := range data {
		count += len(writes)
	}
	return count
}

// slotsOf are those that the node with the ID had when it was last heard of.
func (w *clusterWorld) slotsOf(id string) []SlotRange {
	for _, n := range w.nodes {
		if n.id == id && len(n.slots) > 0 {
			return n.slots
		}
		if n.kept.id == id && len(n.kept.slots) > 0 {
			return n.kept.slots
		}
	}
	return nil
}

// write writes to each shard that works, and waits for a replica.
func (w *clusterWorld) write() {
	for shard, primary := range w.primaries() {
		if primary == nil || !w.votes(primary) {
			continue
		}
		w.written++
		primary.data[shard] = append(slices.Clone(primary.data[shard]), w.written)
		for _, n := range w.nodes {
			if n.linked && n.there() && n.primary == primary.id {
				n.data[shard] = slices.Clone(primary.data[shard])
				w.acknowledged[shard] = append(w.acknowledged[shard], w.written)
				break
			}
		}
		for _, n := range w.nodes {
			if n.linked && n.there() && n.primary == primary.id {
				n.data[shard] = slices.Clone(primary.data[shard])
			}
		}
	}
}

// primaries are those of each shard, by the canonical ranges; nil where there is none.
func (w *clusterWorld) primaries() []*simNode {
	found := make([]*simNode, w.wanted.Shards)
	for _, n := range w.nodes {
		for _, part := range n.slots {
			shard := (part.First*w.wanted.Shards + Slots - 1) / Slots
			if n.there() && n.primary == "" && (found[shard] == nil || found[shard].epoch < n.epoch) {
				found[shard] = n
			}
		}
	}
	return found
}

func (w *clusterWorld) lost() int {
	lost := 0
	for shard, primary := range w.primaries() {
		for _, one := range w.acknowledged[shard] {
			if primary == nil || !slices.Contains(primary.data[shard], one) {
				lost++
			}
		}
	}
	return lost
}

func (w *clusterWorld) operate() {
	if w.away {
		return
	}
	w.last = Plan(w.now, w.facts(), w.wanted, w.memory)
	w.memory = w.last.Memory
	w.note()
	for _, step := range w.last.Steps {
		w.carry(step)
	}
	for _, name := range w.last.Replace {
		n := w.node(name)
		w.kill(n)
		n.Outdated, n.IP = false, ""
		w.start(n)
	}
	before := len(w.nodes)
	w.nodes = slices.DeleteFunc(w.nodes, func(n *simNode) bool { return n.Ordinal >= w.last.Servers })
	if len(w.nodes) < before {
		w.line("  ", "%d servers", len(w.nodes))
	}
}

func (w *clusterWorld) note() {
	status := w.last.Status
	var primaries []string
	for _, shard := range status.Shards {
		primaries = append(primaries, shard.Primary)
	}
	said := fmt.Sprintf("%s primaries=%s in-sync=%d/%d: %s", status.Reason, strings.Join(primaries, ","), status.InSync, status.Replicas, status.Message)
	w.record(said, w.last)
}

func (w *clusterWorld) settle() {
	w.t.Helper()
	well := 0
	for range 600 {
		w.tick()
		if well++; w.last.Status.Reason != Healthy || len(w.last.Steps) > 0 || w.last.Status.Changing {
			well = 0
		}
		if well == 10 {
			return
		}
	}
	w.t.Fatalf("it does not become well:\n%s", w.story())
}
