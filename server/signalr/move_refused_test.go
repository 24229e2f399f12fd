package signalr_test

import (
	"context"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
	"github.com/chatcluster/chatcluster/server/signalr/protocol"
)

// interrupted lets the test do something, once, before a step of a move.
type interrupted struct {
	cluster.Network
	step cluster.Step
	once sync.Once
	do   func(ctx context.Context) error
}

func (n *interrupted) Move(ctx context.Context, peer cluster.Peer, request cluster.MoveRequest) (cluster.MoveReply, error) {
	var err error
	if request.Step == n.step {
		n.once.Do(func() { err = n.do(ctx) })
	}
	if err != nil {
		return cluster.MoveReply{}, err
	}
	return n.Network.Move(ctx, peer, request)
}

// refusal is a situation in which the second of two servers does not get a connection of the first, and why.
type refusal struct {
	reason string
	// second changes that server. At step happens is called before it is asked for; both may be left out.
	second  func(*nodeOptions)
	step    cluster.Step
	happens func(t *testing.T, s *refusing, ctx context.Context) error
	// before prepares; come brings the client to the second server, by default by sending it away. after ends what before began.
	before, come, after func(t *testing.T, s *refusing)
	// ends tells that the connection does not stay.
	ends bool
}

// refusing are the servers and the client of such a situation.
type refusing struct {
	switched
	// proxy is between the first server's backplane and Redis.
	proxy *redistest.Proxy
	// happened is closed when what happens at a step has.
	happened chan struct{}
}

func refusals() map[string]refusal {
	return map[string]refusal{
		"nobody has sent the client": {reason: cluster.RefusedUnwilling, come: func(_ *testing.T, s *refusing) {
			s.at.Store(1)
			s.client.cut()
		}},
		"the client's old socket takes nothing, so that it cannot be ended": {reason: cluster.RefusedAttached, come: comeWithTwoSockets},
		"a method runs": {
			reason: cluster.RefusedBusy,
			before: func(_ *testing.T, s *refusing) {
				go func() { _, _ = s.client.call("Hold") }()
				<-s.nodes[0].calls.entered
			},
			after: func(_ *testing.T, s *refusing) { close(s.nodes[0].calls.release) },
		},
		"the client comes with another socket meanwhile": {
			reason: cluster.RefusedMoving, step: cluster.StepState,
			happens: func(t *testing.T, s *refusing, _ context.Context) error {
				s.client.cut()
				eventually(t, "the other socket has been noticed", func() bool { return s.nodes[1].moves.count(cluster.RefusedMoving) > 0 })
				s.expectTunnelled(t)
				return nil
			},
		},
		"the servers have different modes": {reason: cluster.RefusedOrder, second: func(o *nodeOptions) { o.mode = redis.ModeStreams }},
		"the items of the connection are large": {
			reason: cluster.RefusedSize,
			before: func(_ *testing.T, s *refusing) { s.client.mustCall("Keep", 5<<20) },
		},
		"the new server does not speak the client's protocol": {
			reason: cluster.RefusedVersion,
			second: func(o *nodeOptions) { o.hub.Protocols = []protocol.Protocol{protocol.MessagePack{}} },
		},
		"the connection is to end": {
			reason: cluster.RefusedEnded, step: cluster.StepState, ends: true,
			happens: func(t *testing.T, s *refusing, _ context.Context) error {
				if told := s.nodes[0].server.Dismiss(1, true); told != 1 {
					t.Errorf("%d told to begin anew", told)
				}
				return nil
			},
		},
		"the fence does not come to the owner": {
			reason: cluster.RefusedGap, step: cluster.StepPrepare,
			happens: func(_ *testing.T, s *refusing, _ context.Context) error {
				s.proxy.Hold(redistest.ToClient)
				return nil
			},
			after: func(_ *testing.T, s *refusing) { s.proxy.Release(redistest.ToClient) },
		},
		"the owner does not answer in time": {
			reason: cluster.RefusedTimeout, step: cluster.StepState,
			happens: func(_ *testing.T, _ *refusing, ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			},
		},
		"the owner cannot be asked": {
			reason: cluster.RefusedUnreachable, step: cluster.StepPrepare,
			happens: func(*testing.T, *refusing, context.Context) error { return errLost },
		},
		"the client goes back to the owner": {
			reason: cluster.RefusedLate, step: cluster.StepState,
			happens: func(_ *testing.T, s *refusing, _ context.Context) error {
				s.at.Store(0)
				s.client.cut()
				_, err := s.client.call("Count")
				return err
			},
		},
	}
}

