package cluster

import (
	"errors"
	"fmt"
	"time"
)

// A connection moves between two servers in four steps, each a request of the new owner to the old one: prepare, state, done, or
// give up. In between, one change of the directory decides: before it the connection is the old owner's, whatever happens,
// after it the new one's. Neither server acts for the client from the state on until it knows.

// RefusalError is the error of a connection that cannot be moved now: its owner, or the server that asked for it, says why.
type RefusalError struct {
	// Reason is one word for metrics, of those below.
	Reason string
	// Err says more; it may be nil.
	Err error
}

// The reasons for which connections are not moved.
const (
	// RefusedUnwilling: the owner wants to keep it.
	RefusedUnwilling = "unwilling"
	// RefusedAttached: the owner has a socket of the client.
	RefusedAttached = "attached"
	// RefusedBusy: a method, a stream or an event of the connection runs.
	RefusedBusy = "busy"
	// RefusedMoving: it is being moved already.
	RefusedMoving = "moving"
	// RefusedOrder: the two servers do not get messages in one order, so that nothing can cut them.
	RefusedOrder = "order"
	// RefusedSize: there is more to move than may be.
	RefusedSize = "size"
	// RefusedVersion: the servers do not understand each other.
	RefusedVersion = "version"
	// RefusedEnded: the connection ends, or the hub does.
	RefusedEnded = "ended"
	// RefusedGap: a message may have been missed, or the fence did not come in time.
	RefusedGap = "gap"
	// RefusedTimeout: it took too long.
	RefusedTimeout = "timeout"
	// RefusedUnreachable: the owner or the backplane could not be reached.
	RefusedUnreachable = "unreachable"
	// RefusedLate: the owner had taken the connection back when it was to be committed.
	RefusedLate = "late"
)

// RefusedBecause returns all reasons.
func RefusedBecause() []string {
	return []string{
		RefusedUnwilling, RefusedAttached, RefusedBusy, RefusedMoving, RefusedOrder, RefusedSize, RefusedVersion, RefusedEnded,
		RefusedGap, RefusedTimeout, RefusedUnreachable, RefusedLate,
	}
}

// Error implements error.
func (r *RefusalError) Error() string {
	if r.Err == nil {
		return "the connection is not moved: " + r.Reason
	}
	return fmt.Sprintf("the connection is not moved: %s: %v", r.Reason, r.Err)
}

// Unwrap returns what the refusal wraps.
func (r *RefusalError) Unwrap() error { return r.Err }

// Refuse returns a *RefusalError.
func Refuse(reason string, err error) error { return &RefusalError{Reason: reason, Err: err} }

// reasonOf names the reason of an error.
func reasonOf(err error) string {
	var refusal *RefusalError
	if errors.As(err, &refusal) {
		return refusal.Reason
	}
	return RefusedUnreachable
}

// Step is what a server asks another one in a move.
type Step uint8

// The steps of a move.
const (
	// StepPrepare asks the owner for a connection: it answers what the new owner needs to listen to the same messages.
	StepPrepare Step = iota + 1
	// StepState asks for the state, once the flow of messages is cut.
	StepState
	// StepDone says that the move is committed.
	StepDone
	// StepGiveUp says that the move is not, and will not be, committed.
	StepGiveUp
	// StepOutcome is asked the other way round, by the owner: has the move been committed? If not it never will be.
	StepOutcome
)

// MoveRequest is one step.
type MoveRequest struct {
	Step         Step
	ConnectionID string
	// Attempt tells one move of a connection from another.
	Attempt string
	// From is who asks.
	From Peer
	// Payload is what the hubs of both servers tell each other.
	Payload []byte
}

// MoveReply answers a step.
type MoveReply struct {
	// Refused is the reason why the move is not made, "" if it may go on.
	Refused string
	// Epoch is the epoch of the owner, in the answer to StepPrepare.
	Epoch   int64
	Payload []byte
}

// The limits of a move. What takes longer is given up, and the connection stays where it is.
const (
	// moveTimeout bounds a move up to its commit, at both ends.
	moveTimeout = 4 * time.Second
	// commitTimeout bounds one attempt at the commit, commitPatience all of them: while the directory is away nobody
	// knows whose the connection is, and the client waits.
	commitTimeout  = time.Second
	commitPause    = 100 * time.Millisecond
	commitPatience = 12 * time.Second
	// resolvePatience is for how long the old owner tries to find out what has become of a move. Then it gives the
	// connection up.
	resolvePatience = time.Minute
	// doneTimeout bounds what is said after the commit or after a move was given up.
	doneTimeout = 5 * time.Second
	// maximumMovePayload bounds what one step may carry.
	maximumMovePayload = 8 << 20
)
