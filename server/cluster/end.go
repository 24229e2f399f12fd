package cluster

import (
	"context"
)

// Release says that a connection of this server has ended. Its tombstone is written soon.
func (m *Member) Release(connectionID string) { m.finish(connectionID) }

// End is Release for a connection whose client must not learn of its end before the other servers know. It returns when
// the tombstone is written, or after a moment if it cannot be.
func (m *Member) End(connectionID string) {
	number := m.finish(connectionID)
	ctx, cancel := context.WithTimeout(context.Background(), directoryTimeout)
	defer cancel()
	for {
		m.mu.Lock()
		buried, burial := m.buried, m.burial
		m.mu.Unlock()
		if buried >= number {
			return
		}
		select {
		case <-burial:
		case <-ctx.Done():
			return
		}
	}
}

// finish gives a connection up and returns how many tombstones must have been written for its own to be among them: 0 if
// there is none to write.
func (m *Member) finish(connectionID string) (number uint64) {
	m.mu.Lock()
	epoch, owned := m.owned[connectionID]
	delete(m.owned, connectionID)
	if owned && len(m.finished) < maximumFinished { // beyond it the entry's life ends it
		m.finished = append(m.finished, Holding{connectionID, epoch})
		number = m.buried + uint64(len(m.finished))
	}
	m.mu.Unlock()
	signal(m.ending)
	return number
}