func TestConnectionsAreNotMovedForAReason(t *testing.T) {
	t.Parallel()
	var reasons []string
	for name, row := range refusals() {
		reasons = append(reasons, row.reason)
		t.Run(row.reason+": "+name, func(t *testing.T) {
			t.Parallel()
			row.test(t)
		})
	}
	all := cluster.RefusedBecause()
	if slices.Sort(reasons); !slices.Equal(slices.Sorted(slices.Values(all)), slices.Compact(reasons)) {
		t.Errorf("the reasons %v were tried, of %v", reasons, all)
	}
}

func (row refusal) test(t *testing.T) {
	s := row.start(t)
	if row.before != nil {
		row.before(t, s)
	}
	if row.come != nil {
		row.come(t, s)
	} else {
		s.sendTo(t, 1)
	}
	eventuallySo(t, func() bool { return s.nodes[1].moves.count(row.reason) > 0 }, func() string {
		s.nodes[1].moves.mu.Lock()
		defer s.nodes[1].moves.mu.Unlock()
		return "refused are " + strings.Join(slices.Collect(maps.Keys(s.nodes[1].moves.outcomes)), ", ")
	})
	if row.happens != nil {
		<-s.happened
	}
	if row.after != nil {
		row.after(t, s)
	}
	if row.ends {
		eventually(t, "it ends", func() bool { return s.nodes[0].hub.Connections() == 0 })
		return
	}
	if s.client != nil {
		s.client.mustCall("Count")
	}
	if s.nodes[0].server.Connections() != 1 || s.nodes[1].moves.count("") > 0 {
		t.Error("the connection has not stayed")
	}
}

func (row refusal) start(t *testing.T) *refusing {
	server := redistest.Start(t)
	s := &refusing{proxy: redistest.StartProxy(t, server.Address), happened: make(chan struct{})}
	options := nodeOptions{redis: server, mode: redis.ModePubSub, backplaneAddress: s.proxy.Address}
	s.nodes = append(s.nodes, startNode(t, options))
	options.backplaneAddress = ""
	if row.second != nil {
		row.second(&options)
	}
	if row.happens != nil {
		options.network = func(n cluster.Network) cluster.Network {
			return &interrupted{Network: n, step: row.step, do: func(ctx context.Context) error {
				defer close(s.happened)
				return row.happens(t, s, ctx)
			}}
		}
	}
	s.nodes = append(s.nodes, startNode(t, options))
	if row.reason != cluster.RefusedAttached {
		s.client = travel(t, "ann", func() string { return s.nodes[s.at.Load()].address() })
		s.client.mayEnd = row.ends
	}
	return s
}

// comeWithTwoSockets is a client whose first socket is full and whose second is at the second server.
func comeWithTwoSockets(t *testing.T, s *refusing) {
	answer := negotiate(t, s.nodes[0].address())
	narrow := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if tcp, ok := conn.(*net.TCPConn); ok {
			err = tcp.SetReadBuffer(4096)
		}
		return conn, err
	}}}
	full, _, err := websocket.Dial(t.Context(), s.nodes[0].address()+"?id="+answer.ConnectionToken, &websocket.DialOptions{HTTPClient: narrow})
	must(t, err)
	t.Cleanup(func() { _ = full.CloseNow() })
	first := &client{t: t, socket: full}
	first.send(`{"protocol":"json","version":2}`)
	first.expect(`{}`)
	must(t, s.nodes[0].hub.Clients().Client(answer.ConnectionID).Send(t.Context(), "Much", strings.Repeat("x", 16<<20)))
	s.nodes[0].server.GiveAway(true)
	second := dial(t, s.nodes[1].address()+"?id="+answer.ConnectionToken)
	second.send(`{"type":9,"sequenceId":1}`)
}
