package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"
)

// Taker is what a server does to get one connection from another. Its methods are called one after the other, Capture,
// Import and Commit at most once each. Exactly one of Commit and Abort is called last.
type Taker interface {
	// Request is what the owner is told first.
	Request() []byte
	// Capture is given the owner's offer. It returns when the flow of messages has been cut, here: what is behind the cut is kept.
	Capture(ctx context.Context, attempt string, offer []byte) error
	// Import is given the connection's state. Afterwards everything but Commit has been done.
	Import(ctx context.Context, state []byte) error
	// Commit makes the connection this server's: requests of its client find it when Commit returns.
	Commit()
	// Abort undoes what was done.
	Abort()
}

// taking is a move to this server that is under way.
type taking struct {
	attempt string
	// over is closed when the move has ended.
	over chan struct{}
	// committing is set from the moment on when the directory may be changed, committed when it has been; refused is set when the
	// owner was told that it will not be.
	committing, committed, refused bool
}

// Take makes a connection this server's, if its owner, which Locate has found, gives it away. Its error is a *RefusalError, ErrNotOwner
// if another server has the connection by now, or says that the owner or the directory cannot be reached; then everything is as it was.
func (m *Member) Take(ctx context.Context, connectionID, owner string, taker Taker) error {
	started := time.Now()
	err := m.take(ctx, connectionID, owner, taker)
	switch {
	case err == nil:
		m.options.Observer.Moved("", time.Since(started))
	case errors.Is(err, ErrNotOwner):
		m.forget(connectionID)
	default:
		m.options.Observer.Moved(reasonOf(err), time.Since(started))
	}
	return err
}

func (m *Member) take(ctx context.Context, connectionID, owner string, taker Taker) error {
	peer, known := m.hint(connectionID)
	if !known || peer.Instance != owner {
		return ErrNotOwner
	}
	move := &taking{attempt: newAttempt(), over: make(chan struct{})}
	if !m.beginTaking(connectionID, move) {
		return Refuse(RefusedMoving, nil)
	}
	defer m.endTaking(connectionID, move)
	limited, cancel := context.WithTimeout(ctx, moveTimeout)
	defer cancel()
	reply, err := m.ask(limited, peer, StepPrepare, connectionID, move, taker.Request())
	if err != nil {
		if !errors.As(err, new(*RefusalError)) {
			m.tell(peer, StepGiveUp, connectionID, move) // it may be prepared all the same
		}
		return err
	}
	from := Entry{Owner: peer, Epoch: reply.Epoch}
	if err := m.gather(limited, peer, connectionID, move, taker, reply.Payload); err != nil {
		taker.Abort()
		m.tell(peer, StepGiveUp, connectionID, move)
		return err
	}
	return m.commit(connectionID, from, move, taker)
}

