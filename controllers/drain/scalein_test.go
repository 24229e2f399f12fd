package drain_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/chatcluster/chatcluster/controllers/drain"
)

// serving is a server with clients, of which Kubernetes was told nothing.
func serving(name string, clients int64) drain.Server {
	return drain.Server{Name: name, Ready: true, Clients: &clients}
}

// told is a server of which Kubernetes was told what its end costs.
func told(name string, clients, cost int64) drain.Server {
	server := serving(name, clients)
	server.Cost = &cost
	return server
}

func TestHubServersGoOneAtATime(t *testing.T) {
	unseen := drain.Server{Name: "unseen", Ready: true}
	starts := drain.Server{Name: "starts"}
	ends := drain.Server{Name: "ends", Ending: true}
	for name, c := range map[string]struct {
		current, wanted int32
		servers         []drain.Server
		want            drain.Step
	}{
		"more come at once": {2, 5, []drain.Server{serving("a", 1), ends}, drain.Step{Replicas: 5}},
		"as many":           {2, 2, []drain.Server{serving("a", 1)}, drain.Step{Replicas: 2}},
		"none are wanted":   {5, 0, []drain.Server{serving("a", 1), ends}, drain.Step{}},
		"costs come first": {3, 1, []drain.Server{serving("a", 30), serving("b", 5), serving("c", 70)},
			drain.Step{Replicas: 3, Costs: map[string]int64{"a": 30, "b": 5, "c": 70}}},
		"the least goes": {3, 1, []drain.Server{told("a", 30, 30), told("b", 5, 5), told("c", 70, 70)},
			drain.Step{Replicas: 2, Least: "b"}},
		"a few more or fewer do not matter": {3, 1, []drain.Server{told("a", 1000, 900), told("b", 1010, 890)},
			drain.Step{Replicas: 2, Least: "b"}},
		"costs that are old are told anew": {2, 1, []drain.Server{told("a", 300, 10), told("b", 200, 250)},
			drain.Step{Replicas: 2, Costs: map[string]int64{"a": 300, "b": 200}}},
		"a new one is told of too": {2, 1, []drain.Server{told("a", 0, 0), serving("b", 3)},
			drain.Step{Replicas: 2, Costs: map[string]int64{"a": 0, "b": 3}}},
		"one that was not seen goes first": {2, 1, []drain.Server{told("a", 30, 30), unseen}, drain.Step{Replicas: 1, Least: "unseen"}},
		"none was seen":                    {3, 1, []drain.Server{unseen, unseen, unseen}, drain.Step{Replicas: 2, Least: "unseen"}},
		"while one ends the next waits":    {3, 1, []drain.Server{told("a", 3, 3), told("b", 5, 5), told("c", 7, 7), ends}, drain.Step{Replicas: 3}},
		"a step that is not carried out yet": {2, 1, []drain.Server{told("a", 3, 3), told("b", 5, 5), told("c", 7, 7)},
			drain.Step{Replicas: 2}},
		"those that serve nobody go together": {5, 2, []drain.Server{serving("a", 3), serving("b", 5), starts, starts, starts},
			drain.Step{Replicas: 2}},
		"and no more than that": {5, 1, []drain.Server{serving("a", 3), serving("b", 5), serving("c", 5), starts, starts},
			drain.Step{Replicas: 3}},
		"a roll-out that is stuck does not stop it": {2, 1, []drain.Server{told("a", 3, 3), told("b", 5, 5), starts},
			drain.Step{Replicas: 1, Least: "a"}},
		"more clients than Kubernetes can count": {2, 1, []drain.Server{serving("a", 1<<40), serving("b", 1<<41)},
			drain.Step{Replicas: 2, Costs: map[string]int64{"a": 1<<31 - 1, "b": 1<<31 - 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := drain.Next(c.current, c.wanted, c.servers)
			if got.Replicas != c.want.Replicas || got.Least != c.want.Least || !maps.Equal(got.Costs, c.want.Costs) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// TestScaleInEndsAtTheWantedNumber plays Kubernetes, which ends the server that costs least, while clients come and go.
func TestScaleInEndsAtTheWantedNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		current := rapid.Int32Range(1, 12).Draw(t, "current")
		wanted := rapid.Int32Range(1, current).Draw(t, "wanted")
		var servers []drain.Server
		for index := range current {
			servers = append(servers, serving(fmt.Sprint(index), rapid.Int64Range(0, 2000).Draw(t, "clients")))
		}
		for range 200 {
			step := drain.Next(current, wanted, servers)
			if step.Replicas < wanted || step.Replicas < current-1 {
				t.Fatalf("from %d to %d at once, wanted are %d", current, step.Replicas, wanted)
			}
			for at := range servers {
				if cost, tells := step.Costs[servers[at].Name]; tells {
					servers[at].Cost = ptr.To(cost)
				}
			}
			if step.Replicas < current {
				servers = end(t, servers)
				current = step.Replicas
			} else if at := slices.IndexFunc(servers, func(one drain.Server) bool { return one.Ending }); at >= 0 && rapid.Bool().Draw(t, "ended") {
				servers = slices.Delete(servers, at, at+1)
			}
			for at := range servers {
				*servers[at].Clients += rapid.Int64Range(0, 5).Draw(t, "more")
			}
			if current == wanted {
				return
			}
		}
		t.Fatalf("there are still %d, wanted are %d", current, wanted)
	})
}

// end has the server end that costs least, and looks whether that has about the fewest clients.
func end(t *rapid.T, servers []drain.Server) []drain.Server {
	fewest := int64(1 << 62)
	for at, one := range servers {
		if one.Ending {
			t.Fatal("one ends before the last is gone")
		}
		fewest = min(fewest, *servers[at].Clients)
	}
	least := 0
	for at := range servers {
		if *servers[at].Cost < *servers[least].Cost {
			least = at
		}
	}
	if clients := *servers[least].Clients; clients > fewest+fewest/10+10 {
		t.Fatalf("one with %d clients ends, another has %d", clients, fewest)
	}
	servers[least].Ending = true
	return servers
}
