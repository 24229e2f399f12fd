package cluster

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Giver is what a server does to give its connections to others. Its methods may be called concurrently, those for one connection
// are called one after the other.
type Giver interface {
	// Offers tells whether a server that got a poll of the connection's client shall ask for the connection.
	Offers(connectionID string) bool
	// Prepare makes a connection ready to be moved and returns what the new owner needs to listen to the same messages.
	// If it succeeds, exactly one of Keep and Given follows. Its error is a *RefusalError.
	Prepare(ctx context.Context, connectionID, attempt string, request []byte) (offer []byte, err error)
	// State returns everything else, once the flow of messages has been cut here. Nothing is done for the client from
	// then on until Keep. Its error is a *RefusalError.
	State(ctx context.Context, connectionID string) ([]byte, error)
	// Keep lets the connection go on here as if nothing had been.
	Keep(connectionID string)
	// Given ends it here: another server has it.
	Given(connectionID string)
}

// giving is a move of a connection of this server that is under way.
type giving struct {
	connectionID string
	attempt      string
	to           Peer
	epoch        int64
	// ctx is that of the steps; it ends, by cancel, when the move shall.
	ctx    context.Context //nolint:containedctx // the life of the move, not of a call
	cancel context.CancelFunc
	// resolve makes one goroutine decide what has become of the move.
	resolve sync.Once
	// decided is closed when it is known whose the connection is; kept is set before.
	decided chan struct{}
	kept    bool

	// mu makes steps take turns, and guards what follows. It is held over the steps' own work. Member.mu is taken after it.
	mu sync.Mutex
	// prepared is set when the giver has prepared the connection.
	prepared bool
	// frozen is set when the state has been given out: from then on only the directory, or the new owner, can say that the
	// connection has not moved.
	frozen bool
	over   bool
}

// OnMove sets what gives connections of this server to others. Without it none is given.
func (m *Member) OnMove(giver Giver) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.giver = giver
}

// Answer answers a step that another server takes. Its error is ErrNotOwner.
func (m *Member) Answer(ctx context.Context, request MoveRequest) (MoveReply, error) {
	switch request.Step {
	case StepOutcome:
		return m.outcome(request), nil
	case StepPrepare:
		return m.prepare(ctx, request)
	}
	m.mu.Lock()
	move := m.givings[request.ConnectionID]
	m.mu.Unlock()
	if move == nil || move.attempt != request.Attempt {
		return MoveReply{Refused: RefusedLate}, nil
	}
	switch request.Step {
	case StepState:
		return m.freeze(ctx, move), nil
	case StepDone, StepGiveUp:
		m.conclude(move, request.Step == StepGiveUp)
		return MoveReply{}, nil
	}
	return MoveReply{Refused: RefusedVersion}, nil
}

// prepare begins to give a connection away. One that is being given to somebody else already is taken back first: the
// latest place where its client is counts.
func (m *Member) prepare(ctx context.Context, request MoveRequest) (MoveReply, error) {
	move := &giving{connectionID: request.ConnectionID, attempt: request.Attempt, to: request.From, decided: make(chan struct{})}
	move.ctx, move.cancel = context.WithTimeout(m.ended, moveTimeout)
	giver, err := m.beginGiving(ctx, move)
	if err != nil {
		move.cancel()
		return refused(err)
	}
	move.mu.Lock()
	defer move.mu.Unlock()
	if move.over { // a client that came back was faster
		return MoveReply{Refused: RefusedLate}, nil
	}
	offer, err := giver.Prepare(move.ctx, move.connectionID, move.attempt, request.Payload)
	if err != nil {
		m.forgetGiving(move, true)
		return refused(err)
	}
	move.prepared = true
	if ctx.Err() != nil || move.ctx.Err() != nil {
		m.decide(move, true, move.epoch)
		return MoveReply{Refused: RefusedTimeout}, nil
	}
	return MoveReply{Epoch: move.epoch, Payload: offer}, nil
}

func refused(err error) (MoveReply, error) {
	if errors.Is(err, ErrNotOwner) {
		return MoveReply{}, err
	}
	return MoveReply{Refused: reasonOf(err)}, nil
}

