package signalr

import (
	"math/rand/v2"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/protocol"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// Census counts the clients of a server by what a drain can do for them; those that were dismissed are not counted.
type Census struct {
	// Stateful and LongPolling are those that other servers can go on with, with stateful reconnect and by long polling; where
	// there are no others the latter cannot. Movable are those of them, and of Tunnelled, that can be sent away now.
	Stateful, LongPolling, Movable int
	// Stateless have to begin anew elsewhere.
	Stateless int
	// Tunnelled are sockets of connections that other servers own.
	Tunnelled int
}

// How long a client that was sent away is left alone if it comes back here, and how long if something runs for it: then it is
// moved only if that ends in time.
const (
	restTime     = time.Second
	busyRestTime = 3 * time.Second
)

// Census counts the clients.
func (s *Server) Census() Census {
	var census Census
	now := time.Now()
	census.Tunnelled, census.Movable = s.manager.Tunnels(restTime)
	for _, c := range s.clients() {
		switch {
		case c.leaving():
			continue
		case c.transport.Kind() == transport.LongPolling:
			census.LongPolling++
		case s.keepsSession(c):
			census.Stateful++
		default:
			census.Stateless++
		}
		if s.keepsSession(c) && c.movable(now) {
			census.Movable++
		}
	}
	return census
}

// Only so many clients may be under way at a time, sent away and neither back nor moved: where moves take long, more at a
// time would take all of them longer, until none ended in time. One that is away for longer than underwayTime, which is
// longer than a move may take, may never come back and holds up nobody.
const (
	maximumUnderway = 50
	underwayTime    = 5 * time.Second
)

// mayLeave is how many of those that shall leave may do so while others are under way.
func mayLeave(most, underway int) int { return max(0, min(most, maximumUnderway-underway)) }

// Underway is how many clients were sent away a moment ago and are neither back nor elsewhere.
func (s *Server) Underway() int {
	now := time.Now()
	count := 0
	for _, c := range s.clients() {
		if !c.leaving() && s.keepsSession(c) && c.underway(now) {
			count++
		}
	}
	return count
}

// SendSomeAway sends up to most clients away (see SendAway), those first for which nothing runs, and the sockets of clients
// whose connections other servers own; fewer while many are under way. It returns how many.
func (s *Server) SendSomeAway(most int) int {
	now := time.Now()
	var idle, busy []*connection
	underway := 0
	for _, c := range s.clients() {
		switch {
		case c.leaving() || !s.keepsSession(c):
		case c.underway(now):
			underway++
		case !c.movable(now):
		case c.activity.busy():
			busy = append(busy, c)
		default:
			idle = append(idle, c)
		}
	}
	most = mayLeave(most, underway)
	shuffle(idle)
	sent := 0
	for _, c := range append(idle, busy...) {
		if sent == most {
			return sent
		}
		if c.sendAway() {
			c.sentAway.Store(now.UnixNano())
			sent++
		}
	}
	return sent + s.manager.SendTunnelsAway(most-sent, restTime)
}

// Dismiss tells up to most clients, at random, that they shall begin anew elsewhere: they get a Close with the invitation to
// connect again. Those that can be sent away are left out, unless all is set. Who connects meanwhile is served as ever,
// until Shutdown. It returns how many were told.
func (s *Server) Dismiss(most int, all bool) int {
	clients := s.clients()
	shuffle(clients)
	told := 0
	for _, c := range clients {
		if told == most {
			break
		}
		if !c.leaving() && !c.arriving() && (all || !s.keepsSession(c)) {
			c.sendElsewhere()
			told++
		}
	}
	return told
}

// keepsSession tells whether another server can go on with a connection.
func (s *Server) keepsSession(c *connection) bool {
	kind := c.transport.Kind()
	return s.options.Member != nil && (kind == transport.LongPolling || kind == transport.WebSockets && c.transport.Stateful())
}

// movable tells whether the client can be sent away now.
func (c *connection) movable(now time.Time) bool {
	attached, _ := c.transport.Attached()
	here := attached || c.transport.Kind() == transport.LongPolling // its client is never far
	return here && c.phaseNow() == phaseOpen && now.Sub(time.Unix(0, c.sentAway.Load())) >= c.rest()
}

// rest is how long the client is left alone after it was sent away.
func (c *connection) rest() time.Duration {
	if c.activity.busy() {
		return busyRestTime
	}
	return restTime
}

// underway tells whether the client was sent away a moment ago and has not been seen since.
func (c *connection) underway(now time.Time) bool {
	attached, _ := c.transport.Attached()
	return !attached && now.Sub(time.Unix(0, c.sentAway.Load())) < underwayTime
}

func shuffle(clients []*connection) {
	rand.Shuffle(len(clients), func(i, j int) { clients[i], clients[j] = clients[j], clients[i] }) //nolint:gosec // whose turn it is is no secret
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

// sendElsewhere says goodbye to a client, with the invitation to connect again. Its calls that still run fail. One that is arriving
// stays: Commit looks itself whether the server closes, when all of the connection is there.
func (c *connection) sendElsewhere() {
	if c.arriving() {
		return
	}
	c.close(ending{close: protocol.Close{AllowReconnect: true}, failCalls: true})
}
