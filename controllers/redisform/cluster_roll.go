package redisform

// rollCluster replaces pods that are outdated and lets go of those that are not wanted: one at a time, replicas first,
// and primaries after a planned fail-over. Well tells that nothing is missing now.
func (p *planner) rollCluster(v *clusterView, well bool) {
	for i := range v.shards {
		if primary := v.shards[i].Primary; primary != nil && primary.Ending {
			p.takeOver(&v.shards[i])
			return
		}
	}
	if !well || len(p.out.Steps) > 0 {
		return
	}
	for i := range v.shards {
		if !v.shards[i].Primary.Wanted {
			p.takeOver(&v.shards[i])
			return
		}
	}
	if p.letGo() {
		return
	}
	if replica := p.outdatedServer(func(s *Server) bool { return !v.owns(s.Node.ID) }); replica != "" {
		p.out.Replace = append(p.out.Replace, replica)
		return
	}
	for i := range v.shards {
		shard := &v.shards[i]
		if !shard.Primary.Outdated {
			continue
		}
		if len(shard.Replicas) == 0 {
			p.out.Replace = append(p.out.Replace, shard.Primary.Name)
		} else {
			p.takeOver(shard)
		}
		return
	}
	p.spreadPrimaries(v)
}

// takeOver hands a shard over to a replica. The primary takes part, so that no write is lost.
func (p *planner) takeOver(shard *shardView) {
	for _, replica := range shard.inSync() {
		if replica.Wanted && !replica.Ending {
			p.do(Step{Action: TakeOver, Member: replica.Name, Value: Coordinated, Why: "the pod of " + shard.Primary.Name + " is to be replaced"})
			return
		}
	}
}
