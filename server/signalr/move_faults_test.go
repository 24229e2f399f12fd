package signalr_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

var errLost = errors.New("lost on the way")

// troubledNetwork lets the test come between servers: before is called before each step of a move, and may lose it.
type troubledNetwork struct {
	cluster.Network
	before func(step cluster.Step) error
}

func (n troubledNetwork) Move(ctx context.Context, peer cluster.Peer, request cluster.MoveRequest) (cluster.MoveReply, error) {
	if err := n.before(request.Step); err != nil {
		return cluster.MoveReply{}, err
	}
	return n.Network.Move(ctx, peer, request)
}

// troubledDirectory loses answers to changes as long as the test says so.
type troubledDirectory struct {
	cluster.Directory
	lost *atomic.Int32
}

func (d troubledDirectory) Swap(ctx context.Context, changes ...cluster.Change) []cluster.Result {
	results := d.Directory.Swap(ctx, changes...)
	if len(changes) == 1 && changes[0].To.Epoch > 1 && d.lost.Add(-1) >= 0 {
		return []cluster.Result{{Err: errLost}}
	}
	return results
}

// startTroubled starts two servers and a client at the first; trouble changes the second.
func startTroubled(t *testing.T, trouble func(*nodeOptions)) *switched {
	t.Helper()
	options := nodeOptions{redis: redistest.Start(t), mode: "pubsub"}
	s := &switched{nodes: []*node{startNode(t, options)}}
	trouble(&options)
	s.nodes = append(s.nodes, startNode(t, options))
	s.client = travel(t, "ann", func() string { return s.nodes[s.at.Load()].address() })
	return s
}

// publishAround sends the client messages from both servers while something happens, and looks that all come once and in order.
func (s *switched) publishAround(t *testing.T, happens func()) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	all := slices.DeleteFunc(publications(s.nodes, s.client, 0), func(p *publication) bool {
		return !strings.HasPrefix(p.method, "all") && !strings.HasPrefix(p.method, "client")
	})
	go func() {
		defer close(done)
		pace := time.NewTicker(2 * time.Millisecond)
		defer pace.Stop()
		for number := 0; ; number++ {
			select {
			case <-stop:
				return
			case <-pace.C:
			}
			for _, p := range all {
				if err := p.send(context.Background(), number); err != nil {
					t.Errorf("%s %d: %v", p.method, number, err)
					return
				}
				p.count.Store(int64(number + 1))
			}
		}
	}()
	happens()
	close(stop)
	<-done
	for _, p := range all {
		s.client.expectAll(t, p)
	}
}

func TestACommitWhoseAnswerIsLostIsAskedForAgain(t *testing.T) {
	lost := &atomic.Int32{}
	s := startTroubled(t, func(o *nodeOptions) {
		o.directory = func(d cluster.Directory) cluster.Directory { return troubledDirectory{d, lost} }
	})
	lost.Store(3)
	s.publishAround(t, func() {
		s.sendTo(t, 1)
		s.expectAt(t, 1)
	})
	s.client.mustCall("Count")
}

// The old server finds out by itself that the connection has moved.
func TestAMoveWhoseEndIsNotToldEnds(t *testing.T) {
	s := startTroubled(t, func(o *nodeOptions) {
		o.network = func(n cluster.Network) cluster.Network {
			return troubledNetwork{n, func(step cluster.Step) error {
				if step == cluster.StepDone {
					return errLost
				}
				return nil
			}}
		}
	})
	s.publishAround(t, func() {
		s.sendTo(t, 1)
		s.expectAt(t, 1)
	})
	s.client.mustCall("Count")
}

// Until the commit the connection stays where it is, with all that came meanwhile, whatever step is lost.
func TestAMoveThatIsGivenUpLosesNothing(t *testing.T) {
	for _, step := range []cluster.Step{cluster.StepPrepare, cluster.StepState} {
		t.Run(fmt.Sprintf("step %d", step), func(t *testing.T) {
			var lost atomic.Bool
			lost.Store(true)
			s := startTroubled(t, func(o *nodeOptions) {
				o.network = func(n cluster.Network) cluster.Network {
					return troubledNetwork{n, func(now cluster.Step) error {
						if now == step && lost.Load() {
							return errLost
						}
						return nil
					}}
				}
			})
			s.publishAround(t, func() {
				s.sendTo(t, 1)
				s.expectTunnelled(t)
				s.client.mustCall("Count")
			})
			if !s.nodes[0].owns(s.client.id) {
				t.Fatal("the connection has moved")
			}
			lost.Store(false)
			s.sendTo(t, 1)
			s.expectAt(t, 1)
			s.client.mustCall("Count")
		})
	}
}

// patientNetwork lets no socket reach another server before the test says so.
type patientNetwork struct {
	cluster.Network
	await func()
}

func (n patientNetwork) Attach(ctx context.Context, r *http.Request, peer cluster.Peer, id string) (io.ReadWriteCloser, error) {
	n.await()
	return n.Network.Attach(ctx, r, peer, id)
}

// The first of two sockets at the new server brings the connection there. The other one is about to look for it elsewhere.
func TestAClientWithTwoSocketsAtTheNewServerGoesOnThere(t *testing.T) {
	var s *switched
	s = startTroubled(t, func(o *nodeOptions) {
		o.network = func(n cluster.Network) cluster.Network {
			cut := sync.OnceFunc(func() { s.client.cut() })
			hooked := troubledNetwork{n, func(step cluster.Step) error {
				if step == cluster.StepState {
					cut()
					eventually(t, "the other socket has come", func() bool { return s.nodes[1].moves.count(cluster.RefusedMoving) > 0 })
				}
				return nil
			}}
			return patientNetwork{hooked, func() {
				eventually(t, "the connection has come", func() bool { return s.nodes[1].owns(s.client.id) })
			}}
		}
	})
	s.publishAround(t, func() {
		s.sendTo(t, 1)
		s.expectAt(t, 1)
	})
	s.client.mustCall("Count")
}

// The client comes back to the old server while the new one prepares to take its connection.
func TestAClientThatComesBackDuringItsMoveStays(t *testing.T) {
	held, release := make(chan struct{}, 1), make(chan struct{})
	s := startTroubled(t, func(o *nodeOptions) {
		o.network = func(n cluster.Network) cluster.Network {
			return troubledNetwork{n, func(step cluster.Step) error {
				if step == cluster.StepState {
					held <- struct{}{}
					<-release
				}
				return nil
			}}
		}
	})
	s.publishAround(t, func() {
		s.sendTo(t, 1)
		<-held
		s.at.Store(0)
		s.client.cut()
		s.client.mustCall("Count")
		close(release)
	})
	if !s.nodes[0].owns(s.client.id) {
		t.Error("the connection has moved")
	}
}
