package signalr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// turns is a queue for each target that is in use: who is first in it has the turn.
type turns struct {
	// mu guards the queues. It is held for moments only, and no other lock is taken meanwhile.
	mu     sync.Mutex
	queues map[backplane.Target][]*ticket
}

// ticket is somebody's place in a queue.
type ticket struct {
	target backplane.Target
	// first is closed when the ticket has become the first; nil if it always was.
	first chan struct{}
	// lastFailure is how those before have failed last, nil if they have not. It is set before first is closed, and not changed then.
	lastFailure *failure
}

// failure is that of a subscription which the backplane has given up after so long.
type failure struct {
	err    error
	waited time.Duration
}

// turn is what somebody has, or waits for, who changes the members of targets. It belongs to one goroutine.
type turn struct {
	turns   *turns
	tickets []*ticket
	// since is when the waiting began.
	since time.Time
	// lastFailure is how a subscription has failed last, this one's or of those before.
	lastFailure *failure
}

// take waits for the turn of all targets, until ctx ends. What it returns has to be ended.
func (t *turns) take(ctx context.Context, targets ...backplane.Target) (*turn, error) {
	mine := &turn{turns: t, since: time.Now()}
	for _, target := range inOrder(targets) {
		if err := mine.wait(ctx, t.queue(target)); err != nil {
			mine.end()
			return nil, err
		}
	}
	return mine, nil
}

// await is take for those who must not fail.
func (t *turns) await(target backplane.Target) *turn {
	mine, _ := t.take(context.Background(), target) // it fails only with its context
	return mine
}

// queue returns a new ticket, the last one.
func (t *turns) queue(target backplane.Target) *ticket {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := &ticket{target: target}
	if len(t.queues[target]) > 0 {
		last.first = make(chan struct{})
	}
	if t.queues == nil {
		t.queues = make(map[backplane.Target][]*ticket)
	}
	t.queues[target] = append(t.queues[target], last)
	return last
}

// wait adds a ticket and waits until it is the first. With an error it is not, and has to be given up with the others.
func (t *turn) wait(ctx context.Context, next *ticket) error {
	t.tickets = append(t.tickets, next)
	if next.first == nil {
		return nil
	}
	select {
	case <-next.first:
	case <-ctx.Done():
		select {
		case <-next.first: // at the same moment: those behind shall learn what those before have met with
			t.lastFailure = next.lastFailure
		default:
		}
		return fmt.Errorf("wait until others have changed the same members: %w", context.Cause(ctx))
	}
	// Of several targets the one counts for which others have waited least: no more time is left.
	if next.lastFailure != nil && (t.lastFailure == nil || next.lastFailure.waited < t.lastFailure.waited) {
		t.lastFailure = next.lastFailure
	}
	return nil
}

// subscribe asks the backplane for targets. While it is away everybody waits for as long as it lets them. Those who wait for
// their turn meanwhile shall not do so one after another: for them the time counts from when they came.
func (t *turn) subscribe(ctx context.Context, to backplane.Hub, targets ...backplane.Target) error {
	if t.lastFailure != nil {
		limited, cancel := context.WithDeadlineCause(ctx, t.since.Add(t.lastFailure.waited), t.lastFailure.err)
		defer cancel()
		ctx = limited
	}
	began := time.Now()
	err := to.Subscribe(ctx, targets...)
	switch {
	case err == nil:
		t.lastFailure = nil
	case ctx.Err() == nil && errors.Is(err, backplane.ErrUnavailable):
		t.lastFailure = &failure{err, time.Since(began)}
	}
	return err
}

// end leaves all queues, also those in which it has not become the first.
func (t *turn) end() {
	t.turns.mu.Lock()
	defer t.turns.mu.Unlock()
	for _, mine := range t.tickets {
		t.turns.leave(mine, t.lastFailure)
	}
}

// leave takes a ticket out of its queue. If it was the first, the next one is, and learns what those before have met with.
func (t *turns) leave(mine *ticket, lastFailure *failure) {
	queue := t.queues[mine.target]
	at := slices.Index(queue, mine)
	queue = slices.Delete(queue, at, at+1)
	if len(queue) == 0 {
		delete(t.queues, mine.target)
		return
	}
	t.queues[mine.target] = queue
	if at == 0 {
		queue[0].lastFailure = lastFailure
		close(queue[0].first)
	}
}
