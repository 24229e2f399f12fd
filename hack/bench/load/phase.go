package load

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/chatcluster/chatcluster/hack/bench/stamp"
)

const (
	longestLatency = 10 * time.Minute
	histogramDigit = 3
	notKnown       = -1
)

// phase is the account of one run: what was sent and what arrived.
type phase struct {
	tag    uint32
	end    int64         // closed loop: no call starts after it, and none that completes later counts for the rate
	size   int           // closed loop: of the message text
	limit  uint32        // paced: sequences from here on are never sent
	issued atomic.Uint32 // closed loop: the next sequence
	sent   atomic.Int64  // broadcasts handed to the network

	calling atomic.Int64  // closed loop: senders that have not finished
	idle    chan struct{} // closed when calling drops to 0

	// Guarded by the swarm's mutex.
	latency      *hdrhistogram.Histogram // microseconds
	delivered    int64
	duplicated   int64
	strays       int64 // messages of other runs, or sequences never sent
	calls        int64
	inTime       int64 // of calls: completed before the end
	failures     int64
	failure      string // the first one
	lastDelivery int64
	expected     int64         // notKnown while sending
	complete     chan struct{} // closed when all that is expected has arrived

	lagMutex sync.Mutex
	lag      *hdrhistogram.Histogram // microseconds; guarded by lagMutex
}

func newPhase(tag uint32) *phase {
	return &phase{
		tag:      tag,
		idle:     make(chan struct{}),
		latency:  newHistogram(),
		lag:      newHistogram(),
		expected: notKnown,
		complete: make(chan struct{}),
	}
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, longestLatency.Microseconds(), histogramDigit)
}

// deliver counts one received broadcast. The swarm's mutex is held.
func (p *phase) deliver(c *client, mark stamp.Stamp) {
	switch {
	case mark.Tag != p.tag || mark.Sequence >= max(p.limit, p.issued.Load()):
		p.strays++
		return
	case !c.seen.add(mark.Sequence):
		p.duplicated++
		return
	}
	record(p.latency, c.now-mark.Nanoseconds)
	p.delivered++
	p.lastDelivery = c.now
	if p.delivered == p.expected {
		close(p.complete)
	}
}

func record(histogram *hdrhistogram.Histogram, nanoseconds int64) {
	microseconds := min(max(nanoseconds/int64(time.Microsecond), 1), longestLatency.Microseconds())
	_ = histogram.RecordValue(microseconds) // cannot fail: the value is within the histogram's range
}

// completed counts a call that finished at a time. The swarm's mutex is held.
func (p *phase) completed(at int64, failure string) {
	p.calls++
	if at < p.end {
		p.inTime++
	}
	if failure == "" {
		return
	}
	p.failures++
	if p.failure == "" {
		p.failure = failure
	}
}

// expect sets what must arrive. The swarm's mutex is held.
func (p *phase) expect(deliveries int64) {
	p.expected = deliveries
	if p.delivered >= deliveries {
		close(p.complete)
	}
}

func (p *phase) late(nanoseconds int64) {
	p.lagMutex.Lock()
	defer p.lagMutex.Unlock()
	record(p.lag, nanoseconds)
}

// leave is called once per closed-loop sender that makes no further call.
func (p *phase) leave() {
	if p.calling.Add(-1) == 0 {
		close(p.idle)
	}
}
