package signalr

import (
	"sync"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// sideBufferSize bounds what is put aside for a connection that moves, in bytes. A move during which more comes is given up.
const sideBufferSize = 1 << 20

// delivered is a message for one client, with what its answer needs if one is wanted.
type delivered struct {
	payload      *transport.Payload
	invocationID string
	returnTo     string
}

// cut is how far the flow of messages to a connection has been cut by a fence.
type cut struct {
	// everything is set by a fence that cuts all; missing are the targets whose fences are still to come, where each has its own.
	everything bool
	missing    map[backplane.Target]struct{}
}

func newCut(targets []backplane.Target) cut {
	c := cut{missing: make(map[backplane.Target]struct{}, len(targets))}
	for _, target := range targets {
		c.missing[target] = struct{}{}
	}
	return c
}

// at takes note of a fence.
func (c *cut) at(target backplane.Target) {
	if target.Scope == backplane.ScopeEverything {
		c.everything = true
		return
	}
	delete(c.missing, target)
}

// behind tells whether what comes for target now lies behind the fence.
func (c *cut) behind(target backplane.Target) bool {
	_, missing := c.missing[target]
	return c.everything || !missing
}

func (c *cut) complete() bool { return c.everything || len(c.missing) == 0 }

// sideBuffer stands before the outbox of a connection that moves. What lies behind the fence is put aside, at both servers, until
// it is known whose it is. What lies before the fence goes to the outbox at the old server, and is dropped by the new one.
type sideBuffer struct {
	// arriving is set at the new server.
	arriving bool

	// mu guards what follows. The lock of an outbox may be taken while it is held.
	mu    sync.Mutex
	cut   cut
	aside []delivered
	bytes int
	// overflowed says that something is missing in aside.
	overflowed bool
	// open is set when messages pass.
	open bool
}

// take decides about a message to target. It reports false if the message has to go its usual way.
func (b *sideBuffer) take(target backplane.Target, message delivered) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.open:
		return false
	case !b.cut.behind(target):
		return b.arriving
	case message.payload == nil: // in no protocol that the client speaks
		b.overflowed = true
		return true
	}
	if b.bytes += message.payload.Len(); b.bytes > sideBufferSize {
		b.overflowed = true
		return true
	}
	b.aside = append(b.aside, message)
	return true
}

// fence takes note of a fence. It reports whether the cut is complete now.
func (b *sideBuffer) fence(target backplane.Target) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cut.at(target)
	return b.cut.complete()
}

func (b *sideBuffer) isOverflowed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.overflowed
}

// pass hands what was put aside to deliver, in order, and lets all that follows pass. It reports false if something is missing.
func (b *sideBuffer) pass(deliver func(delivered)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, message := range b.aside {
		deliver(message)
	}
	b.aside, b.open = nil, true
	return !b.overflowed
}
