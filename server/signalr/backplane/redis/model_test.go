package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// fleet is three servers that a property test may disturb.
type fleet interface {
	// connect makes server number at.
	connect(t testing.TB, at int) *Backplane
	// cut ends the network of a server until mend.
	cut(at int)
	mend(at int)
	// restart ends Redis and starts it anew; false if this fleet cannot.
	restart(t testing.TB) bool
	// lossless: what was accepted arrives whatever happens. ordered: all messages keep their order, not only those of
	// one channel.
	lossless() bool
	ordered() bool
}

const fleetSize = 3

// modelMember is a connection as the model knows it.
type modelMember struct {
	id, user string
	server   int
	groups   map[string]bool
	// owed must still arrive, allowed may: numbers of messages. Once received neither has it.
	owed, allowed map[int]bool
}

// model knows who must get what.
type model struct {
	t       *rapid.T
	fleet   fleet
	servers [fleetSize]*modelServer
	cut     [fleetSize]bool
	members map[string]*modelMember
	next    int
	// channel is where each message went.
	channel map[int]backplane.Target
	// late are those whose call has failed: if they come at all, it may be after later ones of others.
	late map[int]bool
	// moves and aborts count the connections that went from one server to another, and those that did not.
	moves, aborts int
}

func newModel(t *rapid.T, tb testing.TB, fleet fleet) *model {
	m := &model{t: t, fleet: fleet, members: make(map[string]*modelMember), channel: make(map[int]backplane.Target), late: make(map[int]bool)}
	for at := range m.servers {
		server := &modelServer{plane: fleet.connect(tb, at), members: make(map[string]*modelConnection), got: make(map[string][]int), left: make(map[string]uint64)}
		hub, err := server.plane.Open("Chat", server)
		if err == nil {
			err = hub.Subscribe(tb.Context())
		}
		m.must(err)
		server.hub, m.servers[at] = hub, server
	}
	return m
}

func (m *model) must(err error) {
	if err != nil {
		m.t.Fatalf("%v", err)
	}
}

func (m *model) close() {
	for _, server := range m.servers {
		_ = server.plane.Close()
	}
}

func (m *model) connect(at int, user string) {
	if m.cut[at] {
		return
	}
	m.next++
	member := &modelMember{
		id: fmt.Sprintf("c%d", m.next), user: user, server: at,
		groups: make(map[string]bool), owed: make(map[int]bool), allowed: make(map[int]bool),
	}
	// What is on its way to all may reach it.
	m.allowOnTheWay(member, func(backplane.Target) bool { return true })
	server := m.servers[at]
	server.accept(member.id)
	m.members[member.id] = member
	m.must(server.enter(m.t.Context(), member.id, toConnection(member.id)))
	m.must(server.enter(m.t.Context(), member.id, toUser(user)))
}

// allowOnTheWay lets a member that joins get what others still wait for on those channels.
func (m *model) allowOnTheWay(member *modelMember, joins func(backplane.Target) bool) {
	for number, target := range m.channel {
		if joins(target) {
			member.allowed[number] = true
		}
	}
}

func (m *model) disconnect(member *modelMember) {
	m.servers[member.server].end(member.id)
	delete(m.members, member.id)
	m.check(member)
}

// join and part act from any server, as long as both can be reached.
func (m *model) join(from int, member *modelMember, group string) {
	if m.cut[from] || m.cut[member.server] {
		return
	}
	m.allowOnTheWay(member, func(target backplane.Target) bool { return target == toGroup(group) })
	if from == member.server {
		m.must(m.servers[from].enter(m.t.Context(), member.id, toGroup(group)))
	} else {
		m.must(m.servers[from].hub.AddToGroup(m.t.Context(), member.id, group))
	}
	member.groups[group] = true
}

func (m *model) part(from int, member *modelMember, group string) {
	if m.cut[from] || m.cut[member.server] {
		return
	}
	for number := range member.owed {
		if m.channel[number] == toGroup(group) {
			delete(member.owed, number)
			member.allowed[number] = true
		}
	}
	if from == member.server {
		m.servers[from].leave(member.id, toGroup(group))
	} else {
		m.must(m.servers[from].hub.RemoveFromGroup(m.t.Context(), member.id, group))
	}
	delete(member.groups, group)
}

func (m *model) send(from int, target backplane.Target, excluded []string) {
	m.next++
	number := m.next
	m.channel[number] = target
	message := textMessage(strconv.Itoa(number))
	message.Excluded = excluded
	ctx, cancel := m.t.Context(), func() {}
	if m.cut[from] {
		ctx, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
	}
	defer cancel()
	err := m.servers[from].hub.Publish(ctx, target, message)
	if err != nil && !m.cut[from] || err != nil && !errors.Is(err, backplane.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
		m.t.Fatalf("send: %v", err)
	}
	m.late[number] = err != nil
	for _, member := range m.members {
		switch {
		case !member.isAmong(target) || slices.Contains(excluded, member.id):
		case err != nil || m.cut[member.server] && !m.fleet.lossless():
			member.allowed[number] = true
		default:
			member.owed[number] = true
		}
	}
}

