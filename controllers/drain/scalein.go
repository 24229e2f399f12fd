package drain

import (
	"cmp"
	"math"
	"slices"

	"k8s.io/utils/ptr"
)

// Server is one hub server.
type Server struct {
	Name string
	// Ready ones take clients.
	Ready bool
	// Ending ones were told to end and still do.
	Ending bool
	// Clients is nil if it was not seen.
	Clients *int64
	// Cost is what Kubernetes was told that its end costs; nil if it was told nothing, which counts as 0.
	Cost *int64
}

// Step is what is to be done now so that there are as many hub servers as wanted.
type Step struct {
	// Replicas is how many there should be now.
	Replicas int32
	// Costs are to be written first, by the names of the servers: Kubernetes ends the one with the least.
	Costs map[string]int64
	// Least is a server with the fewest clients, of which one ends next; empty if none that serves does.
	Least string
}

// maximumCost is the greatest that Kubernetes understands.
const maximumCost = math.MaxInt32

// Next returns the next step from the present number of hub servers to the wanted one. More come at once. Fewer is one at a
// time: first Kubernetes is told what the end of each costs, in a step of its own, because the parts of it that hear of the
// cost and of the number are not the same. The next one waits until the last is gone: its clients are with the others then.
// Those that do not serve go together, and none is waited for if all are to go.
func Next(current, wanted int32, servers []Server) Step {
	if wanted >= current || wanted == 0 {
		return Step{Replicas: wanted}
	}
	var serving []Server
	idle := int32(0)
	for _, server := range servers {
		switch {
		case server.Ending:
			return Step{Replicas: current}
		case server.Ready:
			serving = append(serving, server)
		default:
			idle++
		}
	}
	if len(serving) > int(current) { // the last step is not carried out yet, or a new one has come for one that will go
		return Step{Replicas: current}
	}
	if missing := min(current-int32(len(serving)), idle); missing > 0 { // Kubernetes takes those first
		return Step{Replicas: max(current-missing, wanted)}
	}
	if costs := costs(serving); costs != nil {
		return Step{Replicas: current, Costs: costs}
	}
	return Step{Replicas: current - 1, Least: cheapest(serving).Name}
}

// costs returns what must be told, or nil if the server that Kubernetes would choose by what it knows is one of those with the
// fewest clients. A server that was not seen keeps its cost: most likely it serves nobody.
func costs(serving []Server) map[string]int64 {
	all, fewest, told := map[string]int64{}, int64(math.MaxInt64), true
	for _, server := range serving {
		if server.Clients == nil {
			continue
		}
		all[server.Name] = min(*server.Clients, maximumCost)
		fewest = min(fewest, all[server.Name])
		told = told && server.Cost != nil
	}
	if len(all) == 0 || told && near(all[cheapest(serving).Name], fewest) {
		return nil
	}
	return all
}

// cheapest is the server that Kubernetes ends next. Of some that cost the same it may be any: the one with the most clients.
func cheapest(serving []Server) Server {
	if len(serving) == 0 {
		return Server{}
	}
	return slices.MinFunc(serving, func(a, b Server) int {
		return cmp.Or(cmp.Compare(ptr.Deref(a.Cost, 0), ptr.Deref(b.Cost, 0)), -cmp.Compare(ptr.Deref(a.Clients, 0), ptr.Deref(b.Clients, 0)))
	})
}

// near tells whether a number of clients is as good as the fewest: clients come and go while costs are told.
func near(clients, fewest int64) bool { return clients <= fewest+fewest/10+10 }
