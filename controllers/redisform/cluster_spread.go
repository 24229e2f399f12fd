package redisform

// spreadPrimaries keeps most primaries from being on one machine: if that was lost, the others could elect nobody, and all shards
// would be without service until it is back. One shard at a time is handed over to a replica on a machine that can bear it.
func (p *planner) spreadPrimaries(v *clusterView) {
	primaries := make(map[string]int)
	for i := range v.shards {
		primaries[v.shards[i].Primary.Machine]++
	}
	vital := func(count int) bool { return len(v.shards)-count <= len(v.shards)/2 }
	for i := range v.shards {
		shard := &v.shards[i]
		machine := shard.Primary.Machine
		if machine == "" || !vital(primaries[machine]) {
			continue
		}
		for _, replica := range shard.inSync() {
			if replica.Wanted && !replica.Ending && replica.Machine != "" && !vital(primaries[replica.Machine]+1) {
				p.is(Degraded, "most primaries are on "+machine)
				p.do(Step{Action: TakeOver, Member: replica.Name, Value: Coordinated, Why: "most primaries are on " + machine})
				return
			}
		}
	}
}
