package redisform

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// planCluster keeps shards, each a primary with replicas. The rules do not say how to form a Cluster, but what is missing
// in one: that forms it too, and goes on wherever it was interrupted.
func (p *planner) planCluster() {
	v := p.lookAtCluster()
	p.out.Again = soon
	p.reportCluster(v)
	var troubles []string
	for i := range p.facts.Servers {
		if server := &p.facts.Servers[i]; server.Wanted && !server.Reached {
			troubles = append(troubles, server.Name+" does not answer")
			if server.Loading {
				troubles[len(troubles)-1] = server.Name + " is loading"
			}
		}
	}
	complete := len(troubles) == 0
	troubles = append(troubles, p.introduce(v)...)
	troubles = append(troubles, p.assign(v, complete)...)
	troubles = append(troubles, p.replaceOwners(v)...)
	troubles = append(troubles, p.joinShards(v, complete)...)
	troubles = append(troubles, p.forgetGone(v)...)
	p.giveData(v)
	p.rollCluster(v, len(troubles) == 0)
	p.judgeCluster(v, troubles)
}

// judgeCluster says in one word how the Cluster is.
func (p *planner) judgeCluster(v *clusterView, troubles []string) {
	message := strings.Join(troubles, ", ")
	switch {
	case p.out.Status.Serving && len(troubles) == 0:
		p.out.Memory.Formed = true
		p.is(Healthy, "")
		if len(p.out.Steps) == 0 && !p.unsettled() {
			p.out.Again = seldom
		}
	case p.out.Status.Serving:
		p.out.Memory.Formed = true
		p.is(Degraded, message)
	case !p.memory.Formed:
		p.is(Forming, message)
	case len(v.shards) == 0:
		p.is(WaitingForData, message)
	case !p.out.Status.Quorum:
		p.is(MajorityLost, message)
	default:
		p.is(FailingOver, message)
	}
}

// reportCluster fills the status, and remembers who has the data.
func (p *planner) reportCluster(v *clusterView) {
	status := &p.out.Status
	wanted := countWanted(p.facts.servers())
	status.Replicas = max(wanted-p.wanted.Shards, 0)
	var primaries, inSync []string
	owned, there := 0, 0
	for i := range v.shards {
		shard := &v.shards[i]
		described := Shard{Slots: shard.slots()}
		if shard.Primary != nil {
			described.Primary = shard.Primary.Name
			primaries = append(primaries, shard.Primary.Name)
			p.out.Memory.HadData = p.out.Memory.HadData || shard.Primary.Keys > 0
			there++
			if shard.Primary.Node.Healthy {
				owned += shard.slots()
			}
		}
		for _, replica := range shard.inSync() {
			described.Replicas = append(described.Replicas, replica.Name)
			if replica.Wanted {
				status.InSync++
			}
		}
		for _, replica := range shard.Replicas {
			if replica.LinkUp || shard.Primary == nil && slices.Contains(p.memory.InSync, replica.Name) {
				inSync = append(inSync, replica.Name)
			}
		}
		status.Shards = append(status.Shards, described)
	}
	for _, server := range v.servers {
		status.Epoch = max(status.Epoch, server.Node.Epoch)
	}
	status.Quorum = len(v.shards) > 0 && there > len(v.shards)/2
	status.Serving = owned == Slots
	p.out.Memory.InSync, p.out.Memory.Epoch = slices.Concat(inSync, p.inSyncUnseen(v)), status.Epoch
	if status.Serving {
		now := strings.Join(primaries, ",")
		status.FailedOver = p.memory.Primary != "" && p.memory.Primary != now
		p.out.Memory.Primary = now
	}
}

// inSyncUnseen are the servers that do not answer and had all data when that was last seen: as long as their primaries do not answer
// either, they miss nothing.
func (p *planner) inSyncUnseen(v *clusterView) (names []string) {
	for i := range p.facts.Servers {
		server := &p.facts.Servers[i]
		if server.Reached || !slices.Contains(p.memory.InSync, server.Name) {
			continue
		}
		if len(v.shards) == 0 || len(v.shards) == p.wanted.Shards && p.home(v, server).Primary == nil {
			names = append(names, server.Name)
		}
	}
	return names
}

