package redis

import (
	"context"
	"math/rand/v2"
	"time"
)

// retry paces attempts to connect. Who lost a connection that was good tries again at once; then each pause is up to
// twice as long as the one before, and random by half, so that the servers of a cluster do not return all together.
type retry struct {
	pause time.Duration
	since time.Time
}

// connected notes that an attempt succeeded.
func (r *retry) connected() { r.since = time.Now() }

// wait pauses before the next attempt, or until ctx ends.
func (r *retry) wait(ctx context.Context) {
	if !r.since.IsZero() && time.Since(r.since) >= lastRetry {
		r.since, r.pause = time.Time{}, 0
		return
	}
	r.pause = min(max(2*r.pause, firstRetry), lastRetry)
	timer := time.NewTimer(r.pause/2 + rand.N(r.pause/2)) //nolint:gosec // it spreads attempts in time, nobody gains by guessing it
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
