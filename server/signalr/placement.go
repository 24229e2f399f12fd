package signalr

import (
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// Placement says where the client of a connection of this server is, and what keeps the connection here.
type Placement struct {
	ConnectionID string
	Transport    transport.Kind
	// Stateful is set if the client comes back when its socket ends, to any server. Only such connections, and those by long
	// polling, are sent away.
	Stateful bool
	// Attached is set while a socket or a request of the client is here, Tunnelled if it came through another server.
	Attached  bool
	Tunnelled bool
	// Busy is set while calls, streams or events of the connection run: meanwhile no other server can have it.
	Busy bool
}

// Placements are those of all connections of this server whose handshake is done.
func (s *Server) Placements() []Placement {
	all := s.clients()
	placements := make([]Placement, 0, len(all))
	for _, c := range all {
		attached, tunnelled := c.transport.Attached()
		placements = append(placements, Placement{
			ConnectionID: c.id(), Transport: c.transport.Kind(), Stateful: c.transport.Stateful(),
			Attached: attached, Tunnelled: tunnelled, Busy: c.activity.busy() || c.phaseNow() != phaseOpen,
		})
	}
	return placements
}

// SendAway ends the sockets of connections with stateful reconnect, and the polls of those by long polling, in a way that makes their
// clients come back at once, to whichever server they get. That server may have the connection then; if it cannot now, it passes the client's messages on to this one. A connection
// whose client comes back here stays. SendAway returns how many clients it has sent away; it does not wait for them.
func (s *Server) SendAway(connectionIDs ...string) int {
	sent := 0
	for _, id := range connectionIDs {
		if c := s.find(id); c != nil && c.sendAway() {
			sent++
		}
	}
	return sent
}

func (c *connection) sendAway() bool {
	if c.phaseNow() != phaseOpen {
		return false
	}
	c.awaySince.Store(time.Now().UnixNano())
	was := c.willing.Swap(true) // before the client can be anywhere else
	sent := c.transport.SendAway()
	if !sent && !was {
		c.willing.Store(false)
	}
	return sent
}

// mayGo tells whether the connection was let go. A client of long polling that goes on polling here says nothing of it, so for
// its connection that holds for a while only.
func (c *connection) mayGo(now time.Time) bool {
	return c.willing.Load() &&
		(c.transport.Kind() != transport.LongPolling || now.Sub(time.Unix(0, c.awaySince.Load())) < underwayTime)
}

// GiveAway lets other servers have any connection with stateful reconnect or by long polling whose client comes to them, whether it was
// sent away or not, and takes none from them: the server is to be emptied. It can be taken back.
func (s *Server) GiveAway(on bool) { s.givingAway.Store(on) }

func (s *Server) allHubs() []*Hub {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hubs
}

// find finds a connection of any hub on this server.
func (s *Server) find(connectionID string) *connection {
	for _, hub := range s.allHubs() {
		if c := hub.index.find(connectionID); c != nil {
			return c
		}
	}
	return nil
}

// connectionOf finds a connection of a hub on this server.
func (s *Server) connectionOf(hubName, connectionID string) *connection {
	for _, hub := range s.allHubs() {
		if hub.name == hubName {
			if c := hub.index.find(connectionID); c != nil {
				return c
			}
		}
	}
	return nil
}
