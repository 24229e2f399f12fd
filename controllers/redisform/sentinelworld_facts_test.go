package redisform

import (
	"slices"
	"strconv"
)

// facts are what the operator sees of the world.
func (w *sentinelWorld) facts() Facts {
	var facts Facts
	for _, s := range w.servers {
		server := Server{Member: s.Member}
		if !reachable(s) {
			server.Problem = "no answer"
			facts.Servers = append(facts.Servers, server)
			continue
		}
		server.Answer = Answer{Reached: true, RunID: s.run, Version: "7.0.15"}
		server.Primary, server.LinkUp, server.History = s.primary, s.linked, s.history
		server.Offset, server.Keys = int64(len(s.data)), int64(len(s.data))
		if s.primary {
			for _, other := range w.servers {
				if other.linked && other.follows == s.Endpoint() {
					server.Replicas++
				}
			}
			server.RefusesWrites = server.Replicas == 0 && len(w.servers) > 2
		} else {
			server.Follows, server.Priority = s.follows, s.priority
		}
		facts.Servers = append(facts.Servers, server)
	}
	for _, s := range w.sentinels {
		facts.Sentinels = append(facts.Sentinels, w.observer(s))
	}
	return facts
}

func (w *sentinelWorld) observer(s *simSentinel) Observer {
	observer := Observer{Member: s.Member, ID: SentinelID(s.Host)}
	if !s.up {
		return observer
	}
	observer.Answer = Answer{Reached: true, RunID: SentinelID(s.Host), Version: "7.0.15"}
	if s.primary == "" {
		return observer
	}
	monitor := Monitor{
		Name: w.wanted.Name, Primary: s.primary, Epoch: s.epoch, Quorum: w.wanted.Quorum, Down: s.down >= simDownAfter,
		DownAfter: DefaultDownAfter, FailoverTimeout: DefaultFailoverTimeout,
	}
	for _, endpoint := range sortedKeys(s.replicas) {
		known := s.replicas[endpoint]
		monitor.Replicas = append(monitor.Replicas, KnownReplica{
			Endpoint: endpoint, RunID: known.run, Priority: known.priority, Electable: w.electable(s, endpoint), Behind: w.behind(s, endpoint),
		})
	}
	for _, host := range sortedKeys(s.others) {
		monitor.Others = append(monitor.Others, KnownSentinel{ID: SentinelID(host), Endpoint: host + ":26379"})
	}
	observer.Monitors = []Monitor{monitor}
	return observer
}

func sortedKeys[V any](of map[string]V) []string {
	keys := make([]string, 0, len(of))
	for key := range of {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// carry does to the world what the hands do to Redis.
func (w *sentinelWorld) carry(step Step) {
	server := w.server(step.Member)
	if server != nil && !reachable(server) {
		return
	}
	switch step.Action {
	case Promote:
		w.promote(server)
	case Follow:
		w.follow(server, w.server(step.Target))
	case Elect:
		server.priority, _ = strconv.Atoi(step.Value)
	case Watch:
		sentinel := w.sentinel(step.Member)
		sentinel.forget()
		sentinel.primary = w.server(step.Target).Endpoint()
	case Unwatch, Refresh:
		sentinel := w.sentinel(step.Member)
		primary, epoch := sentinel.primary, sentinel.epoch
		sentinel.forget()
		if step.Action == Refresh {
			sentinel.primary, sentinel.epoch = primary, epoch
		}
	case FailOver:
		sentinel := w.sentinel(step.Member)
		if sentinel.primary == w.server(step.Target).Endpoint() {
			w.elect(sentinel, true)
		}
	case Switch:
		w.replicate()
		if w.elect(w.sentinel(step.Target), true) {
			w.follow(server, w.at(w.sentinel(step.Target).primary))
		}
	default:
		w.t.Fatalf("the world does not know %s", step)
	}
}
