package redisform

import "slices"

// view is what the Sentinels that answer say of the primary.
type view struct {
	// primary is whom the newest of them names; nil if none of them watches a member.
	primary *Server
	epoch   int64
	// agree are those that name it, reached those that answered, of the wanted ones.
	agree, reached int
	// failingOver: one of them replaces it just now.
	failingOver bool
	// down is how many of them take it for away.
	down int
}

// watcher is a Sentinel that answered and watches a member.
type watcher struct {
	*Observer
	*Monitor
}

func (p *planner) watchers() []watcher {
	var all []watcher
	for i := range p.facts.Sentinels {
		observer := &p.facts.Sentinels[i]
		monitor := observer.monitor(p.wanted.Name)
		if observer.Reached && monitor != nil && p.facts.server(monitor.Primary) != nil {
			all = append(all, watcher{observer, monitor})
		}
	}
	return all
}

// look finds what the Sentinels say: the view with the highest epoch counts, and of several such the one that most share.
func (p *planner) look() view {
	var v view
	for _, observer := range p.facts.Sentinels {
		if observer.Reached && observer.Wanted {
			v.reached++
		}
	}
	watchers := p.watchers()
	for _, w := range watchers {
		v.epoch = max(v.epoch, w.Epoch)
		v.failingOver = v.failingOver || w.FailingOver
	}
	votes := make(map[string]int)
	for _, w := range watchers {
		if w.Epoch == v.epoch {
			votes[w.Primary]++
		}
	}
	for i := range p.facts.Servers {
		server := &p.facts.Servers[i]
		if count := votes[server.Endpoint()]; count > 0 && (v.primary == nil || count > votes[v.primary.Endpoint()]) {
			v.primary = server
		}
	}
	v.count(watchers)
	return v
}

// count counts those that name the primary.
func (v *view) count(watchers []watcher) {
	for _, w := range watchers {
		if w.Primary != v.primary.Endpoint() {
			continue
		}
		if w.Wanted {
			v.agree++
		}
		if w.Down {
			v.down++
		}
	}
}

func (o Observer) monitor(name string) *Monitor {
	at := slices.IndexFunc(o.Monitors, func(m Monitor) bool { return m.Name == name })
	if at < 0 {
		return nil
	}
	return &o.Monitors[at]
}

// majority of the wanted Sentinels.
func (p *planner) majority() int { return countWanted(p.facts.sentinels())/2 + 1 }

// elector finds a Sentinel that could make a replica the primary now and could not choose a wrong one; nil if there is
// none.
func (p *planner) elector(primary *Server) *Observer {
	for _, w := range p.watchers() {
		if !w.Ending && w.Primary == primary.Endpoint() && p.choosesWell(w.Monitor) {
			return w.Observer
		}
	}
	return nil
}

// choosesWell tells whether there is a replica to choose, and none that is not what the Sentinel takes it for. What it
// knows of a replica is some seconds old: one that has started again since may have lost its data.
func (p *planner) choosesWell(monitor *Monitor) bool {
	found := false
	for _, known := range monitor.Replicas {
		if !known.Electable || known.Priority == neverPriority {
			continue
		}
		replica := p.facts.server(known.Endpoint)
		if replica == nil || !replica.Reached || replica.RunID != known.RunID || replica.Priority == neverPriority {
			return false
		}
		found = true
	}
	return found
}
