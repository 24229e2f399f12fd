package redisform

// rollSentinelForm replaces pods that are outdated and lets go of those that are not wanted: one at a time, replicas
// first, and the primary after a planned fail-over. Well tells that nothing is missing now.
func (p *planner) rollSentinelForm(v view, well bool) {
	primary := v.primary
	if primary.Ending {
		p.handOver(v)
		return
	}
	if !well || len(p.out.Steps) > 0 {
		return
	}
	switch sentinel, replica := p.outdatedSentinel(), p.outdatedServer(func(s *Server) bool { return s.Name != primary.Name }); {
	case !primary.Wanted:
		p.handOver(v)
	case p.letGo():
	case sentinel != "":
		p.out.Replace = append(p.out.Replace, sentinel)
	case replica != "":
		p.out.Replace = append(p.out.Replace, replica)
	case primary.Outdated && p.out.Status.Replicas == 0:
		p.out.Replace = append(p.out.Replace, primary.Name)
	case primary.Outdated:
		p.handOver(v)
	}
}

// handOver makes a replica the primary without losing a write.
func (p *planner) handOver(v view) {
	if elector := p.elector(v.primary); elector != nil {
		p.do(Step{Action: Switch, Member: v.primary.Name, Target: elector.Name, Name: p.wanted.Name, Why: "its pod is to be replaced"})
	}
}
