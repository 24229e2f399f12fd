package redisform

import (
	"cmp"
	"slices"
)

// replaceOwners replaces primaries that are away where the nodes cannot do it themselves. They do where most primaries are
// there and a replica was in touch with its primary lately; but not where another node answers at the address of the old
// one: they do not take that for away then, but only for unknown.
func (p *planner) replaceOwners(v *clusterView) (troubles []string) {
	var lost []*shardView
	for i := range v.shards {
		if v.shards[i].Primary == nil {
			lost = append(lost, &v.shards[i])
			troubles = append(troubles, "the primary of "+p.nameOf(v, v.shards[i].ID)+" is away")
		}
	}
	if len(lost) == 0 || slices.ContainsFunc(p.facts.Servers, func(s Server) bool { return s.Loading }) {
		return troubles
	}
	patient := p.waitFor("primaries") >= p.wanted.Timing.Patience
	majority := len(v.shards)-len(lost) > len(v.shards)/2
	for _, shard := range lost {
		switch gone := p.gone(v, v.peers[shard.ID]); {
		case (gone || patient) && len(shard.Replicas) > 0:
			troubles = append(troubles, p.replaceOwner(v, shard, gone, majority)...)
		case patient && !gone && majority: // nobody there could take over
			p.is(WaitingForData, "all servers of the shard of "+p.nameOf(v, shard.ID)+" are away")
		}
	}
	return troubles
}

// replaceOwner replaces the primary of a shard, which is gone for good or has been away for long; majority tells whether most
// primaries are there.
func (p *planner) replaceOwner(v *clusterView, shard *shardView, gone, majority bool) (troubles []string) {
	away := slices.ContainsFunc(shard.Away, func(peer Peer) bool { return !p.gone(v, peer) })
	best := p.successor(shard, gone && !away || p.wanted.AcceptLoss)
	switch {
	case best == nil:
		waits := "no replica that answers had all data of " + p.nameOf(v, shard.ID)
		if majority {
			p.is(WaitingForData, waits)
		}
		return []string{waits}
	case majority && (gone || v.peers[shard.ID].Failed):
		p.do(Step{Action: TakeOver, Member: best.Name, Value: Forced, Why: "its primary is away, and no replica was elected"})
	case gone:
		p.do(Step{Action: TakeOver, Member: best.Name, Value: Unasked, Why: "its primary is gone for good, and so are most others"})
	case p.wanted.AcceptLoss && !majority && p.missed(shard.ID):
		p.do(Step{Action: TakeOver, Member: best.Name, Value: Unasked, Why: "the loss of what its primary and most others may have is accepted"})
	}
	return nil
}

// missed tells whether other nodes miss one too: whom only the operator does not reach is at work.
func (p *planner) missed(id string) bool {
	return slices.ContainsFunc(p.nodes(), func(server *Server) bool {
		peer := server.Node.peer(id)
		return peer != nil && (peer.Suspected || peer.Failed)
	})
}

// successor is the replica with the most data of those that had all; or, if there is nobody else to wait for, of any.
func (p *planner) successor(shard *shardView, whoever bool) *Server {
	candidates := slices.DeleteFunc(slices.Clone(shard.Replicas), func(s *Server) bool {
		return s.Ending || !whoever && !p.mayTakeOver(s)
	})
	if len(candidates) == 0 {
		return nil
	}
	return slices.MaxFunc(candidates, func(a, b *Server) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Keys, b.Keys), cmp.Compare(b.Ordinal, a.Ordinal))
	})
}

// mayTakeOver tells whether a replica had all data when its primary was last seen. Another one may have a lot, and still miss what was
// written since its link broke: all servers of the shard would lose that.
func (p *planner) mayTakeOver(replica *Server) bool {
	return !p.out.Memory.HadData || slices.Contains(p.out.Memory.InSync, replica.Name)
}

// nameOf is what users call a node.
func (p *planner) nameOf(v *clusterView, id string) string {
	if server := v.servers[id]; server != nil {
		return server.Name
	}
	if host := v.peers[id].Host; host != "" {
		return host
	}
	return id
}
