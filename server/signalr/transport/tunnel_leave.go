package transport

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/transport/frame"
)

// errLeft ends the copying of a tunnel whose client is sent away.
var errLeft = errors.New("the client is sent away")

// outlet is the end of a tunnel where the owner's bytes go to the client. It can be closed between two frames: within one,
// some clients would give up their session.
type outlet struct {
	client io.Writer
	// shut ends the tunnel's other end.
	shut   func()
	opened time.Time

	// mu guards what follows. Nothing is called while it is held.
	mu      sync.Mutex
	edges   frame.Edges
	leaving bool
}

// Write implements io.Writer.
func (o *outlet) Write(data []byte) (int, error) {
	count, left := o.advance(data)
	if count > 0 {
		if n, err := o.client.Write(data[:count]); err != nil {
			return n, err
		}
	}
	if left {
		return count, errLeft
	}
	return count, nil
}

// advance returns how many of the bytes may be written, and whether none may after them.
func (o *outlet) advance(data []byte) (count int, left bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for count < len(data) {
		if o.leaving && o.edges.AtEdge() {
			return count, true
		}
		count += o.edges.Advance(data[count:])
	}
	return count, o.leaving && o.edges.AtEdge()
}

// leave closes the outlet at the next edge. It reports false if that was done before.
func (o *outlet) leave() bool {
	o.mu.Lock()
	was, edge := o.leaving, o.edges.AtEdge()
	o.leaving = true
	o.mu.Unlock()
	if edge && !was {
		o.shut() // nothing may come that would end the copying
	}
	return !was
}

// Tunnels counts the sockets of clients whose connections other servers own, and those of them that can be sent away
// because they have been here for rest.
func (m *Manager) Tunnels(rest time.Duration) (all, movable int) {
	outlets := m.outlets()
	for _, outlet := range outlets {
		if outlet.rested(rest) {
			movable++
		}
	}
	return len(outlets), movable
}

// SendTunnelsAway makes up to most of the clients whose connections other servers own come back elsewhere, of those that
// have been here for rest. It returns how many.
func (m *Manager) SendTunnelsAway(most int, rest time.Duration) (sent int) {
	for _, outlet := range m.outlets() {
		if sent < most && outlet.rested(rest) && outlet.leave() {
			sent++
		}
	}
	return sent
}

func (m *Manager) outlets() []*outlet {
	m.mu.Lock()
	defer m.mu.Unlock()
	outlets := make([]*outlet, 0, len(m.tunnels))
	for _, outlet := range m.tunnels {
		if outlet != nil {
			outlets = append(outlets, outlet)
		}
	}
	return outlets
}

func (o *outlet) rested(rest time.Duration) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.leaving && time.Since(o.opened) >= rest
}
