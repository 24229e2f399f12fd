package cluster

import (
	"time"
)

// tombstone is one that is to be written for a connection of this server that has ended.
type tombstone struct {
	Holding
	// settled is closed when it is written, or cannot be; nil if nobody waits for that.
	settled chan struct{}
}

// Release says that a connection of this server has ended. Its tombstone is written soon.
func (m *Member) Release(connectionID string) { m.finish(connectionID, nil) }

// End is Release for a connection whose client must not learn of its end before the other servers know. It returns when
// the tombstone is written, or after a moment if it cannot be.
func (m *Member) End(connectionID string) {
	settled := make(chan struct{})
	if !m.finish(connectionID, settled) {
		return
	}
	patience := time.NewTimer(directoryTimeout)
	defer patience.Stop()
	select {
	case <-settled:
	case <-patience.C:
	}
}

// finish gives a connection up. It reports false if there is no tombstone to write.
func (m *Member) finish(connectionID string, settled chan struct{}) (due bool) {
	m.mu.Lock()
	epoch, owned := m.owned[connectionID]
	delete(m.owned, connectionID)
	due = owned && len(m.finished)+len(m.overdue) < maximumFinished // beyond it the entry's life ends it
	if due {
		m.finished = append(m.finished, tombstone{Holding{connectionID, epoch}, settled})
	}
	m.mu.Unlock()
	signal(m.ending)
	return due
}
