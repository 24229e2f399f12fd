package redisform

// unsettled tells whether pods are not as they should be, or there are too many, or servers show an old certificate.
func (p *planner) unsettled() bool {
	for i := range p.facts.Servers {
		if server := &p.facts.Servers[i]; server.Outdated || !server.Wanted || p.showsAnother(server) {
			return true
		}
	}
	for _, sentinel := range p.facts.Sentinels {
		if sentinel.Outdated || !sentinel.Wanted {
			return true
		}
	}
	return false
}

// letGo allows pods that are not wanted to go, and tells whether there are such.
func (p *planner) letGo() bool {
	servers, sentinels := countWanted(p.facts.servers()), countWanted(p.facts.sentinels())
	fewer := servers < p.out.Servers || sentinels < p.out.Sentinels
	p.out.Servers, p.out.Sentinels = servers, sentinels
	return fewer
}

// replaceBroken replaces a pod that does not work and may when it is as it should be, or does not work with the operator, because the
// passwords that it knows were lost: waiting for it to work would be waiting forever. An exchange of passwords outdates no pod. The
// last primary stays if its memory is all there is of the data.
func (p *planner) replaceBroken() {
	if len(p.out.Replace) > 0 {
		return
	}
	broken := func(member Member, answer Answer) bool {
		return member.Wanted && member.Outdated && (member.Failing || answer.Refused) && !member.Ending && !answer.Reached && !answer.Loading
	}
	for _, sentinel := range p.facts.Sentinels {
		if broken(sentinel.Member, sentinel.Answer) {
			p.out.Replace = append(p.out.Replace, sentinel.Name)
			return
		}
	}
	for _, server := range p.facts.Servers {
		irreplaceable := server.Name == p.out.Memory.Primary && !p.wanted.Persistent
		if broken(server.Member, server.Answer) && !irreplaceable {
			p.out.Replace = append(p.out.Replace, server.Name)
			return
		}
	}
}

func (p *planner) outdatedSentinel() string {
	for i := len(p.facts.Sentinels) - 1; i >= 0; i-- {
		if sentinel := &p.facts.Sentinels[i]; sentinel.Wanted && sentinel.Outdated && !sentinel.Ending {
			return sentinel.Name
		}
	}
	return ""
}

// outdatedServer finds the one with the highest number among those that may be replaced.
func (p *planner) outdatedServer(may func(*Server) bool) string {
	for i := len(p.facts.Servers) - 1; i >= 0; i-- {
		if server := &p.facts.Servers[i]; server.Wanted && server.Outdated && !server.Ending && may(server) {
			return server.Name
		}
	}
	return ""
}
