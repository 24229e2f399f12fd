package cluster

import (
	"context"
	"maps"
	"slices"
	"time"
)

// renewals shows the directory that this server lives, until ctx ends.
func (m *Member) renewals(ctx context.Context) {
	ticker := time.NewTicker(RenewInterval)
	defer ticker.Stop()
	failing := false
	for {
		err := m.renew(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			m.logger.Warn("this server cannot be renewed in the directory, will keep trying", "error", err)
		case err == nil && failing:
			m.logger.Info("this server is renewed in the directory again")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-m.renewing:
		}
	}
}

func (m *Member) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, RenewInterval)
	defer cancel()
	m.Doubt() // once it is renewed nobody sees any more that it was away
	began := time.Now()
	m.mu.Lock()
	load := m.load
	m.mu.Unlock()
	all, err := m.options.Directory.Renew(ctx, m.options.Self, load())
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(all, func(server Server) bool { return server.Peer == m.options.Self })
	m.takeOver(others, began)
	late := elapsed(*m.renewed.Swap(&began), began) > LivenessTimeout
	if late {
		// Others may have taken this server for dead and told its clients so.
		m.logger.Warn("this server was away for longer than its liveness timeout, looking which connections are still its own")
		m.Reassert()
	}
	return nil
}

// takeOver replaces the list of the other servers. Those that are not in the new one may live all the same: a directory that has lost
// everything lists a server when that is renewed there, not before.
func (m *Member) takeOver(others []Server, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !sameServers(m.peers, others) {
		m.joined = now
	}
	for _, server := range m.peers {
		if !lists(others, server.Peer) && len(m.vanished) < maximumVanished {
			m.vanished[server.Peer] = now
		}
	}
	m.peers = others
	maps.DeleteFunc(m.vanished, func(peer Peer, since time.Time) bool {
		return lists(others, peer) || now.Sub(since) > LivenessTimeout
	})
}

// sameServers tells whether nobody has come or gone.
func sameServers(before, now []Server) bool {
	if len(before) != len(now) {
		return false
	}
	for _, server := range now {
		if !lists(before, server.Peer) {
			return false
		}
	}
	return true
}

func lists(servers []Server, peer Peer) bool {
	return slices.ContainsFunc(servers, func(server Server) bool { return server.Peer == peer })
}

// bookkeeping keeps the entries of this server in the directory, until ctx ends.
func (m *Member) bookkeeping(ctx context.Context) {
	ticker := time.NewTicker(assertInterval)
	defer ticker.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			err = m.assertAll(ctx)
		case <-m.asserting:
			err = m.assertAll(ctx)
		case <-m.ending:
			err = m.writeTombstones(ctx)
		}
		if err != nil && ctx.Err() == nil {
			m.logger.Debug("the directory cannot be written, will keep trying", "error", err)
			m.tryAgain(ctx)
		}
	}
}

// tryAgain pauses and leaves both kinds of work to be done.
func (m *Member) tryAgain(ctx context.Context) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
		signal(m.ending)
		signal(m.asserting)
	}
}

// assertAll writes all entries of this server, in batches. Connections that are not its own any more are abandoned.
func (m *Member) assertAll(ctx context.Context) error {
	doubt := m.doubt.Load() // what was read before it began says nothing
	m.mu.Lock()
	holdings := make([]Holding, 0, len(m.owned))
	for id, epoch := range m.owned {
		holdings = append(holdings, Holding{id, epoch})
	}
	m.mu.Unlock()
	for batch := range slices.Chunk(holdings, batchSize) {
		if err := m.assert(ctx, batch); err != nil {
			return err
		}
	}
	m.endDoubt(doubt)
	return nil
}

func (m *Member) assert(ctx context.Context, batch []Holding) error {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	entries, err := m.options.Directory.Assert(ctx, m.options.Self, batch...)
	if err != nil {
		return err
	}
	for at, entry := range entries {
		if entry.Owner != m.options.Self && !m.isGiving(batch[at].ConnectionID) {
			m.disown(batch[at])
		}
	}
	return nil
}

// disown gives up a connection that the directory says is not this server's, unless that was news of the past.
func (m *Member) disown(holding Holding) {
	m.mu.Lock()
	epoch, owned := m.owned[holding.ConnectionID]
	lost := owned && epoch == holding.Epoch
	if lost {
		delete(m.owned, holding.ConnectionID)
	}
	abandon := m.abandon
	m.mu.Unlock()
	if lost {
		m.logger.Warn("a connection was given up by the other servers", "connection", holding.ConnectionID)
		abandon(holding.ConnectionID)
	}
}

// writeTombstones marks what has ended here, in batches.
func (m *Member) writeTombstones(ctx context.Context) error {
	for {
		m.mu.Lock()
		batch := slices.Clone(m.finished[:min(batchSize, len(m.finished))])
		m.mu.Unlock()
		if len(batch) == 0 {
			return nil
		}
		if err := m.bury(ctx, batch); err != nil {
			return err
		}
		m.mu.Lock()
		m.finished = m.finished[len(batch):]
		m.buried += uint64(len(batch))
		close(m.burial)
		m.burial = make(chan struct{})
		m.mu.Unlock()
	}
}

func (m *Member) bury(ctx context.Context, batch []Holding) error {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	changes := make([]Change, 0, len(batch))
	for _, holding := range batch {
		from := Entry{Owner: m.options.Self, Epoch: holding.Epoch}
		changes = append(changes, Change{ConnectionID: holding.ConnectionID, From: from, To: ended(), OrAbsent: true})
	}
	_, err := m.options.Directory.Swap(ctx, changes...)
	return err
}
