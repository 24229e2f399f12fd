package signalr_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
)

func TestConnectionMovesToTheServerOfItsNextSocket(t *testing.T) {
	s := startSwitched(t)
	nodes, c := s.nodes, s.client
	if got := string(c.mustCall("Count")); got != "[1,1]" {
		t.Fatalf("the first call counts %s", got)
	}
	c.mustCall("Join", "room")
	s.at.Store(1)
	if sent := nodes[0].server.SendAway(c.id, "unknown"); sent != 1 {
		t.Fatalf("%d clients were sent away", sent)
	}
	s.expectAt(t, 1)
	if got := string(c.mustCall("Count")); got != "[2,1]" {
		t.Errorf("the second call counts %s", got)
	}
	if got, want := string(c.mustCall("Who")), fmt.Sprintf(`["%s","ann"]`, c.id); got != want {
		t.Errorf("the server knows %s, want %s", got, want)
	}
	must(t, nodes[0].hub.Clients().Group("room").Send(t.Context(), "Group", 1))
	must(t, nodes[0].hub.Clients().User("ann").Send(t.Context(), "User", 1))
	must(t, nodes[0].hub.Clients().Client(c.id).Send(t.Context(), "Client", 1))
	must(t, nodes[0].hub.Clients().All().Send(t.Context(), "All", 1))
	for _, target := range []string{"Group", "User", "Client", "All"} {
		eventually(t, target+" comes", func() bool { return len(c.got(target)) == 1 })
	}
	eventually(t, "the old server forgets it", func() bool { return nodes[0].hub.Connections() == 0 && nodes[0].server.Connections() == 0 })
}

// switched is two servers, and a client that the test sends to one or the other.
type switched struct {
	nodes  []*node
	at     atomic.Int32
	client *traveller
	// slow is how often a server had been too slow for a move when the client was last sent away.
	slow int
}

func startSwitched(t *testing.T) *switched {
	t.Helper()
	s := &switched{nodes: startNodes(t, 2, redis.ModePubSub)}
	s.client = travel(t, "ann", func() string { return s.nodes[s.at.Load()].address() })
	return s
}

// sendTo sends the client to a server.
func (s *switched) sendTo(t *testing.T, at int) {
	t.Helper()
	eventually(t, "the client is at a server", func() bool {
		return slices.ContainsFunc(s.nodes, func(n *node) bool {
			return slices.ContainsFunc(n.server.Placements(), func(p signalr.Placement) bool { return p.Attached })
		})
	})
	s.slow = s.tooSlow()
	s.at.Store(int32(at))
	sockets := s.client.opened()
	eventually(t, "the client is sent away", func() (sent bool) { // OnConnected may still run
		for _, n := range s.nodes {
			sent = n.server.SendAway(s.client.id) > 0 || sent
		}
		return sent
	})
	eventually(t, "the client has another socket", func() bool { return s.client.opened() > sockets })
}

// tooSlow is how often a server was too slow for a move, as on a busy machine.
func (s *switched) tooSlow() (times int) {
	for _, n := range s.nodes {
		times += n.moves.count(cluster.RefusedTimeout) + n.moves.count(cluster.RefusedGap) + n.moves.count(cluster.RefusedUnreachable)
	}
	return times
}

// expectAt waits until the connection is at a server. When one was too slow the client is sent there again: it comes by itself only when
// it needs another socket.
func (s *switched) expectAt(t *testing.T, at int) {
	t.Helper()
	eventually(t, fmt.Sprintf("the connection is at server %d", at), func() bool {
		if s.nodes[at].owns(s.client.id) && !s.nodes[1-at].owns(s.client.id) && s.nodes[1-at].hub.Connections() == 0 {
			return true
		}
		if s.tooSlow() > s.slow {
			t.Log("a server was too slow for a move")
			s.sendTo(t, at)
		}
		return false
	})
}

// expectTunnelled waits until the client's socket is at the second server and its connection at the first.
func (s *switched) expectTunnelled(t *testing.T) {
	t.Helper()
	eventually(t, "the client is tunnelled", func() bool {
		p := s.nodes[0].server.Placements()
		return len(p) == 1 && p[0].Tunnelled && p[0].Attached
	})
}

func TestAConnectionWhoseMethodRunsIsTunnelledAndMovesLater(t *testing.T) {
	s := startSwitched(t)
	answered := make(chan message, 1)
	go func() {
		m, err := s.client.call("Hold")
		if err != nil {
			t.Error(err)
		}
		answered <- m
	}()
	<-s.nodes[0].calls.entered
	s.sendTo(t, 1)
	s.expectTunnelled(t)
	close(s.nodes[0].calls.release)
	if m := <-answered; string(m.Result) != `"held"` {
		t.Errorf("the answer is %s %s", m.Result, m.Error)
	}
	if !s.nodes[0].owns(s.client.id) {
		t.Fatal("the connection moved while its method ran")
	}
	eventually(t, "nothing runs", func() bool {
		p := s.nodes[0].server.Placements()
		return len(p) == 1 && p[0].Stateful && !p[0].Busy
	})
	s.sendTo(t, 1)
	s.expectAt(t, 1)
	if got := string(s.client.mustCall("Count")); got != "[1,1]" {
		t.Errorf("the call counts %s", got)
	}
}

func TestAConnectionThatIsWantedStays(t *testing.T) {
	s := startSwitched(t)
	s.at.Store(1)
	s.client.cut()
	s.expectTunnelled(t)
	s.client.mustCall("Count")
	if !s.nodes[0].owns(s.client.id) {
		t.Error("the connection was taken away")
	}
	s.nodes[0].server.GiveAway(true)
	s.client.cut()
	s.expectAt(t, 1)
	s.client.mustCall("Count")
}

func TestAServerThatIsEmptiedTakesNothing(t *testing.T) {
	s := startSwitched(t)
	s.nodes[1].server.GiveAway(true)
	s.sendTo(t, 1)
	s.client.mustCall("Count")
	if !s.nodes[0].owns(s.client.id) {
		t.Error("the connection went to a server that is emptied")
	}
	s.nodes[1].server.GiveAway(false)
	s.sendTo(t, 1)
	s.expectAt(t, 1)
}

func TestAClientThatComesBackToItsServerStays(t *testing.T) {
	s := startSwitched(t)
	s.sendTo(t, 0)
	s.client.mustCall("Count")
	if !s.nodes[0].owns(s.client.id) {
		t.Error("the connection has moved")
	}
}
