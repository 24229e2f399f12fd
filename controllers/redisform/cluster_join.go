package redisform

import "slices"

// joinShards makes those nodes replicas that have no shard, and evens out how many replicas each has. It returns what is
// missing.
func (p *planner) joinShards(v *clusterView, complete bool) (troubles []string) {
	if len(v.shards) < p.wanted.Shards {
		return nil
	}
	counts := p.replicas(v)
	for _, server := range p.nodes() {
		if !server.Wanted || v.servers[server.Node.ID] != server || v.owns(server.Node.ID) {
			continue
		}
		switch shard := v.shardOf(server.Node.ID); {
		case shard == nil && server.Primary && server.Keys > 0:
			troubles = append(troubles, server.Name+" has data of no shard: delete its volume if they are not needed")
		case shard == nil:
			target := p.poorest(v, counts, server.Ordinal)
			counts[target.ID]++
			p.replicate(server, target)
			troubles = append(troubles, server.Name+" joins a shard")
		case !server.LinkUp && shard.Primary != nil:
			troubles = append(troubles, server.Name+" gets the data")
		}
	}
	if complete && len(troubles) == 0 { // those that are away may be replicas of the poorest
		return p.even(v, counts)
	}
	return troubles
}

// replicas is how many each shard has, those included that are away for now.
func (p *planner) replicas(v *clusterView) map[string]int {
	counts := make(map[string]int)
	for _, shard := range v.shards {
		for _, replica := range shard.Replicas {
			if replica.Wanted {
				counts[shard.ID]++
			}
		}
		for _, away := range shard.Away {
			if !p.gone(v, away) {
				counts[shard.ID]++
			}
		}
	}
	return counts
}

// giveData lets those give their data to others that have those of a shard.
func (p *planner) giveData(v *clusterView) {
	for i := range v.shards {
		shard := &v.shards[i]
		having := shard.inSync()
		if shard.Primary != nil {
			having = append(having, shard.Primary)
		}
		for _, server := range having {
			if is, known := server.Settings[SyncDelay]; known && is != giveNow {
				p.do(Step{Action: Set, Member: server.Name, Key: SyncDelay, Value: giveNow, Why: "it has the data of a shard"})
			}
		}
	}
}

// poorest is the shard with the fewest replicas, and of several the one that the number says.
func (p *planner) poorest(v *clusterView, counts map[string]int, ordinal int) *shardView {
	best := &v.shards[ordinal%len(v.shards)]
	for i := range v.shards {
		if shard := &v.shards[i]; counts[shard.ID] < counts[best.ID] {
			best = shard
		}
	}
	return best
}

func (p *planner) replicate(server *Server, shard *shardView) {
	if shard.Primary == nil || !server.Node.knows(shard.ID) {
		return // a replica that has never seen its primary must not be there to be elected
	}
	p.do(Step{Action: Replicate, Member: server.Name, Target: shard.ID, Why: "the shard of " + shard.Primary.Name + " has the fewest replicas"})
}

// even moves a replica from a shard that has two more than another one.
func (p *planner) even(v *clusterView, counts map[string]int) (troubles []string) {
	poor := p.poorest(v, counts, 0)
	for i := range v.shards {
		rich := &v.shards[i]
		if counts[rich.ID] < counts[poor.ID]+2 || rich.Primary == nil {
			continue
		}
		wanted := slices.DeleteFunc(slices.Clone(rich.Replicas), func(s *Server) bool { return !s.Wanted })
		if len(wanted) > 0 {
			moved := wanted[len(wanted)-1]
			p.replicate(moved, poor)
			return []string{moved.Name + " moves to a shard with fewer replicas"}
		}
	}
	return nil
}

// gone tells whether a node is away for good: the server of its name is another one now, or there is none.
func (p *planner) gone(v *clusterView, peer Peer) bool {
	if v.servers[peer.ID] != nil {
		return false
	}
	if peer.Host == "" {
		return false // nobody knows which server it is
	}
	for _, server := range p.facts.Servers {
		if server.Host == peer.Host && server.Port == peer.Port || server.Host == peer.Host && peer.Port == 0 {
			return server.Reached && server.Node != nil && server.Node.ID != peer.ID
		}
	}
	return true
}

// forgetGone makes all nodes forget those who are gone for good, unless they have what nobody else has.
func (p *planner) forgetGone(v *clusterView) (troubles []string) {
	for _, id := range sortedIDs(v.peers) {
		peer := v.peers[id]
		if !p.gone(v, peer) {
			continue
		}
		troubles = append(troubles, "the last node at "+peer.Host+" is to be forgotten")
		if shard := v.shardOf(id); shard != nil && shard.ID == id && p.replaceable(v, shard) {
			continue
		}
		for _, server := range p.nodes() {
			if server.Node.peer(id) != nil {
				p.do(Step{Action: Forget, Member: server.Name, Target: id, Why: "the server at " + peer.Host + " is another one now"})
			}
		}
	}
	return troubles
}

// replaceable tells whether a shard has a replica that could be its primary.
func (p *planner) replaceable(v *clusterView, shard *shardView) bool {
	return len(shard.Replicas) > 0 || slices.ContainsFunc(shard.Away, func(peer Peer) bool { return !p.gone(v, peer) })
}