// introduce makes all nodes know each other, and where they are now. Nodes tell each other of a new address as long as one
// of them is where the others last saw it; that is not so when all start again.
func (p *planner) introduce(v *clusterView) (troubles []string) {
	p.number(v)
	for _, server := range v.strangers {
		troubles = append(troubles, server.Name+" is part of another Cluster: delete its volume if that is not needed")
	}
	if v.seed == nil {
		return troubles // those who answer are about to end: the ones that come after them are introduced
	}
	for _, server := range p.nodes() {
		if server == v.seed || v.servers[server.Node.ID] != server || !server.Wanted && server.Node.blank() {
			continue
		}
		switch peer := v.seed.Node.peer(server.Node.ID); {
		case !v.seed.Node.knows(server.Node.ID), !server.Node.knows(v.seed.Node.ID):
			p.meet(v.seed, server)
			troubles = append(troubles, server.Name+" joins")
		case !peer.Connected && (peer.IP != server.IP || peer.Port != server.Port):
			p.meet(v.seed, server)
			troubles = append(troubles, server.Name+" has another address")
		case !peer.Connected:
			troubles = append(troubles, v.seed.Name+" does not reach "+server.Name)
		}
	}
	return troubles
}

// number gives each node an epoch of its own before they meet: else they take time to agree.
func (p *planner) number(v *clusterView) {
	for _, server := range p.nodes() {
		if server.Wanted && len(v.shards) == 0 && server.Node.blank() && server.Node.Epoch == 0 {
			p.do(Step{Action: Number, Member: server.Name, Value: strconv.Itoa(server.Ordinal + 1)})
		}
	}
}

func (p *planner) meet(from, to *Server) {
	p.later = append(p.later, Step{Action: Meet, Member: from.Name, Target: to.Name})
}

// assign gives slots that nobody has to primaries that have none. All servers must be there: one that is away may have
// them.
func (p *planner) assign(v *clusterView, complete bool) (troubles []string) {
	free := p.free(v)
	for _, part := range p.unowned(v) {
		troubles = append(troubles, fmt.Sprintf("nobody has the slots %d-%d", part.slots.First, part.slots.Last))
		if !complete {
			continue
		}
		owner := free[part.shard]
		if owner == nil && len(v.shards) == p.wanted.Shards {
			owner = v.shards[part.shard].Primary // a part of its slots is missing
		}
		if owner != nil {
			p.do(Step{Action: Assign, Member: owner.Name, Slots: part.slots})
		}
	}
	return troubles
}

// missing is slots of a shard that nobody has.
type missing struct {
	shard int
	slots SlotRange
}

// unowned are the slots that nobody has, cut where the shards of a new Cluster end.
func (p *planner) unowned(v *clusterView) []missing {
	var all []missing
	shards := p.wanted.Shards
	for _, part := range v.parts {
		for shard := range shards {
			first := max(part.slots.First, shard*Slots/shards)
			last := min(part.slots.Last, (shard+1)*Slots/shards-1)
			if part.owner == "" && first <= last {
				all = append(all, missing{shard, SlotRange{first, last}})
			}
		}
	}
	return all
}

// free has for each shard the first of its primaries that own no slots.
func (p *planner) free(v *clusterView) map[int]*Server {
	free := make(map[int]*Server)
	for _, server := range p.nodes() {
		if v.servers[server.Node.ID] != server || !server.Wanted || !server.Primary || server.Keys > 0 || v.owns(server.Node.ID) {
			continue
		}
		shard := server.Ordinal % p.wanted.Shards
		if first := free[shard]; first == nil || server.Ordinal < first.Ordinal {
			free[shard] = server
		}
	}
	return free
}