// beginGiving enters a move, when no other of the connection is under way any more.
func (m *Member) beginGiving(ctx context.Context, move *giving) (Giver, error) {
	for {
		m.mu.Lock()
		epoch, owned := m.owned[move.connectionID]
		giver, other := m.giver, m.givings[move.connectionID]
		switch {
		case !owned:
			m.mu.Unlock()
			return nil, ErrNotOwner
		case giver == nil:
			m.mu.Unlock()
			return nil, Refuse(RefusedVersion, nil)
		case other == nil:
			move.epoch = epoch
			m.givings[move.connectionID] = move
			m.mu.Unlock()
			m.work.Go(func() { m.watch(move) })
			return giver, nil
		}
		m.mu.Unlock()
		if other.attempt == move.attempt {
			return nil, Refuse(RefusedMoving, nil)
		}
		if _, err := m.Reclaim(ctx, move.connectionID); err != nil {
			return nil, Refuse(RefusedMoving, err)
		}
	}
}

// freeze gives out the state, once: who has it may commit the move, so that nothing else may decide here that the connection stays.
func (m *Member) freeze(ctx context.Context, move *giving) MoveReply {
	move.mu.Lock()
	defer move.mu.Unlock()
	if move.over || move.frozen || move.ctx.Err() != nil {
		return MoveReply{Refused: RefusedLate}
	}
	m.mu.Lock()
	giver := m.giver
	m.mu.Unlock()
	state, err := giver.State(move.ctx, move.connectionID)
	if err == nil && (ctx.Err() != nil || move.ctx.Err() != nil) {
		err = Refuse(RefusedTimeout, nil)
	}
	if err != nil {
		m.decide(move, true, move.epoch)
		return MoveReply{Refused: reasonOf(err)}
	}
	move.frozen = true
	return MoveReply{Payload: state}
}

// conclude ends a move as the new owner says. Only a step that is under way is interrupted: it would also wake who finds out what has
// become of the move, by asking a new owner that may have given the connection on by now, or by a change of the directory.
func (m *Member) conclude(move *giving, keep bool) {
	if !move.mu.TryLock() {
		move.cancel()
		move.mu.Lock()
	}
	defer move.mu.Unlock()
	m.decide(move, keep, move.epoch)
}

// decide ends a move. move.mu is held.
func (m *Member) decide(move *giving, keep bool, epoch int64) {
	if move.over {
		if keep && move.kept { // the news of the end came while the directory was being changed
			m.raise(move.connectionID, epoch)
		}
		return
	}
	m.mu.Lock()
	giver := m.giver
	if keep {
		m.owned[move.connectionID] = max(m.owned[move.connectionID], epoch)
	} else {
		// First of all: requests that come while the hub still has the connection wait for the end of the move.
		delete(m.owned, move.connectionID)
	}
	m.mu.Unlock()
	switch {
	case !move.prepared:
	case keep:
		giver.Keep(move.connectionID)
	default:
		m.remember(move.connectionID, move.to)
		giver.Given(move.connectionID)
	}
	m.forgetGiving(move, keep)
}

// raise takes over the epoch of the directory's entry of a connection, if that is still this server's. With an earlier one every move of
// the connection would come too late.
func (m *Member) raise(connectionID string, epoch int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if present, owned := m.owned[connectionID]; owned {
		m.owned[connectionID] = max(present, epoch)
	}
}

// forgetGiving is called with move.mu held.
func (m *Member) forgetGiving(move *giving, kept bool) {
	move.over, move.kept = true, kept
	m.mu.Lock()
	delete(m.givings, move.connectionID)
	m.mu.Unlock()
	close(move.decided)
	move.cancel()
}

// watch ends a move that takes too long: the new owner may be gone.
func (m *Member) watch(move *giving) {
	select {
	case <-move.decided:
		return
	case <-move.ctx.Done():
	}
	m.startResolving(move)
	<-move.decided
}

// Reclaim keeps a connection of this server that is being given to another one, because its client has come back here. It
// reports false if the other one has it. With an error nobody knows yet.
func (m *Member) Reclaim(ctx context.Context, connectionID string) (kept bool, err error) {
	return m.awaitDecision(ctx, connectionID, moveTimeout, m.startResolving)
}

