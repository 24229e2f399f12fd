package redisform

import (
	"slices"
	"strconv"
)

// watch makes all Sentinels watch primary and nothing else.
func (p *planner) watch(primary *Server) {
	for _, observer := range p.facts.Sentinels {
		if !observer.Reached || observer.Ending {
			continue
		}
		for _, monitor := range observer.Monitors {
			if monitor.Name != p.wanted.Name || p.facts.server(monitor.Primary) == nil {
				p.do(Step{Action: Unwatch, Member: observer.Name, Name: monitor.Name, Why: "it is none of the servers here"})
			}
		}
		monitor := observer.monitor(p.wanted.Name)
		if observer.Wanted && (monitor == nil || p.facts.server(monitor.Primary) == nil) {
			p.do(p.watching(observer, primary))
		}
	}
}

func (p *planner) watching(observer Observer, primary *Server) Step {
	return Step{Action: Watch, Member: observer.Name, Target: primary.Name, Name: p.wanted.Name, Quorum: p.wanted.Quorum}
}

// point makes a Sentinel watch a primary that it would not find by itself.
func (p *planner) point(observer Observer, primary *Server, why string) {
	if observer.monitor(p.wanted.Name) != nil {
		p.do(Step{Action: Unwatch, Member: observer.Name, Name: p.wanted.Name, Why: why})
	}
	p.do(p.watching(observer, primary))
}

// keepSentinels makes all Sentinels watch the primary in the same way, and know each other and the replicas, and nobody
// who is gone. It returns what is missing.
func (p *planner) keepSentinels(v view) (troubles []string) {
	p.watch(v.primary)
	stale := ""
	for _, observer := range p.facts.Sentinels {
		if !observer.Wanted {
			continue
		}
		trouble := p.keepSentinel(v, observer)
		if trouble != "" {
			troubles = append(troubles, observer.Name+" "+trouble)
		}
		if trouble == "" && stale == "" && p.staleIn(observer) {
			stale = observer.Name
		}
	}
	// One at a time, and none while another does not know all: it knows nobody for some seconds.
	if stale != "" && len(troubles) == 0 && p.out.Status.InSync >= p.out.Status.Replicas {
		p.do(Step{Action: Refresh, Member: stale, Name: p.wanted.Name, Why: "it counts some that are gone"})
	}
	return troubles
}

func (p *planner) keepSentinel(v view, observer Observer) (trouble string) {
	monitor := observer.monitor(p.wanted.Name)
	switch {
	case !observer.Reached:
		return "does not answer"
	case monitor == nil || p.facts.server(monitor.Primary) == nil:
		return "begins to watch"
	case monitor.Primary != v.primary.Endpoint():
		// The others tell it, unless it cannot hear them.
		if p.waitFor("views") >= p.wanted.Timing.Patience {
			p.point(observer, v.primary, "it has watched another primary for long")
		}
		return "watches another primary"
	}
	p.tune(observer, monitor)
	for _, other := range p.facts.Sentinels {
		if other.Wanted && other.Reached && other.Name != observer.Name && !monitor.hears(other) {
			return "does not know " + other.Name
		}
	}
	for _, server := range p.facts.Servers {
		if server.Wanted && server.Name != v.primary.Name && !p.seesElectable(monitor, server) {
			return "has not yet heard that " + server.Name + " is electable"
		}
	}
	return ""
}

func (m Monitor) hears(other Observer) bool {
	return slices.ContainsFunc(m.Others, func(known KnownSentinel) bool { return known.ID == other.ID })
}

func (p *planner) seesElectable(monitor *Monitor, server Server) bool {
	return slices.ContainsFunc(monitor.Replicas, func(known KnownReplica) bool {
		return known.Endpoint == server.Endpoint() && known.RunID == server.RunID && known.Electable && known.Priority > 0
	})
}

// tune changes what was decided after the Sentinel began to watch.
func (p *planner) tune(observer Observer, monitor *Monitor) {
	option := func(key string, is, wanted int64) {
		if is != wanted {
			p.do(Step{Action: Tune, Member: observer.Name, Name: p.wanted.Name, Key: key, Value: strconv.FormatInt(wanted, 10)})
		}
	}
	option("quorum", int64(monitor.Quorum), int64(p.wanted.Quorum))
	option("down-after-milliseconds", monitor.DownAfter.Milliseconds(), p.wanted.Timing.DownAfter.Milliseconds())
	option("failover-timeout", monitor.FailoverTimeout.Milliseconds(), p.wanted.Timing.FailoverTimeout.Milliseconds())
}

// staleIn tells whether a Sentinel counts Sentinels or replicas that are gone for good.
func (p *planner) staleIn(observer Observer) bool {
	monitor := observer.monitor(p.wanted.Name)
	return slices.ContainsFunc(monitor.Replicas, func(known KnownReplica) bool { return p.facts.server(known.Endpoint) == nil }) ||
		slices.ContainsFunc(monitor.Others, func(known KnownSentinel) bool {
			return !slices.ContainsFunc(p.facts.Sentinels, func(other Observer) bool {
				return other.Reached && other.ID == known.ID || !other.Reached && other.Endpoint() == known.Endpoint
			})
		})
}

// known tells whether a Sentinel knows the server as a replica.
func (p *planner) known(server *Server) bool {
	for _, observer := range p.facts.Sentinels {
		if monitor := observer.monitor(p.wanted.Name); observer.Reached && monitor != nil && monitor.knows(server.Endpoint()) {
			return true
		}
	}
	return false
}

func (m Monitor) knows(endpoint string) bool {
	return slices.ContainsFunc(m.Replicas, func(known KnownReplica) bool { return known.Endpoint == endpoint })
}
