package redisform

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The priorities of replicas. Sentinels never choose one with the first.
const (
	neverPriority  = 0
	normalPriority = 100
)

// planSentinel keeps one primary with replicas, and Sentinels that watch them.
func (p *planner) planSentinel() {
	v := p.look()
	status := &p.out.Status
	status.Replicas = max(countWanted(p.facts.servers())-1, 0)
	status.Epoch = v.epoch
	status.Quorum = v.agree >= max(p.majority(), p.wanted.Quorum)
	p.out.Again = soon
	switch {
	case v.reached < p.majority():
		p.waitForSentinels(v)
	case v.primary == nil:
		p.form()
	case v.failingOver:
		p.is(FailingOver, "the Sentinels replace "+v.primary.Name)
	case v.primary.Reached && v.primary.Primary:
		p.serve(v)
	default:
		p.replacePrimary(v)
	}
}

func (p *planner) waitForSentinels(v view) {
	missing := fmt.Sprintf("%d of %d Sentinels answer", v.reached, countWanted(p.facts.sentinels()))
	switch {
	case v.primary != nil && v.primary.Reached && v.primary.Primary:
		p.serving(v.primary)
		p.lacks(v.primary, missing+": nobody would replace the primary")
	case !p.memory.Formed:
		p.is(Forming, missing)
	default:
		p.is(MajorityLost, missing)
	}
}

// form makes Sentinels watch a primary that none of them knows, which there must be first.
func (p *planner) form() {
	var primaries []*Server
	for i := range p.facts.Servers {
		if server := &p.facts.Servers[i]; server.Reached && server.Primary {
			primaries = append(primaries, server)
		}
	}
	if len(primaries) == 0 {
		p.recover(nil)
		return
	}
	primary := slices.MaxFunc(primaries, p.compare)
	last := p.named(p.memory.Primary)
	if last != nil && !last.Reached && last.Name != primary.Name && p.waitFor("last primary") < p.wanted.Timing.Patience {
		p.is(WaitingForData, "waits for "+last.Name+", the last primary")
		return
	}
	p.watch(primary)
	p.serving(primary)
	p.lacks(primary, "the Sentinels begin to watch "+primary.Name)
}

// replacePrimary is for when the primary of the Sentinels is none.
func (p *planner) replacePrimary(v view) {
	gone := v.primary
	restarted := gone.Reached || gone.Loading
	if !restarted && v.down == 0 {
		p.out.Status.Serving, p.out.Status.Primary = true, gone.Name
		p.is(Degraded, "the operator does not reach "+gone.Name+", which the Sentinels do: "+gone.Problem)
		return
	}
	elector := p.elector(gone)
	successor := p.facts.server(gone.Follows)
	switch {
	case successor != nil && successor.Reached && successor.Primary:
		// Those Sentinels that know of it tell the others, unless they have forgotten.
		if p.waitFor("election") >= p.wanted.Timing.Patience {
			p.repoint(successor, gone.Name+" follows it")
		}
	case elector == nil:
		p.recover(gone)
	case restarted && successor == nil, p.waitFor("election") >= p.wanted.Timing.Patience:
		p.do(Step{Action: FailOver, Member: elector.Name, Target: gone.Name, Name: p.wanted.Name,
			Why: gone.Name + " is not a primary any more, and a replica has its data"})
	}
	p.is(FailingOver, gone.Name+" is not a primary any more")
}

// serving notes what the primary is.
func (p *planner) serving(primary *Server) {
	status := &p.out.Status
	status.Serving, status.Primary = !primary.RefusesWrites, primary.Name
	status.FailedOver = p.memory.Primary != "" && p.memory.Primary != primary.Name
	p.out.Memory.Formed, p.out.Memory.Primary = true, primary.Name
	p.out.Memory.HadData = p.memory.HadData || primary.Keys > 0
	p.out.Memory.Epoch = max(p.memory.Epoch, status.Epoch)
}

// lacks says how things are with a primary that is there, when something else is not.
func (p *planner) lacks(primary *Server, message string) {
	if primary.RefusesWrites {
		p.is(WritesRefused, primary.Name+" accepts no writes, as no replica hears it: "+message)
		return
	}
	p.is(Degraded, message)
}

// serve keeps replicas and Sentinels of a primary that works.
func (p *planner) serve(v view) {
	p.serving(v.primary)
	p.out.Memory.InSync = nil
	troubles := p.keepReplicas(v)
	if watching := p.keepSentinels(v); len(troubles) == 0 {
		troubles = watching // they lack what the replicas lack
	}
	if !p.out.Status.Quorum {
		troubles = append(troubles, fmt.Sprintf("%d of %d Sentinels agree", v.agree, countWanted(p.facts.sentinels())))
	}
	if v.primary.RefusesWrites && len(troubles) == 0 {
		troubles = []string{"replicas have just come"}
	}
	p.rollSentinelForm(v, len(troubles) == 0)
	if len(troubles) > 0 {
		p.lacks(v.primary, strings.Join(troubles, ", "))
		return
	}
	p.is(Healthy, "")
	if len(p.out.Steps) == 0 && !p.unsettled() {
		p.out.Again = seldom
	}
}

// keepReplicas makes all others replicas of the primary, and those that have its data electable. It returns what is
// missing.
func (p *planner) keepReplicas(v view) (troubles []string) {
	for i := range p.facts.Servers {
		server := &p.facts.Servers[i]
		if server.Name == v.primary.Name {
			continue
		}
		trouble := p.keepReplica(v, server)
		if server.Wanted && trouble != "" {
			troubles = append(troubles, server.Name+" "+trouble)
		}
	}
	return troubles
}

func (p *planner) keepReplica(v view, server *Server) (trouble string) {
	elect := func(priority int) {
		if server.Priority != priority {
			p.do(Step{Action: Elect, Member: server.Name, Value: strconv.Itoa(priority)})
		}
	}
	switch {
	case server.Loading:
		return "is loading"
	case !server.Reached:
		return "does not answer"
	case server.Primary:
		// The Sentinels make it a replica, if they know it: it may even be the one that they are about to choose.
		if !p.known(server) || p.waitFor("two primaries") >= p.wanted.Timing.Patience {
			p.do(p.following(server, v.primary))
		}
		return "is a primary too"
	case server.Follows != v.primary.Endpoint():
		p.do(p.following(server, v.primary))
		return "joins"
	case !server.LinkUp:
		// It falls behind. A link that broke just now may be the first that is seen of the loss of the primary.
		if !slices.Contains(p.memory.InSync, server.Name) {
			elect(neverPriority)
		}
		return "gets the data"
	}
	p.out.Memory.InSync = append(p.out.Memory.InSync, server.Name)
	if !server.Wanted {
		elect(neverPriority)
		return ""
	}
	p.out.Status.InSync++
	elect(normalPriority)
	if server.Priority != normalPriority {
		return "can be elected soon"
	}
	return ""
}

func (p *planner) following(server, primary *Server) Step {
	return Step{Action: Follow, Member: server.Name, Target: primary.Name}
}
