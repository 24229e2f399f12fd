package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// lookout ends sessions with servers that are not the primary any more. A fail-over need not end their connections: the
// former primary may live on as a replica, or cut off from the others, where publishing reaches nobody and nothing comes
// from subscriptions, and both look well.
type lookout struct {
	place    topology
	interval time.Duration
	timeout  time.Duration

	// mutex guards sessions.
	mutex    sync.Mutex
	sessions map[*session]struct{}
}

func newLookout(place topology, interval, timeout time.Duration) *lookout {
	return &lookout{place: place, interval: interval, timeout: timeout, sessions: make(map[*session]struct{})}
}

var errNotPrimary = errors.New("the server is not the primary any more")

// add watches over a session until it is removed.
func (l *lookout) add(opened *session) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.sessions[opened] = struct{}{}
}

func (l *lookout) remove(closed *session) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	delete(l.sessions, closed)
}

// run looks at every interval until ctx ends.
func (l *lookout) run(ctx context.Context) {
	ticker := time.NewTicker(l.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// look ends the sessions that are in the wrong place. When nobody can say which place is right, all stay.
func (l *lookout) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	shards, err := l.place.shards(ctx)
	if err != nil {
		return
	}
	for _, opened := range l.misplaced(shards) {
		opened.fail(fmt.Errorf("%s: %w", opened.address, errNotPrimary))
	}
}

func (l *lookout) misplaced(shards []shard) []*session {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	var misplaced []*session
	for opened := range l.sessions {
		if !opened.belongs(shards) {
			misplaced = append(misplaced, opened)
		}
	}
	return misplaced
}
