package redisform

func (p *planner) planCluster() {}