// gather gets everything that the commit needs.
func (m *Member) gather(ctx context.Context, peer Peer, connectionID string, move *taking, taker Taker, offer []byte) error {
	if err := taker.Capture(ctx, move.attempt, offer); err != nil {
		return m.timely(ctx, err)
	}
	state, err := m.ask(ctx, peer, StepState, connectionID, move, nil)
	if err != nil {
		return m.timely(ctx, err)
	}
	if err := taker.Import(ctx, state.Payload); err != nil {
		return m.timely(ctx, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return Refuse(RefusedTimeout, ctx.Err())
	case move.refused:
		return Refuse(RefusedLate, nil)
	}
	move.committing = true
	return nil
}

// timely words an error that came because the time was up.
func (m *Member) timely(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.As(err, new(*RefusalError)) {
		return Refuse(RefusedTimeout, err)
	}
	return err
}

// commit changes the directory, which decides. It may be repeated: the second time the change finds itself made.
func (m *Member) commit(connectionID string, from Entry, move *taking, taker Taker) error {
	to := Entry{Owner: m.options.Self, Epoch: from.Epoch + 1}
	change := Change{ConnectionID: connectionID, From: from, To: to}
	for until := time.Now().Add(commitPatience); ; {
		entry, err := m.swap(change)
		switch {
		case err == nil && entry == to:
			m.taken(connectionID, to.Epoch, move, taker)
			m.tell(from.Owner, StepDone, connectionID, move)
			return nil
		case err == nil:
			taker.Abort()
			m.tell(from.Owner, StepGiveUp, connectionID, move)
			return Refuse(RefusedLate, nil)
		case time.Now().After(until):
			// What is not known now is decided by the directory when it is back: the owner asks it.
			taker.Abort()
			m.logger.Warn("it stays unknown whether a connection was moved here, its client begins anew", "connection", connectionID, "error", err)
			return Refuse(RefusedUnreachable, err)
		}
		m.pause(commitPause)
	}
}

func (m *Member) swap(change Change) (Entry, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	return swap(ctx, m.options.Directory, change)
}

// taken makes a connection this server's. The hub has it before the member says so: requests that come in between find it.
func (m *Member) taken(connectionID string, epoch int64, move *taking, taker Taker) {
	taker.Commit()
	m.mu.Lock()
	defer m.mu.Unlock()
	move.committed = true
	m.owned[connectionID] = epoch
	delete(m.hints, connectionID)
}

// pause waits, but not longer than this member lives.
func (m *Member) pause(length time.Duration) {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-m.ended.Done():
	}
}

func (m *Member) beginTaking(connectionID string, move *taking) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.takings[connectionID] != nil {
		return false
	}
	m.takings[connectionID] = move
	return true
}

func (m *Member) endTaking(connectionID string, move *taking) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.takings[connectionID] == move {
		delete(m.takings, connectionID)
	}
	close(move.over)
}

// comes tells whether a connection is this server's, after a move to it if one is under way: the directory may say so before this
// server does.
func (m *Member) comes(ctx context.Context, connectionID string) bool {
	m.mu.Lock()
	_, owned := m.owned[connectionID]
	move := m.takings[connectionID]
	m.mu.Unlock()
	if owned || move == nil {
		return owned
	}
	select {
	case <-move.over:
	case <-ctx.Done():
	}
	return m.Owns(connectionID)
}

// outcome answers the old owner: whether a move to this server has been committed. One that may still be is refused from now
// on, if that is possible.
func (m *Member) outcome(request MoveRequest) MoveReply {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, owned := m.owned[request.ConnectionID]; owned {
		return MoveReply{}
	}
	move := m.takings[request.ConnectionID]
	if move == nil || move.attempt != request.Attempt {
		return MoveReply{Refused: RefusedEnded}
	}
	if move.committing {
		return MoveReply{Refused: RefusedMoving}
	}
	move.refused = true
	return MoveReply{Refused: RefusedLate}
}

// ask takes a step at the owner.
func (m *Member) ask(ctx context.Context, peer Peer, step Step, connectionID string, move *taking, payload []byte) (MoveReply, error) {
	reply, err := m.options.Network.Move(ctx, peer, MoveRequest{
		Step: step, ConnectionID: connectionID, Attempt: move.attempt, From: m.options.Self, Payload: payload,
	})
	if err == nil && reply.Refused != "" {
		err = Refuse(reply.Refused, nil)
	}
	return reply, err
}

// tell says to the owner how a move has ended, in its own time: the owner finds out by itself, only later.
func (m *Member) tell(peer Peer, step Step, connectionID string, move *taking) {
	m.work.Go(func() {
		ctx, cancel := context.WithTimeout(m.ended, doneTimeout)
		defer cancel()
		for ctx.Err() == nil {
			if _, err := m.ask(ctx, peer, step, connectionID, move, nil); err == nil || errors.Is(err, ErrGone) || errors.As(err, new(*RefusalError)) {
				return
			}
			m.pause(commitPause)
		}
	})
}

func newAttempt() string {
	var random [12]byte
	_, _ = rand.Read(random[:]) // it never fails: see crypto/rand
	return hex.EncodeToString(random[:])
}
