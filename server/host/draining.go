package host

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/host/drain"
	"github.com/chatcluster/chatcluster/server/signalr"
)

// newDrain makes what empties the server.
func (h *Host) newDrain() *drain.Runner {
	c := h.options.Config
	options := drain.Options{
		Delay: c.DrainDelay, Period: c.DrainPeriod, Rate: c.DrainRate, Timeout: c.ShutdownTimeout,
		Clients: clients{h.hubs}, Observer: h.metrics.Drain(), Logger: h.logger, Changed: h.draining,
	}
	if h.peers != nil {
		options.Takers = h.peers.countTakers
	}
	return drain.New(options)
}

// draining makes known that the server wants no new clients, or wants them again.
func (h *Host) draining(draining bool) {
	h.health.draining.Store(draining)
	h.metrics.Draining(draining)
	h.hubs.GiveAway(draining)
	if h.peers != nil {
		h.peers.member.RenewNow()
	}
}

// lettingGo asks those whose request comes while the server drains to use another connection for the next one: on the same one it
// would come here again, whatever load balancers know. Connections without a request stay: who closed them now could meet a
// request that is on its way, and some clients end with that.
func (h *Host) lettingGo(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.health.draining.Load() && r.Header.Get("Upgrade") == "" {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// load is what the other servers are told.
func (h *Host) load() cluster.Load {
	census := clients{h.hubs}.Count()
	load := cluster.Load{
		State:       cluster.Ready,
		Connections: census.Stateful + census.Stateless + census.LongPolling, Movable: census.Movable,
		Limit: h.options.Config.MaximumConnections,
	}
	switch {
	case h.health.draining.Load():
		load.State = cluster.Draining
	case h.health.ready() != "":
		load.State = cluster.Starting
	}
	return load
}

// clients are those of a server, for its drain.
type clients struct{ hubs *signalr.Server }

// Count implements drain.Clients.
func (c clients) Count() drain.Count { return drain.Count(c.hubs.Census()) }

// SendAway implements drain.Clients.
func (c clients) SendAway(most int) int { return c.hubs.SendSomeAway(most) }

// Tell implements drain.Clients.
func (c clients) Tell(most int, all bool) int { return c.hubs.Dismiss(most, all) }

// answerTimeout is how long a server may take to show that it is there.
const answerTimeout = 2 * time.Second

// countTakers asks the other servers that may take clients whether they are there, all at once.
func (p *peers) countTakers(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var mu sync.Mutex
	var asking sync.WaitGroup
	count := 0
	for _, server := range p.takers() {
		asking.Go(func() {
			if _, err := p.network.Owns(ctx, server.Peer, ""); err == nil {
				mu.Lock()
				defer mu.Unlock()
				count++
			}
		})
	}
	asking.Wait()
	return count
}

// takers are the other servers that may take clients, as they said last. One of a version that says nothing may.
func (p *peers) takers() []cluster.Server {
	others, _ := p.member.Others()
	takers := others[:0]
	for _, server := range others {
		if server.Reported == 0 || server.Load.State == cluster.Ready && !server.Load.Full() {
			takers = append(takers, server)
		}
	}
	return takers
}
