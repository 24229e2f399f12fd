package controllers

import (
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// How long to wait after the first failure, and after many: so long that there are two errors in each five minutes. The alert
// ChatClusterOperatorFailing counts those of five minutes, and would fall silent in between.
const (
	firstBackoff = 5 * time.Millisecond
	mostBackoff  = 2 * time.Minute
)

// Backoff says when to try again with a ChatCluster that could not be brought to its spec: later with each failure, but not later than
// it is to be looked at anyway. One object that cannot be written must not keep a Redis from its fail-over, nor hub servers from
// being scaled. It may be used by many at a time.
type Backoff struct {
	workqueue.TypedRateLimiter[reconcile.Request]

	// mu guards looks: when a ChatCluster that failed is to be looked at.
	mu    sync.Mutex
	looks map[reconcile.Request]time.Duration
}

// NewBackoff returns one that knows of no failure.
func NewBackoff() *Backoff {
	return &Backoff{
		TypedRateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstBackoff, mostBackoff),
		looks:            map[reconcile.Request]time.Duration{},
	}
}

// LookWithin bounds the next wait; 0 is no bound.
func (b *Backoff) LookWithin(request reconcile.Request, look time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looks[request] = look
}

// When implements workqueue.TypedRateLimiter.
func (b *Backoff) When(request reconcile.Request) time.Duration {
	wait := b.TypedRateLimiter.When(request)
	b.mu.Lock()
	defer b.mu.Unlock()
	if look := b.looks[request]; look > 0 {
		return min(wait, look)
	}
	return wait
}

// Forget implements workqueue.TypedRateLimiter: it did not fail.
func (b *Backoff) Forget(request reconcile.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.looks, request)
	b.TypedRateLimiter.Forget(request)
}
