package cluster

import (
	"context"
	"time"
)

// A server that did not run for a while, because its process or its machine was paused, may have been taken for dead: others have told
// clients that their connections are lost, and those have begun anew. Until it has looked which connections are still its own it
// must not act for any of them. A directory that is away is no reason: as long as a server answers its peers nobody gives its
// connections up.
const (
	// lifeInterval is between two signs that this process runs; of one that is only busy they are not more than maximumPause apart.
	lifeInterval = time.Second
	maximumPause = 2 * RenewInterval
	// doubtPatience is for how long nothing is done while the directory cannot be asked.
	doubtPatience = time.Minute
)

// elapsed is the time since then by the clock that says more: the monotonic one stands still while a machine is suspended, the other
// one can be set.
func elapsed(since, now time.Time) time.Duration {
	return max(now.Sub(since), now.Round(0).Sub(since.Round(0)))
}

// doubt is a time in which this server does not know which connections are its own. over is closed at its end.
type doubt struct{ over chan struct{} }

// Doubt returns nil if this server may act for its connections, else what to wait for first. Those that have turned out to be
// lost have been abandoned by then.
func (m *Member) Doubt() <-chan struct{} {
	now := time.Now()
	// Before it is looked whether there is a doubt: who begins one gives a sign of life after that.
	lives := elapsed(*m.ran.Load(), now) <= maximumPause || elapsed(*m.renewed.Load(), now) <= LivenessTimeout
	present := m.doubt.Load()
	if present == nil && !lives {
		present = m.beginDoubt(now)
	}
	if present == nil {
		return nil
	}
	return present.over
}

// awaitDoubt waits until this server may act. It reports false if ctx ends before.
func (m *Member) awaitDoubt(ctx context.Context) bool {
	doubt := m.Doubt()
	if doubt == nil {
		return true
	}
	select {
	case <-doubt:
		return true
	case <-ctx.Done():
		return false
	}
}

// beginDoubt makes this server look which connections are its own.
func (m *Member) beginDoubt(now time.Time) *doubt {
	begun := &doubt{over: make(chan struct{})}
	if !m.doubt.CompareAndSwap(nil, begun) {
		return m.doubt.Load()
	}
	m.ran.Store(&now) // else the next one would begin as soon as this one ends
	m.logger.Warn("this server did not run for longer than its liveness timeout, looking which connections are still its own")
	m.RenewNow()
	m.Reassert()
	time.AfterFunc(doubtPatience, func() {
		if m.endDoubt(begun) {
			m.logger.Warn("the directory cannot be asked which connections are lost, going on with all")
		}
	})
	return begun
}

// endDoubt reports false if that doubt had ended before.
func (m *Member) endDoubt(present *doubt) bool {
	if present == nil || !m.doubt.CompareAndSwap(present, nil) {
		return false
	}
	close(present.over)
	return true
}

// life notes that this process runs, until ctx ends. After a pause it has to look before that which connections are its own.
func (m *Member) life(ctx context.Context) {
	ticker := time.NewTicker(lifeInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now() // first: a pause that comes in between must not pass for a sign of life
		m.Doubt()
		m.ran.Store(&now)
	}
}
