package redisform

import (
	"slices"
	"time"
)

// Outcome is what to do now, and how things are.
type Outcome struct {
	// Steps are to be carried out in this order, whether others fail or not: the next plan sees what became of them.
	Steps []Step
	// Replace are the names of pods to delete now, so that they come back as they should be.
	Replace []string
	// Servers and Sentinels are how many pods there may be now. Fewer than there are: the last ones can go.
	Servers, Sentinels int
	// Again is when to look again.
	Again time.Duration
	// Status is for users.
	Status Status
	// Memory is to be given to the next plan.
	Memory Memory
}

// How soon to look again: soon while something is on its way, seldom while all is well.
const (
	soon   = time.Second
	seldom = 10 * time.Second
)

// Plan decides what to do now. It never waits: what needs time is seen by a later plan.
func Plan(now time.Time, facts Facts, wanted Wanted, memory Memory) Outcome {
	wanted.Timing = wanted.Timing.withDefaults()
	p := &planner{now: now, facts: facts, wanted: wanted, memory: memory}
	p.out.Memory, p.out.Memory.Waits = memory, nil // a wait goes on if this plan waits too
	p.out.Servers, p.out.Sentinels = p.present(facts.servers()), p.present(facts.sentinels())
	if wanted.Form == Cluster {
		p.planCluster()
	} else {
		p.planSentinel()
	}
	p.do(p.later...)
	p.replaceBroken()
	p.upkeep()
	p.out.Status.Changing = p.unsettled()
	p.summarise()
	return p.out
}

// planner is one call of Plan.
type planner struct {
	now    time.Time
	facts  Facts
	wanted Wanted
	memory Memory
	out    Outcome
	// later are steps to be done after all others.
	later []Step
}

func (p *planner) do(steps ...Step) { p.out.Steps = append(p.out.Steps, steps...) }

// waitFor tells for how long plans have waited for a cause without a break. A plan may wait for several.
func (p *planner) waitFor(cause string) time.Duration {
	since, waits := p.memory.Waits[cause]
	if !waits {
		since = p.now
	}
	if p.out.Memory.Waits == nil {
		p.out.Memory.Waits = map[string]time.Time{}
	}
	p.out.Memory.Waits[cause] = since
	return p.now.Sub(since)
}

// is sets how things are, as the first to know says it.
func (p *planner) is(reason Reason, message string) {
	if p.out.Status.Reason == "" {
		p.out.Status.Reason, p.out.Status.Message = reason, message
	}
}

// present is how many pods there must be so that none goes that is there.
func (p *planner) present(members []Member) int {
	count := 0
	for _, member := range members {
		if member.Wanted || member.Address != "" {
			count = max(count, member.Ordinal+1)
		}
	}
	return count
}

func (f Facts) servers() []Member {
	members := make([]Member, len(f.Servers))
	for i, server := range f.Servers {
		members[i] = server.Member
	}
	return members
}

func (f Facts) sentinels() []Member {
	members := make([]Member, len(f.Sentinels))
	for i, sentinel := range f.Sentinels {
		members[i] = sentinel.Member
	}
	return members
}

func countWanted(members []Member) int {
	count := 0
	for _, member := range members {
		if member.Wanted {
			count++
		}
	}
	return count
}

// server finds one by what others call it.
func (f Facts) server(endpoint string) *Server {
	at := slices.IndexFunc(f.Servers, func(s Server) bool { return s.Endpoint() == endpoint })
	if at < 0 {
		return nil
	}
	return &f.Servers[at]
}
