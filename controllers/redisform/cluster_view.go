package redisform

import (
	"cmp"
	"slices"
)

// clusterView is what all nodes that answer say together.
type clusterView struct {
	// seed is the node from which the others are introduced; nil if none answers but those that end.
	seed *Server
	// servers are those that answered, by their IDs, without strangers.
	servers map[string]*Server
	// strangers have slots of another Cluster: they must not be mixed with these here.
	strangers []*Server
	// peers is the best row that there is for each ID: a node's own, or else the one with the highest epoch.
	peers map[string]Peer
	// parts are the slots by who owns them.
	parts []part
	// shards by their first slots.
	shards []shardView
}

// shardView is a primary that owns slots, with its replicas.
type shardView struct {
	ID    string
	Slots []SlotRange
	// Primary is nil if it does not answer, or is not a primary.
	Primary *Server
	// Replicas are those that answer.
	Replicas []*Server
	// Away are replicas that do not.
	Away []Peer
}

func (p *planner) lookAtCluster() *clusterView {
	v := &clusterView{servers: make(map[string]*Server), peers: make(map[string]Peer)}
	nodes := p.nodes()
	for _, server := range nodes {
		if !server.Ending && (v.seed == nil || len(server.Node.Table) > len(v.seed.Node.Table)) {
			v.seed = server
		}
	}
	for _, server := range nodes {
		if v.seed != nil && stranger(v.seed.Node, server.Node) {
			v.strangers = append(v.strangers, server)
		} else {
			v.servers[server.Node.ID] = server
		}
	}
	for _, server := range nodes {
		if v.servers[server.Node.ID] != nil {
			v.learn(server.Node)
		}
	}
	v.share()
	return v
}

// nodes are the servers that answered.
func (p *planner) nodes() []*Server {
	var nodes []*Server
	for i := range p.facts.Servers {
		if server := &p.facts.Servers[i]; server.Reached && server.Node != nil {
			nodes = append(nodes, server)
		}
	}
	return nodes
}

// stranger tells whether a node is of a Cluster that has no node in common with that of the seed.
func stranger(seed, node *Node) bool {
	return node != seed && len(seed.Table) > 1 && len(node.Table) > 1 &&
		!slices.ContainsFunc(node.Table, func(peer Peer) bool { return seed.peer(peer.ID) != nil })
}

func (v *clusterView) learn(node *Node) {
	for _, peer := range node.Table {
		known, seen := v.peers[peer.ID]
		own := v.servers[peer.ID] != nil
		switch {
		case peer.Handshake, own && peer.ID != node.ID:
		case !seen || peer.Epoch > known.Epoch:
			peer.Failed = peer.Failed || known.Failed
			v.peers[peer.ID] = peer
		case peer.Failed:
			known.Failed = true
			v.peers[peer.ID] = known
		}
	}
}

// share finds who owns each slot: of several who claim it the one with the highest epoch, as the nodes themselves will find.
func (v *clusterView) share() {
	ids := sortedIDs(v.peers)
	slices.SortStableFunc(ids, func(a, b string) int { return cmp.Compare(v.peers[a].Epoch, v.peers[b].Epoch) })
	var owners [Slots]int // one more than the index of the ID; 0 is nobody
	for at, id := range ids {
		peer := v.peers[id]
		if peer.Primary != "" {
			continue
		}
		for _, claimed := range peer.Slots {
			for slot := max(claimed.First, 0); slot <= min(claimed.Last, Slots-1); slot++ {
				owners[slot] = at + 1
			}
		}
	}
	last := -1
	for slot, owner := range owners {
		if owner == last {
			v.parts[len(v.parts)-1].slots.Last = slot
			continue
		}
		last = owner
		id := ""
		if owner > 0 {
			id = ids[owner-1]
		}
		v.parts = append(v.parts, part{id, SlotRange{slot, slot}})
	}
	v.divide()
}

// divide finds the shards that the parts make.
func (v *clusterView) divide() {
	for _, part := range v.parts {
		if part.owner == "" {
			continue
		}
		at := slices.IndexFunc(v.shards, func(s shardView) bool { return s.ID == part.owner })
		if at < 0 {
			at = len(v.shards)
			v.shards = append(v.shards, v.shard(part.owner))
		}
		v.shards[at].Slots = append(v.shards[at].Slots, part.slots)
	}
}

func (v *clusterView) shard(id string) shardView {
	shard := shardView{ID: id}
	if server := v.servers[id]; server != nil && server.Primary {
		shard.Primary = server
	}
	for _, other := range sortedIDs(v.peers) {
		if v.peers[other].Primary != id {
			continue
		}
		if server := v.servers[other]; server != nil {
			shard.Replicas = append(shard.Replicas, server)
		} else {
			shard.Away = append(shard.Away, v.peers[other])
		}
	}
	slices.SortFunc(shard.Replicas, func(a, b *Server) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return shard
}

// shardOf finds the shard of a node; nil if it has none.
func (v *clusterView) shardOf(id string) *shardView {
	at := slices.IndexFunc(v.shards, func(s shardView) bool { return s.ID == id || v.peers[id].Primary == s.ID })
	if at < 0 {
		return nil
	}
	return &v.shards[at]
}

func (v *clusterView) owns(id string) bool {
	return slices.ContainsFunc(v.shards, func(s shardView) bool { return s.ID == id })
}

// slots is how many a shard has.
func (s *shardView) slots() int {
	count := 0
	for _, part := range s.Slots {
		count += part.Last - part.First + 1
	}
	return count
}

// inSync are the replicas that have all data of the primary.
func (s *shardView) inSync() []*Server {
	var all []*Server
	for _, replica := range s.Replicas {
		if s.Primary != nil && replica.LinkUp {
			all = append(all, replica)
		}
	}
	return all
}

// part is slots that one node owns, or nobody.
type part struct {
	owner string
	slots SlotRange
}

func sortedIDs(peers map[string]Peer) []string {
	ids := make([]string, 0, len(peers))
	for id := range peers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// knows tells whether a node knows another one, and is past the first handshake.
func (n *Node) knows(id string) bool {
	peer := n.peer(id)
	return peer != nil && !peer.Handshake
}

func (n *Node) peer(id string) *Peer {
	at := slices.IndexFunc(n.Table, func(peer Peer) bool { return peer.ID == id })
	if at < 0 {
		return nil
	}
	return &n.Table[at]
}

// blank tells whether a node is not part of any Cluster.
func (n *Node) blank() bool {
	return len(n.Table) <= 1 && (len(n.Table) == 0 || len(n.Table[0].Slots) == 0)
}
