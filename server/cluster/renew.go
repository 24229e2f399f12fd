package cluster

import (
	"cmp"
	"context"
	"errors"
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

// bookkeeping keeps the entries of this server in the directory, until ctx ends. What a part of the directory does not take holds up
// nothing of what the rest does.
func (m *Member) bookkeeping(ctx context.Context) {
	all, again := time.NewTicker(assertInterval), time.NewTicker(retryInterval)
	defer all.Stop()
	defer again.Stop()
	var round assertion
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-all.C:
			round, err = m.assertAll(ctx)
		case <-m.asserting:
			round, err = m.assertAll(ctx)
		case <-m.ending:
			err = m.writeTombstones(ctx)
		case <-again.C:
			err = errors.Join(m.assertLeft(ctx, &round), m.writeOverdue(ctx))
		}
		if err != nil && ctx.Err() == nil {
			m.logger.Debug("the directory cannot be written, will keep trying", "error", err)
		}
	}
}

// assertion is one round over all entries of this server.
type assertion struct {
	// left are the connections whose entries could not be written.
	left []string
	// doubt is the one that is over when none is left.
	doubt *doubt
}

// assertAll writes all entries of this server, in batches. Connections that are not its own any more are abandoned.
func (m *Member) assertAll(ctx context.Context) (round assertion, err error) {
	round.doubt = m.doubt.Load() // what was read before it began says nothing
	m.mu.Lock()
	ids := slices.Collect(maps.Keys(m.owned))
	m.mu.Unlock()
	var problems []error
	for batch := range slices.Chunk(ids, batchSize) {
		left, err := m.assert(ctx, batch)
		round.left = append(round.left, left...)
		problems = append(problems, err)
	}
	if len(round.left) == 0 {
		m.endDoubt(round.doubt)
	}
	return round, errors.Join(problems...)
}

// assertLeft tries to write what is left of a round, for as long as all goes well.
func (m *Member) assertLeft(ctx context.Context, round *assertion) error {
	for len(round.left) > 0 {
		count := min(batchSize, len(round.left))
		left, err := m.assert(ctx, round.left[:count])
		round.left = append(round.left[count:], left...)
		if err != nil {
			return err
		}
	}
	m.endDoubt(round.doubt)
	return nil
}

// assert writes the entries of those connections that are this server's. It returns those for which to try again may help.
func (m *Member) assert(ctx context.Context, ids []string) (left []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	batch := m.holdings(ids)
	results := m.options.Directory.Assert(ctx, m.options.Self, batch...)
	for at, result := range results {
		id := batch[at].ConnectionID
		switch {
		case result.mayPass():
			left = append(left, id)
		case result.Err != nil:
		case result.Entry.Owner == m.options.Self:
			m.raise(id, result.Entry.Epoch) // this server may not know that it wrote it
		case !m.isGiving(id):
			m.disown(batch[at])
		}
	}
	return left, m.problem(results)
}

func (m *Member) holdings(ids []string) []Holding {
	m.mu.Lock()
	defer m.mu.Unlock()
	holdings := make([]Holding, 0, len(ids))
	for _, id := range ids {
		if epoch, owned := m.owned[id]; owned {
			holdings = append(holdings, Holding{id, epoch})
		}
	}
	return holdings
}

// problem returns the first error of a batch that may pass. The first of those that do not is logged: its connection can do without its
// entry, because servers that cannot read it ask each other.
func (m *Member) problem(results []Result) (problem error) {
	var unreadable error
	for _, result := range results {
		if result.mayPass() {
			problem = cmp.Or(problem, result.Err)
		} else {
			unreadable = cmp.Or(unreadable, result.Err)
		}
	}
	if unreadable != nil {
		m.logger.Warn("an entry of the directory cannot be read, it stays as it is", "error", unreadable)
	}
	return problem
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
	var problems []error
	for {
		batch := m.due(&m.finished)
		if len(batch) == 0 {
			return errors.Join(problems...)
		}
		problems = append(problems, m.bury(ctx, batch))
	}
}

// writeOverdue tries to mark what could not be marked, for as long as all goes well.
func (m *Member) writeOverdue(ctx context.Context) error {
	for {
		batch := m.due(&m.overdue)
		if len(batch) == 0 {
			return nil
		}
		if err := m.bury(ctx, batch); err != nil {
			return err
		}
	}
}

// due takes the next batch out of a list of the member.
func (m *Member) due(list *[]tombstone) []tombstone {
	m.mu.Lock()
	defer m.mu.Unlock()
	batch := slices.Clone((*list)[:min(batchSize, len(*list))])
	*list = (*list)[len(batch):]
	return batch
}

// bury writes tombstones. Those for which to try again may help are overdue then, behind all others.
func (m *Member) bury(ctx context.Context, batch []tombstone) error {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	changes := make([]Change, 0, len(batch))
	for _, dead := range batch {
		from := Entry{Owner: m.options.Self, Epoch: dead.Epoch}
		changes = append(changes, Change{ConnectionID: dead.ConnectionID, From: from, To: ended(), OrAbsent: true})
	}
	results := m.options.Directory.Swap(ctx, changes...)
	var left []tombstone
	for at, result := range results {
		switch dead := batch[at]; {
		case result.mayPass():
			left = append(left, dead)
		case dead.settled != nil:
			close(dead.settled)
		}
	}
	m.mu.Lock()
	m.overdue = append(m.overdue, left...)
	m.mu.Unlock()
	return m.problem(results)
}
