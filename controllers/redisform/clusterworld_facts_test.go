package redisform

import (
	"slices"
	"strconv"
)

// facts are what the operator sees of the world.
func (w *clusterWorld) facts() Facts {
	var facts Facts
	for _, n := range w.nodes {
		server := Server{Member: n.Member}
		if n.there() {
			server.Answer = Answer{Reached: true, RunID: n.run, Version: "7.0.15"}
			server.Primary, server.LinkUp = n.primary == "", n.linked
			server.Keys, server.Offset = int64(total(n.data)), int64(total(n.data))
			server.Node = w.view(n)
		}
		facts.Servers = append(facts.Servers, server)
	}
	return facts
}

func (w *clusterWorld) view(n *simNode) *Node {
	node := &Node{ID: n.id, Healthy: len(n.known) > 0 && w.votes(n), Epoch: n.epoch}
	node.Table = append(node.Table, Peer{
		ID: n.id, Host: n.Host, IP: n.IP, Port: n.Port, Primary: n.primary, Connected: true, Epoch: n.epoch, Slots: n.slots,
	})
	for _, id := range sortedKeys(n.known) {
		peer := Peer{ID: id, IP: n.known[id], Port: 6379}
		for _, other := range w.nodes {
			known := other.identity
			if other.kept.id == id && other.id != id {
				known = other.kept
			}
			if known.id != id {
				continue
			}
			peer.Host, peer.Primary, peer.Epoch, peer.Slots = other.Host, known.primary, known.epoch, known.slots
			peer.Connected = other.id == id && talk(n, other)
			peer.Suspected = !peer.Connected
			peer.Failed = !peer.Connected && w.votes(n) && len(known.slots) > 0
		}
		if peer.Host == "" {
			peer.Host = "removed.demo"
		}
		if w.superseded(peer) {
			peer.Slots = nil
		}
		node.Table = append(node.Table, peer)
	}
	return node
}

// superseded tells whether somebody with a higher epoch has the slots.
func (w *clusterWorld) superseded(peer Peer) bool {
	return len(peer.Slots) > 0 && slices.ContainsFunc(w.nodes, func(n *simNode) bool {
		return n.id != peer.ID && len(n.slots) > 0 && n.slots[0] == peer.Slots[0] && n.epoch > peer.Epoch
	})
}

// carry does to the world what the hands do to Redis.
func (w *clusterWorld) carry(step Step) {
	n := w.node(step.Member)
	if !n.there() {
		return
	}
	switch step.Action {
	case Number:
		if len(n.known) == 0 {
			n.epoch, _ = strconv.ParseInt(step.Value, 10, 64)
		}
	case Assign:
		n.slots = append(n.slots, step.Slots)
	case Meet:
		if other := w.node(step.Target); other.there() {
			delete(n.forgotten, other.id)
			n.known[other.id], other.known[n.id] = other.address, n.address
		}
	case Replicate:
		if n.primary != "" || total(n.data) == 0 && len(n.slots) == 0 {
			n.primary, n.linked, n.unlinked = step.Target, false, simValidity+1
		}
	case Forget:
		delete(n.known, step.Target)
		n.forgotten[step.Target] = true
	case TakeOver:
		if step.Value == Coordinated && !n.linked {
			return
		}
		old := w.byID(n.primary)
		w.promote(n)
		if step.Value == Coordinated && old != nil && n.primary == "" {
			old.slots, old.primary = nil, n.id
		}
	default:
		w.t.Fatalf("the world does not know %s", step)
	}
}
