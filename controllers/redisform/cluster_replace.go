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
	patient := p.waited("primaries") >= p.wanted.Timing.Patience
	majority := len(v.shards)-len(lost) > len(v.shards)/2
	for _, shard := range lost {
		gone := p.gone(v, v.peers[shard.ID])
		away := slices.ContainsFunc(shard.Away, func(peer Peer) bool { return !p.gone(v, peer) })
		best := p.successor(shard, gone && !away)
		switch {
		case best == nil || !gone && !patient:
		case majority && (gone || v.peers[shard.ID].Failed):
			p.do(Step{Action: TakeOver, Member: best.Name, Value: Forced, Why: "its primary is away, and no replica was elected"})
		case gone:
			p.do(Step{Action: TakeOver, Member: best.Name, Value: Unasked, Why: "its primary is gone for good, and so are most others"})
		}
	}
	return troubles
}

// successor is the replica with the most data of those that had all; or, if there is nobody else to wait for, of any.
func (p *planner) successor(shard *shardView, whoever bool) *Server {
	candidates := slices.DeleteFunc(slices.Clone(shard.Replicas), func(s *Server) bool {
		return s.Ending || !whoever && p.memory.HadData && s.Keys == 0 && !slices.Contains(p.memory.InSync, s.Name)
	})
	if len(candidates) == 0 {
		return nil
	}
	return slices.MaxFunc(candidates, func(a, b *Server) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Keys, b.Keys), cmp.Compare(b.Ordinal, a.Ordinal))
	})
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