func (c *modelMember) isAmong(target backplane.Target) bool {
	switch target.Scope {
	case backplane.ScopeAll:
		return true
	case backplane.ScopeGroup:
		return c.groups[target.Name]
	case backplane.ScopeUser:
		return c.user == target.Name
	default:
		return c.id == target.Name
	}
}

// excuse says that what is on its way to a server may be lost.
func (m *model) excuse(at int) {
	if m.fleet.lossless() {
		return
	}
	for _, member := range m.members {
		if member.server == at {
			maps.Copy(member.allowed, member.owed)
			clear(member.owed)
		}
	}
}

func (m *model) sever(at int) {
	if m.cut[at] {
		return
	}
	m.excuse(at)
	m.fleet.cut(at)
	m.await("the cut is seen", func() bool { return !m.servers[at].plane.State().Connected })
	m.cut[at] = true
}

func (m *model) mend(at int) {
	if !m.cut[at] {
		return
	}
	m.fleet.mend(at)
	m.await("the server is back", func() bool { return m.servers[at].plane.State().Connected })
	m.cut[at] = false
}

func (m *model) restart(tb testing.TB) {
	for at := range m.servers {
		m.excuse(at)
	}
	before := [fleetSize]uint64{}
	for at, server := range m.servers {
		before[at] = server.plane.State().Generation
	}
	if !m.fleet.restart(tb) {
		return
	}
	for at, server := range m.servers {
		if !m.cut[at] {
			m.await("the server is back", func() bool {
				state := server.plane.State()
				return state.Connected && state.Generation > before[at]
			})
		}
	}
}

func (m *model) await(what string, condition func() bool) {
	deadline := time.Now().Add(30 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			m.t.Fatalf("did not happen: %s", what)
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// settle waits until all that is owed has come, and looks at what came.
func (m *model) settle() {
	for at := range m.servers {
		m.mend(at)
	}
	for _, member := range m.members {
		m.await("all that is owed has come", func() bool {
			got := m.got(member)
			for number := range member.owed {
				if !slices.Contains(got, number) {
					return false
				}
			}
			return true
		})
		m.check(member)
		clear(member.owed)
	}
}

func (m *model) got(member *modelMember) []int {
	server := m.servers[member.server]
	server.mutex.Lock()
	defer server.mutex.Unlock()
	return slices.Clone(server.got[member.id])
}

// check looks for what came twice, came out of order or should not have come.
func (m *model) check(member *modelMember) {
	seen, last := make(map[int]bool), make(map[backplane.Target]int)
	for _, number := range m.got(member) {
		channel := m.channel[number]
		if m.fleet.ordered() {
			channel = toAll
		}
		switch {
		case seen[number]:
			m.t.Fatalf("%s got %d twice", member.id, number)
		case number < last[channel] && !m.late[number]:
			m.t.Fatalf("%s got %d after %d", member.id, number, last[channel])
		case !member.owed[number] && !member.allowed[number]:
			m.t.Fatalf("%s got %d, which was for %v", member.id, number, m.channel[number])
		}
		seen[number], last[channel] = true, max(number, last[channel])
		delete(member.owed, number)
		member.allowed[number] = true
	}
}

// run lets anything happen.
func (m *model) run(tb testing.TB) {
	server := rapid.IntRange(0, fleetSize-1)
	name := rapid.SampledFrom([]string{"red", "green", "blue"})
	member := func(t *rapid.T) *modelMember {
		if len(m.members) == 0 {
			t.Skip("nobody is there")
		}
		return m.members[rapid.SampledFrom(slices.Sorted(maps.Keys(m.members))).Draw(t, "member")]
	}
	m.t.Repeat(map[string]func(*rapid.T){
		"connect": func(t *rapid.T) { m.connect(server.Draw(t, "server"), name.Draw(t, "user")) },
		"join":    func(t *rapid.T) { m.join(server.Draw(t, "from"), member(t), name.Draw(t, "group")) },
		"join 2":  func(t *rapid.T) { m.join(server.Draw(t, "from"), member(t), name.Draw(t, "group")) },
		"part":    func(t *rapid.T) { m.part(server.Draw(t, "from"), member(t), name.Draw(t, "group")) },
		"send to all but one": func(t *rapid.T) {
			m.send(server.Draw(t, "from"), toAll, []string{member(t).id})
		},
		"send to a group": func(t *rapid.T) { m.send(server.Draw(t, "from"), toGroup(name.Draw(t, "group")), nil) },
		"send to a group but one": func(t *rapid.T) {
			m.send(server.Draw(t, "from"), toGroup(name.Draw(t, "group")), []string{member(t).id})
		},
		"send to a user":       func(t *rapid.T) { m.send(server.Draw(t, "from"), toUser(name.Draw(t, "user")), nil) },
		"send to a connection": func(t *rapid.T) { m.send(server.Draw(t, "from"), toConnection(member(t).id), nil) },
		"disconnect":           func(t *rapid.T) { m.disconnect(member(t)) },
		"move":                 func(t *rapid.T) { m.move(t, member(t), server.Draw(t, "to")) },
		"move 2":               func(t *rapid.T) { m.move(t, member(t), server.Draw(t, "to")) },
		"cut": func(t *rapid.T) {
			// Coming back takes a while: most of the time all are there.
			if rapid.IntRange(0, 2).Draw(t, "dice") == 0 {
				m.sever(server.Draw(t, "server"))
			}
		},
		"mend":          func(t *rapid.T) { m.mend(server.Draw(t, "server")) },
		"restart Redis": func(*rapid.T) { m.restart(tb) },
		"settle":        func(*rapid.T) { m.settle() },
	})
	m.settle()
}

// busFleet is three servers on a bus.
type busFleet struct {
	bus         bus
	connections [fleetSize]*busConnection
}

func (f *busFleet) connect(t testing.TB, at int) *Backplane {
	plane, connection := f.bus.connect(t, func(*Options) {})
	f.connections[at] = connection
	return plane
}

func (f *busFleet) cut(at int)  { f.connections[at].sever() }
func (f *busFleet) mend(at int) { f.connections[at].restart() }

func (f *busFleet) restart(testing.TB) bool {
	for _, connection := range f.connections {
		if !connection.cut {
			connection.sever()
			connection.restart()
		}
	}
	return true
}

func (*busFleet) lossless() bool { return false }
func (*busFleet) ordered() bool  { return true }

// Random joins, leaves, sends, cuts and restarts on three servers: everyone gets what is for them, once and in order.
func TestEveryoneGetsWhatIsForThem(t *testing.T) {
	moves, aborts := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		m := newModel(r, t, &busFleet{})
		defer m.close()
		m.run(t)
		moves, aborts = moves+m.moves, aborts+m.aborts
	})
	t.Logf("%d moves of connections, %d given up", moves, aborts)
	if moves == 0 || aborts == 0 {
		t.Error("no move was tried, or none was given up")
	}
}

