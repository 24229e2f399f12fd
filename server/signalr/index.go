package signalr

import (
	"context"
	"sync"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// index knows the connections of a hub on this server, by id, group and user, and keeps the backplane subscribed to what
// they want to hear: to a group or user from the first local member to the last.
type index struct {
	backplane backplane.Hub
	// turns makes those wait for each other who change the members of the same group or user: whether there is a
	// subscription must not change between looking and acting. A turn is held over the round trip to the backplane, and for
	// as long as that is away; it is taken before mu.
	turns turns

	// mu guards what follows, and connection.groups.
	mu          sync.RWMutex
	connections map[string]*connection
	// everyone holds the same connections, for fast walks; connection.position is their place in it.
	everyone []*connection
	members  map[backplane.Target]map[*connection]struct{}
	// expected are connections that may come from other servers: they get messages, but are not found. Nil while there are none.
	expected map[string]*connection
}

func newIndex() *index {
	return &index{connections: make(map[string]*connection), members: make(map[backplane.Target]map[*connection]struct{})}
}

// add enters a connection once the backplane delivers what is sent to it.
func (x *index) add(ctx context.Context, c *connection) error {
	self, user := selfOf(c), userOf(c)
	changed := []backplane.Target{self}
	if c.user != "" {
		changed = append(changed, user)
	}
	turn, err := x.turns.take(ctx, changed...)
	if err != nil {
		return err
	}
	defer turn.end()
	targets := []backplane.Target{self}
	if c.user != "" && !x.hasMembers(user) {
		targets = append(targets, user)
	}
	if err := turn.subscribe(ctx, x.backplane, targets...); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.list(c)
	if c.user != "" {
		x.enter(user, c)
	}
	return nil
}

// list enters a connection among all; mu is held.
func (x *index) list(c *connection) {
	x.connections[c.id()] = c
	c.position = len(x.everyone)
	x.everyone = append(x.everyone, c)
}

// remove takes a connection out of everything.
func (x *index) remove(c *connection) {
	x.mu.Lock()
	if x.connections[c.id()] != c {
		x.mu.Unlock()
		return
	}
	delete(x.connections, c.id())
	last := len(x.everyone) - 1
	x.everyone[c.position] = x.everyone[last]
	x.everyone[c.position].position = c.position
	x.everyone[last] = nil
	x.everyone = x.everyone[:last]
	groups := c.groups
	c.groups = nil
	x.mu.Unlock()
	x.leaveAll(c, groups)
}

// leaveAll ends what a connection listens to.
func (x *index) leaveAll(c *connection, groups map[string]struct{}) {
	x.leaveSelf(c)
	if c.user != "" {
		x.leave(userOf(c), c)
	}
	for group := range groups {
		x.leave(backplane.Target{Scope: backplane.ScopeGroup, Name: group}, c)
	}
}

// join makes a connection a member of a group; local tells whether the connection is still here.
func (x *index) join(ctx context.Context, c *connection, group string) (local bool, err error) {
	target := backplane.Target{Scope: backplane.ScopeGroup, Name: group}
	turn, err := x.turns.take(ctx, target)
	if err != nil {
		return true, err
	}
	defer turn.end()
	if !x.hasMembers(target) {
		if err := turn.subscribe(ctx, x.backplane, target); err != nil {
			return true, err
		}
	}
	x.mu.Lock()
	here := x.connections[c.id()] == c
	if here {
		c.joined(group)
		x.enter(target, c)
	}
	empty := len(x.members[target]) == 0
	x.mu.Unlock()
	if empty { // the connection ended meanwhile
		x.backplane.Unsubscribe(target)
	}
	return here, nil
}

// joined notes a group; the index is locked.
func (c *connection) joined(group string) {
	if c.groups == nil {
		c.groups = make(map[string]struct{})
	}
	c.groups[group] = struct{}{}
}

// part takes a connection out of a group, unless ctx ends while others change its members.
func (x *index) part(ctx context.Context, c *connection, group string) error {
	target := backplane.Target{Scope: backplane.ScopeGroup, Name: group}
	turn, err := x.turns.take(ctx, target)
	if err != nil {
		return err
	}
	defer turn.end()
	x.takeOut(target, c)
	return nil
}

func (x *index) find(connectionID string) *connection {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.connections[connectionID]
}

func (x *index) snapshot() []*connection {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return append([]*connection(nil), x.everyone...)
}

// each calls visit for the local connections of target. The index is locked meanwhile: visit must not block.
func (x *index) each(target backplane.Target, visit func(*connection)) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	switch target.Scope {
	case backplane.ScopeAll:
		for _, c := range x.everyone {
			visit(c)
		}
		for _, c := range x.expected {
			visit(c)
		}
	case backplane.ScopeConnection:
		if c := x.connections[target.Name]; c != nil {
			visit(c)
		} else if c := x.expected[target.Name]; c != nil {
			visit(c)
		}
	default:
		for c := range x.members[target] {
			visit(c)
		}
	}
}

func (x *index) hasMembers(target backplane.Target) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.members[target]) > 0
}

// enter adds a member; mu is held.
func (x *index) enter(target backplane.Target, c *connection) {
	if x.members == nil {
		x.members = make(map[backplane.Target]map[*connection]struct{})
	}
	if x.members[target] == nil {
		x.members[target] = make(map[*connection]struct{})
	}
	x.members[target][c] = struct{}{}
}

// without deletes a key. A map keeps the room for the most keys that it ever had, so one that becomes empty is given up.
func without[K comparable, V any](entries map[K]V, key K) map[K]V {
	delete(entries, key)
	if len(entries) == 0 {
		return nil
	}
	return entries
}

func (x *index) leave(target backplane.Target, c *connection) {
	defer x.turns.await(target).end()
	x.takeOut(target, c)
}

// takeOut ends a membership, and the subscription with the last one; the caller has the turn of target.
func (x *index) takeOut(target backplane.Target, c *connection) {
	x.mu.Lock()
	_, was := x.members[target][c]
	delete(x.members[target], c)
	if target.Scope == backplane.ScopeGroup {
		c.groups = without(c.groups, target.Name)
	}
	empty := was && len(x.members[target]) == 0
	if empty {
		x.members = without(x.members, target)
	}
	x.mu.Unlock()
	if empty {
		x.backplane.Unsubscribe(target)
	}
}

// leaveSelf ends the subscription of a connection itself, unless it has come back from another server by now.
func (x *index) leaveSelf(c *connection) {
	self := selfOf(c)
	defer x.turns.await(self).end()
	if x.find(c.id()) == nil && x.expectedConnection(c.id()) == nil {
		x.backplane.Unsubscribe(self)
	}
}

func selfOf(c *connection) backplane.Target {
	return backplane.Target{Scope: backplane.ScopeConnection, Name: c.id()}
}

func userOf(c *connection) backplane.Target {
	return backplane.Target{Scope: backplane.ScopeUser, Name: c.user}
}
