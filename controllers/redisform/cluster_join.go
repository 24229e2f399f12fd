package redisform

import (
	"net"
	"slices"
	"strconv"
)

// joinShards makes nodes replicas in the shards that are theirs. It returns what is missing.
func (p *planner) joinShards(v *clusterView, complete bool) (troubles []string) {
	if len(v.shards) < p.wanted.Shards {
		return nil
	}
	for _, server := range p.nodes() {
		if !server.Wanted || v.servers[server.Node.ID] != server || v.owns(server.Node.ID) {
			continue
		}
		home := p.home(v, server)
		switch shard := v.shardOf(server.Node.ID); {
		case shard == nil && server.Primary && server.Keys > 0:
			troubles = append(troubles, server.Name+" has data of no shard: delete its volume if they are not needed")
		case shard == nil:
			p.replicate(server, home)
			troubles = append(troubles, server.Name+" joins its shard")
		case !server.LinkUp && shard.Primary != nil:
			troubles = append(troubles, server.Name+" gets the data")
			p.lead(server, shard)
		case shard != home && complete && len(troubles) == 0:
			p.replicate(server, home)
			troubles = append(troubles, server.Name+" moves to its shard")
		}
	}
	return troubles
}

// lead helps a replica that looks for its primary where that is not any more, though it knows better as a node: one that hears
// of the new address from another node does not tell its replication.
func (p *planner) lead(replica *Server, shard *shardView) {
	primary := shard.Primary
	known := replica.Node.peer(primary.Node.ID)
	address := net.JoinHostPort(primary.IP, strconv.Itoa(primary.Port))
	if replica.Follows != "" && replica.Follows != address && known != nil && known.IP == primary.IP {
		p.do(Step{Action: Replicate, Member: replica.Name, Target: shard.ID, Why: "it looks for " + primary.Name + " at the last address"})
	}
}

// home is the shard of a server: its number says which, so that each keeps those pods that were spread for it.
func (p *planner) home(v *clusterView, server *Server) *shardView {
	return &v.shards[server.Ordinal%p.wanted.Shards]
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

func (p *planner) replicate(server *Server, shard *shardView) {
	if shard.Primary == nil || !server.Node.knows(shard.ID) {
		return // a replica that has never seen its primary must not be there to be elected
	}
	p.do(Step{Action: Replicate, Member: server.Name, Target: shard.ID, Why: "its shard is that of " + shard.Primary.Name})
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