// redisFleet is three servers on a real Redis, each behind a network of its own.
type redisFleet struct {
	mode    Mode
	redis   *redistest.Server
	proxies [fleetSize]*redistest.Proxy
	left    *int
}

func (f *redisFleet) connect(_ testing.TB, at int) *Backplane {
	return New(Options{
		Redis: &goredis.Options{Addr: f.proxies[at].Address}, Mode: f.mode, WaitTimeout: time.Minute,
	})
}

func (f *redisFleet) cut(at int)  { f.proxies[at].Cut() }
func (f *redisFleet) mend(at int) { f.proxies[at].Mend() }

// restart happens a few times only: it takes long.
func (f *redisFleet) restart(t testing.TB) bool {
	if *f.left == 0 {
		return false
	}
	*f.left--
	f.redis.Kill()
	f.redis.Start(t)
	return true
}

func (f *redisFleet) lossless() bool { return f.mode == ModeStreams }
func (f *redisFleet) ordered() bool  { return f.mode != ModeSharded }

func TestEveryoneGetsWhatIsForThemOverRedis(t *testing.T) {
	t.Parallel()
	for _, mode := range Modes() {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			redis := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
			var proxies [fleetSize]*redistest.Proxy
			for at := range proxies {
				proxies[at] = redistest.StartProxy(t, redis.Address)
			}
			deadline, restarts, rounds, moves := time.Now().Add(modelTime), 3, 0, 0
			defer func() {
				t.Logf("%d rounds, %d moves of connections, %d restarts of Redis", rounds, moves, 3-restarts)
			}()
			rapid.Check(t, func(r *rapid.T) {
				if time.Now().After(deadline) {
					return
				}
				rounds++
				for _, proxy := range proxies {
					proxy.Mend()
				}
				m := newModel(r, t, &redisFleet{mode: mode, redis: redis, proxies: proxies, left: &restarts})
				defer m.close()
				m.run(t)
				moves += m.moves
			})
		})
	}
}

// modelTime is how long the property is tried over each mode of a real Redis.
const modelTime = 8 * time.Second
