package signalr

import (
	"cmp"
	"context"
	"slices"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// targetsOf are all targets whose messages a connection in these groups gets, and what cuts its group commands.
func targetsOf(c *connection, groups []string) []backplane.Target {
	targets := []backplane.Target{
		{Scope: backplane.ScopeAll}, {Scope: backplane.ScopeCommands}, {Scope: backplane.ScopeConnection, Name: c.id()},
	}
	if c.user != "" {
		targets = append(targets, userOf(c))
	}
	for _, group := range groups {
		targets = append(targets, backplane.Target{Scope: backplane.ScopeGroup, Name: group})
	}
	return targets
}

// audiences leaves out what every fence cuts.
func audiences(targets []backplane.Target) []backplane.Target {
	return slices.DeleteFunc(slices.Clone(targets), func(target backplane.Target) bool {
		return target.Scope == backplane.ScopeAll || target.Scope == backplane.ScopeCommands
	})
}

// groupsOf returns the groups of a connection.
func (x *index) groupsOf(c *connection) []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	groups := make([]string, 0, len(c.groups))
	for group := range c.groups {
		groups = append(groups, group)
	}
	return groups
}

// expect enters a connection that may come from another server, once the backplane delivers all that it hears. It gets
// messages, but nobody finds it.
func (x *index) expect(ctx context.Context, c *connection, groups []string) error {
	memberships := make([]backplane.Target, 0, 1+len(groups))
	if c.user != "" {
		memberships = append(memberships, userOf(c))
	}
	for _, group := range groups {
		memberships = append(memberships, backplane.Target{Scope: backplane.ScopeGroup, Name: group})
	}
	self := selfOf(c)
	turn, err := x.turns.take(ctx, append(memberships[:len(memberships):len(memberships)], self)...)
	if err != nil {
		return err
	}
	defer turn.end()
	targets := []backplane.Target{self}
	for _, target := range memberships {
		if !x.hasMembers(target) {
			targets = append(targets, target)
		}
	}
	if err := turn.subscribe(ctx, x.backplane, targets...); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.expected == nil {
		x.expected = make(map[string]*connection)
	}
	x.expected[c.id()] = c
	for _, target := range memberships {
		x.enter(target, c)
		if target.Scope == backplane.ScopeGroup {
			c.joined(target.Name)
		}
	}
	return nil
}

// inOrder sorts targets: who takes several turns takes them in this order, or two of them could wait for each other.
func inOrder(targets []backplane.Target) []backplane.Target {
	slices.SortFunc(targets, func(a, b backplane.Target) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Name, b.Name))
	})
	return slices.Compact(targets)
}

// settle makes an expected connection one like all others.
func (x *index) settle(c *connection) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.expected = without(x.expected, c.id())
	x.list(c)
}

// unexpect takes an expected connection out of everything, if it is there.
func (x *index) unexpect(c *connection) {
	x.mu.Lock()
	if x.expected[c.id()] != c {
		x.mu.Unlock()
		return
	}
	x.expected = without(x.expected, c.id())
	groups := c.groups
	c.groups = nil
	x.mu.Unlock()
	x.leaveAll(c, groups)
}

// expectedConnection finds a connection that may come from another server.
func (x *index) expectedConnection(connectionID string) *connection {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.expected[connectionID]
}
