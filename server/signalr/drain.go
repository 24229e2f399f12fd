package signalr

import (
	"math/rand/v2"

	"github.com/chatcluster/chatcluster/server/signalr/protocol"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// Census counts the clients of a server by what a drain can do for them; those that were dismissed are not counted.
type Census struct {
	// LongPolling and Stateless have to begin anew elsewhere, by their transport: long polling, and the others.
	LongPolling, Stateless int
}

// Census counts the clients.
func (s *Server) Census() Census {
	var census Census
	for _, c := range s.clients() {
		switch {
		case c.leaving():
		case c.transport.Kind() == transport.LongPolling:
			census.LongPolling++
		default:
			census.Stateless++
		}
	}
	return census
}

// Dismiss sends up to most clients elsewhere, at random: they get a Close with the invitation to connect again. Who
// connects meanwhile is served as ever, until Shutdown. It returns how many were told.
func (s *Server) Dismiss(most int) int {
	all := s.clients()
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] }) //nolint:gosec // whose turn it is is no secret
	told := 0
	for _, c := range all {
		if told == most {
			break
		}
		if !c.leaving() {
			c.sendElsewhere()
			told++
		}
	}
	return told
}

// clients are all clients of all hubs.
func (s *Server) clients() []*connection {
	var all []*connection
	for _, hub := range s.allHubs() {
		all = append(all, hub.index.snapshot()...)
	}
	return all
}

// leaving tells whether the connection has ended, or ends.
func (c *connection) leaving() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// sendElsewhere says goodbye to a client, with the invitation to connect again.
func (c *connection) sendElsewhere() {
	c.close(&protocol.Close{AllowReconnect: true}, nil, transport.CloseNormal)
}
