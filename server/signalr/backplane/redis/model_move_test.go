package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// modelMove is one side of a connection's move from a server to another: the least that a fence must make possible.
type modelMove struct {
	mark     string
	arriving bool
	// cut has what Fenced was called with, fences what the server's count was when the group commands were cut.
	cut    map[backplane.Target]bool
	fences uint64
	// behind is what came behind the fence.
	behind []int
	// decided is closed when the move is done or given up.
	decided chan struct{}
}

func newModelMove(mark string, arriving bool) *modelMove {
	return &modelMove{mark: mark, arriving: arriving, cut: make(map[backplane.Target]bool), decided: make(chan struct{})}
}

func (m *modelMove) isCut(target backplane.Target) bool { return m.cut[everything] || m.cut[target] }

var groupCommands = backplane.Target{Scope: backplane.ScopeCommands}

// isComplete tells whether all has been cut that concerns a connection.
func (s *modelServer) isComplete(move *modelMove, targets []backplane.Target) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return !slices.ContainsFunc(append(slices.Clone(targets), toAll, groupCommands), func(target backplane.Target) bool {
		return !move.isCut(target)
	})
}

// depart begins the move at the old server; its groups stay as they are from now on.
func (s *modelServer) depart(id, mark string) (*modelMove, []backplane.Target) {
	s.membership.Lock()
	defer s.membership.Unlock()
	move := newModelMove(mark, false)
	s.mutex.Lock()
	s.members[id].move = move
	s.mutex.Unlock()
	return move, s.targets(id)
}

// arrive begins the move at the new server.
func (s *modelServer) arrive(ctx context.Context, id, mark string, targets []backplane.Target) (*modelMove, error) {
	move := newModelMove(mark, true)
	s.mutex.Lock()
	s.members[id] = &modelConnection{targets: make(map[backplane.Target]bool), move: move}
	s.mutex.Unlock()
	for _, target := range targets {
		if err := s.enter(ctx, id, target); err != nil {
			return move, err
		}
	}
	return move, nil
}

// stay gives up the move at the old server.
func (s *modelServer) stay(id string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	connection := s.members[id]
	s.got[id] = append(s.got[id], connection.move.behind...)
	close(connection.move.decided)
	connection.move = nil
}

// retreat gives it up at the new one.
func (s *modelServer) retreat(id string, move *modelMove) {
	s.end(id)
	close(move.decided)
}

// release ends the move at the old server and returns what the connection had got there.
func (s *modelServer) release(id string, move *modelMove) []int {
	got := func() []int {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.left[id] = move.fences
		return s.got[id]
	}()
	s.end(id)
	close(move.decided)
	return got
}

// adopt ends the move at the new server.
func (s *modelServer) adopt(id string, got []int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	connection := s.members[id]
	s.got[id] = append(got, connection.move.behind...)
	connection.since = connection.move.fences
	delete(s.left, id)
	close(connection.move.decided)
	connection.move = nil
}

// orders are what a move rests on at both servers.
type orders struct {
	domains     [2]backplane.Domain
	generations [2]uint64
}

// ordersOf reports false where the two servers have no order in common.
func ordersOf(ctx context.Context, first, second backplane.Hub) (now orders, shared bool) {
	for at, hub := range []backplane.Hub{first, second} {
		fencer := hub.(backplane.Fencer)
		now.generations[at] = fencer.Generation()
		domain, err := fencer.Domain(ctx)
		if err != nil {
			return now, false
		}
		now.domains[at] = domain
	}
	return now, now.domains[0] == now.domains[1]
}

// relocate moves a connection if nothing comes in between. It fails only when a fence does not come although nothing did.
func relocate(ctx context.Context, id, mark string, from, to *modelServer, giveUp bool) (moved bool, err error) {
	before, shared := ordersOf(ctx, from.hub, to.hub)
	if !shared {
		return false, nil
	}
	undisturbed := func() bool {
		now, shared := ordersOf(ctx, from.hub, to.hub)
		return shared && now == before
	}
	departing, targets := from.depart(id, mark)
	arriving, asked := to.arrive(ctx, id, mark, targets)
	if asked == nil {
		asked = to.hub.(backplane.Fencer).Fence(ctx, mark, targets...)
	}
	for deadline := time.Now().Add(patience); asked == nil && undisturbed(); time.Sleep(100 * time.Microsecond) {
		if from.isComplete(departing, targets) && to.isComplete(arriving, targets) {
			break
		}
		if time.Now().After(deadline) {
			err = errNoFence
			break
		}
	}
	if asked == nil && err == nil && !giveUp && undisturbed() {
		to.adopt(id, from.release(id, departing))
		return true, nil
	}
	from.stay(id)
	to.retreat(id, arriving)
	return false, err
}

var errNoFence = errors.New("the fence has not come to both servers")

// move lets a connection go to another server while others send to it, change its groups and lose their connections.
func (m *model) move(t *rapid.T, member *modelMember, to int) {
	from := member.server
	if to == from || m.cut[to] || m.cut[from] {
		return
	}
	m.next++
	mark, giveUp := fmt.Sprintf("move %d", m.next), rapid.IntRange(0, 4).Draw(t, "give up") == 0
	type outcome struct {
		moved bool
		err   error
	}
	ended := make(chan outcome, 1)
	go func() {
		moved, err := relocate(m.t.Context(), member.id, mark, m.servers[from], m.servers[to], giveUp)
		ended <- outcome{moved, err}
	}()
	m.meanwhile(t, member, to)
	result := <-ended
	m.must(result.err)
	if !result.moved {
		m.aborts++
		return
	}
	m.moves++
	member.server = to
}

// meanwhile does what must not disturb a move.
func (m *model) meanwhile(t *rapid.T, member *modelMember, to int) {
	names := []string{"red", "green", "blue"}
	others := []int{to, fleetSize - to - member.server}
	for range rapid.IntRange(0, 8).Draw(t, "meanwhile") {
		sender := rapid.IntRange(0, fleetSize-1).Draw(t, "from")
		name := rapid.SampledFrom(names).Draw(t, "name")
		switch rapid.IntRange(0, 6).Draw(t, "what") {
		case 0:
			m.send(sender, toAll, nil)
		case 1:
			m.send(sender, toGroup(name), nil)
		case 2:
			m.send(sender, toUser(member.user), nil)
		case 3:
			m.send(sender, toConnection(member.id), nil)
		case 4:
			m.join(rapid.SampledFrom(others).Draw(t, "other"), member, name)
		case 5:
			m.part(rapid.SampledFrom(others).Draw(t, "other"), member, name)
		}
	}
	if !m.fleet.lossless() && rapid.IntRange(0, 5).Draw(t, "cut") == 0 {
		m.excuse(member.server) // if it has moved by now, what is on its way to the new server
		m.sever(rapid.IntRange(0, fleetSize-1).Draw(t, "server"))
	}
}