// Await waits, and does nothing else, until it is known whose a connection is that is being given away. It reports false if it
// is not this server's. With an error nobody knows yet.
func (m *Member) Await(ctx context.Context, connectionID string) (kept bool, err error) {
	// After the first of the two the move is resolved.
	return m.awaitDecision(ctx, connectionID, 2*moveTimeout, func(*giving) {})
}

// awaitDecision waits until it is known whose a connection is. What begin does to a move that is under way comes first.
func (m *Member) awaitDecision(ctx context.Context, connectionID string, limit time.Duration, begin func(*giving)) (kept bool, err error) {
	m.mu.Lock()
	move := m.givings[connectionID]
	m.mu.Unlock()
	if move == nil {
		return m.Owns(connectionID), nil
	}
	begin(move)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case <-move.decided:
		return move.kept, nil
	case <-ctx.Done():
		return false, ErrUndecided
	}
}

// offers tells whether a connection shall be taken by the server that asks for its client.
func (m *Member) offers(connectionID string) bool {
	m.mu.Lock()
	giver := m.giver
	m.mu.Unlock()
	return giver != nil && giver.Offers(connectionID)
}

// startResolving makes one goroutine find out what has become of a move.
func (m *Member) startResolving(move *giving) {
	move.resolve.Do(func() {
		move.cancel()
		m.work.Go(func() { m.resolving(move) })
	})
}

// resolving tries until it is known whose the connection is. If that cannot be found out for too long, the connection ends.
func (m *Member) resolving(move *giving) {
	for until := time.Now().Add(resolvePatience); ; m.pause(commitPause) {
		outcome, epoch := m.find(move)
		if outcome == undecided && time.Now().Before(until) && m.ended.Err() == nil {
			continue
		}
		move.mu.Lock()
		m.decide(move, outcome != moved, epoch)
		move.mu.Unlock()
		if outcome == lost || outcome == undecided {
			m.disown(Holding{move.connectionID, epoch})
		}
		return
	}
}

// What can have become of a move.
type outcome uint8

const (
	undecided outcome = iota
	stays
	moved
	// lost: the connection is neither server's any more.
	lost
)

// find finds out what has become of a move, or decides it. It returns the connection's epoch if it stays.
func (m *Member) find(move *giving) (outcome, int64) {
	move.mu.Lock()
	frozen, over, kept := move.frozen, move.over, move.kept
	move.mu.Unlock()
	switch {
	case over && kept, !frozen: // without the state nobody can have committed it
		return stays, move.epoch
	case over:
		return moved, 0
	}
	ctx, cancel := context.WithTimeout(m.ended, commitTimeout)
	defer cancel()
	reply, err := m.options.Network.Move(ctx, move.to, MoveRequest{
		Step: StepOutcome, ConnectionID: move.connectionID, Attempt: move.attempt, From: m.options.Self,
	})
	switch {
	case err == nil && reply.Refused == "":
		return moved, 0
	case err == nil && reply.Refused == RefusedLate:
		return stays, move.epoch // it never got as far as the commit, and will not
	}
	// What the new owner has given up without knowing may still be in the directory, or come there.
	return m.keep(move, err == nil && reply.Refused == RefusedEnded)
}

// keep lets the directory decide. disclaimed tells that the new owner does not have the connection, whatever is there.
func (m *Member) keep(move *giving, disclaimed bool) (outcome, int64) {
	self, other := m.options.Self, Entry{Owner: move.to, Epoch: move.epoch + 1}
	kept := Entry{Owner: self, Epoch: move.epoch + 1}
	entry, err := m.swap(Change{ConnectionID: move.connectionID, From: Entry{Owner: self, Epoch: move.epoch}, To: kept, OrAbsent: true})
	if err == nil && entry == other && disclaimed {
		kept.Epoch++
		entry, err = m.swap(Change{ConnectionID: move.connectionID, From: other, To: kept})
	}
	switch {
	case err != nil:
		return undecided, move.epoch
	case entry.Owner == self && entry.Epoch > move.epoch: // by this change, or by one whose answer was lost
		return stays, entry.Epoch
	case !entry.Ended && entry.Epoch > move.epoch:
		return moved, 0 // to the new owner, or by now from there to yet another one
	}
	return lost, move.epoch
}

// isGiving tells whether a connection is being given away, so that the directory's word is that of the move.
func (m *Member) isGiving(connectionID string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.givings[connectionID] != nil
}
