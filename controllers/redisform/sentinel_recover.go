package redisform

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// recover finds a primary when Sentinels cannot: all servers have started again, or for the first time, and nobody may
// choose one of them before all who may have the newest data were heard. The one that gone was is nil if no Sentinel
// remembers any.
func (p *planner) recover(gone *Server) {
	best, why := p.choose(gone)
	if best == nil {
		reason := WaitingForData
		if !p.memory.Formed {
			reason = Forming
		}
		p.is(reason, why)
		return
	}
	reason := FailingOver
	if !p.memory.Formed {
		reason = Forming
	}
	p.is(reason, best.Name+" becomes the primary")
	switch {
	case gone == nil || best.Name == gone.Name:
		p.do(Step{Action: Promote, Member: best.Name, Why: why})
	case best.Primary || !p.known(best):
		p.promoteUnelectable(best, why)
	case best.Priority == neverPriority:
		// The Sentinels do the rest once they have heard of it.
		p.do(Step{Action: Elect, Member: best.Name, Value: strconv.Itoa(normalPriority), Why: why})
	case p.waitFor("choice") >= p.wanted.Timing.Patience: // most of them may watch something else
		p.promoteUnelectable(best, why+", and the Sentinels do not choose it")
	}
}

// promoteUnelectable is for a server that Sentinels would never choose: because the primary was lost before it could tell them of
// any replica, or because this one is a primary too, as one is that was cut off from the others. They would look for another
// for good.
func (p *planner) promoteUnelectable(best *Server, why string) {
	if !best.Primary {
		p.do(Step{Action: Promote, Member: best.Name, Why: why})
		return
	}
	p.repoint(best, why)
}

// repoint makes all Sentinels watch a primary that they would not find by themselves.
func (p *planner) repoint(primary *Server, why string) {
	for _, observer := range p.facts.Sentinels {
		monitor := observer.monitor(p.wanted.Name)
		if observer.Reached && !observer.Ending && (monitor == nil || monitor.Primary != primary.Endpoint()) {
			p.point(observer, primary, primary.Name+" is the primary: "+why)
		}
	}
}

// choose returns the server that has the newest data, and why it is, or nil and why that is not known yet.
func (p *planner) choose(gone *Server) (best *Server, why string) {
	candidates, loading, away := p.candidates()
	if len(loading) > 0 {
		return nil, "waits for what " + strings.Join(loading, ", ") + " will have loaded"
	}
	waiting := "waits for the data that " + strings.Join(away, ", ") + " may have"
	if len(candidates) == 0 {
		return nil, waiting
	}
	last := gone
	if last == nil {
		last = p.named(p.memory.Primary)
	}
	// A replica that is electable has not started again since it had all data. If its link broke while nobody took note, it is behind.
	fresh := func(s *Server) bool { return s.Priority > 0 && !p.behind(s) }
	best = slices.MaxFunc(candidates, func(a, b *Server) int {
		return cmp.Or(compareBool(a.Keys > 0, b.Keys > 0), compareBool(fresh(a), fresh(b)),
			compareBool(a == last, b == last), p.compare(a, b))
	})
	// Of a primary that it follows it cannot have more than that has.
	if primary := p.facts.server(best.Follows); best.LinkUp && primary != nil && primary.Reached && primary.Primary && !primary.Ending {
		best = primary
	}
	switch {
	case len(away) == 0:
		return best, "all servers answer, and none has newer data"
	case best == last && best.Keys > 0:
		return best, "it was the primary, and has its data"
	}
	if why := p.withoutOthers(best); why != "" {
		return best, why
	}
	return nil, waiting
}

// behind tells whether a Sentinel knows that a replica has had no link for too long.
func (p *planner) behind(server *Server) bool {
	return slices.ContainsFunc(p.watchers(), func(w watcher) bool {
		return slices.ContainsFunc(w.Replicas, func(known KnownReplica) bool { return known.Endpoint == server.Endpoint() && known.Behind })
	})
}

func (p *planner) candidates() (candidates []*Server, loading, away []string) {
	for i := range p.facts.Servers {
		switch server := &p.facts.Servers[i]; {
		case server.Loading:
			loading = append(loading, server.Name)
		case server.Reached && !server.Ending:
			candidates = append(candidates, server)
		case server.Wanted:
			away = append(away, server.Name)
		}
	}
	return candidates, loading, away
}

// withoutOthers is why to go on with the best of those that are there, though others are away; empty if that would be wrong.
func (p *planner) withoutOthers(best *Server) string {
	switch {
	case p.wanted.AcceptLoss:
		return "the loss of what others may have is accepted"
	case p.waitFor("data") < p.wanted.Timing.Patience:
		return ""
	case best.Keys > 0 && slices.Contains(p.memory.InSync, best.Name):
		return "it had all data when the primary was last seen"
	case !p.wanted.Persistent, p.memory.Formed && !p.memory.HadData:
		return "there are no data to wait for"
	}
	return ""
}

// compare says which of two servers is rather the one with the newest data.
func (p *planner) compare(a, b *Server) int {
	order := cmp.Or(
		compareBool(a.Keys > 0, b.Keys > 0),
		compareBool(a.Name == p.memory.Primary, b.Name == p.memory.Primary),
		compareBool(slices.Contains(p.memory.InSync, a.Name), slices.Contains(p.memory.InSync, b.Name)),
		cmp.Compare(a.Replicas, b.Replicas),
	)
	if order == 0 && a.History == b.History {
		order = cmp.Compare(a.Offset, b.Offset)
	}
	return cmp.Or(order, compareBool(a.Wanted, b.Wanted), cmp.Compare(a.Keys, b.Keys), cmp.Compare(b.Ordinal, a.Ordinal))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// named finds a server by its name.
func (p *planner) named(name string) *Server {
	at := slices.IndexFunc(p.facts.Servers, func(s Server) bool { return s.Name == name })
	if at < 0 {
		return nil
	}
	return &p.facts.Servers[at]
}
