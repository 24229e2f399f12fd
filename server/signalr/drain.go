package signalr

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/protocol"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// drainStep is how often clients are told to leave, as many at a time as are due.
const drainStep = 20 * time.Millisecond

// Drain sends the present clients elsewhere, one after another at random over the period: they get a Close with the
// invitation to connect again, and the servers where they do so are not asked by all of them at once. Who connects
// meanwhile is served as ever, until Shutdown. Drain returns when all have been told, or when ctx ends.
func (s *Server) Drain(ctx context.Context, period time.Duration) {
	if period <= 0 {
		return // Shutdown tells them all at once
	}
	all := s.clients()
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] }) //nolint:gosec // whose turn it is is no secret
	ticker := time.NewTicker(drainStep)
	defer ticker.Stop()
	for started, told := time.Now(), 0; told < len(all); {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		passed := float64(time.Since(started)) / float64(period)
		// The first goes at once and nobody at the very end: a server with few clients need not wait.
		for due := min(len(all), 1+int(passed*float64(len(all)))); told < due; told++ {
			all[told].sendElsewhere()
		}
	}
}

// clients are all clients of all hubs.
func (s *Server) clients() []*connection {
	s.mu.Lock()
	hubs := s.hubs
	s.mu.Unlock()
	var all []*connection
	for _, hub := range hubs {
		all = append(all, hub.index.snapshot()...)
	}
	return all
}

// sendElsewhere says goodbye to a client, with the invitation to connect again.
func (c *connection) sendElsewhere() {
	c.close(&protocol.Close{AllowReconnect: true}, nil, transport.CloseNormal)
}
