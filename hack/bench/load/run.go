package load

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/stamp"
)

const (
	progressTick    = 50 * time.Millisecond
	rendezvousRate  = 100
	rendezvousTries = 5
	// What a machine with other things to do delivers late must not count as lost.
	rendezvousQuiet   = 2 * time.Second
	rendezvousTimeout = 10 * time.Second
)

// Rendezvous broadcasts until one broadcast of each sender reached every connection: the first messages after a
// server's start may get lost while its subscriptions are being made, and are not what a run wants to measure.
func (s *Swarm) Rendezvous(ctx context.Context, senders int) error {
	workload := Workload{
		Senders: senders, Rate: rendezvousRate, Size: MinimumSize,
		Duration: time.Duration(senders) * time.Second / rendezvousRate,
		Drain:    rendezvousTimeout, Quiet: rendezvousQuiet,
	}
	var last Result
	for range rendezvousTries {
		result, err := s.Run(ctx, workload)
		if err != nil {
			return err
		}
		if result.Lost() == 0 && result.Sent == result.Planned {
			return nil
		}
		last = result
	}
	return fmt.Errorf("the servers do not reach all connections: %d of %d deliveries arrived (%s)",
		last.Delivered, last.Expected, last.explain())
}

func (r Result) explain() string {
	switch {
	case r.Disconnected > 0:
		return fmt.Sprintf("%d connections ended: %s", r.Disconnected, r.Reason)
	case r.Failures > 0:
		return "calls fail: " + r.Failure
	default:
		return "do they share one Redis?"
	}
}

// Run sends the workload, waits for what it causes, and reports. Lost messages and connections are results, not errors.
func (s *Swarm) Run(ctx context.Context, workload Workload) (Result, error) {
	workload = workload.withDefaults()
	if err := workload.check(len(s.clients)); err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, workload.Duration+workload.Drain, errDrained)
	defer cancel()
	current := s.begin(workload)
	start := s.now()
	if workload.Rate > 0 {
		s.pace(ctx, current, workload, start)
	} else {
		s.loop(ctx, current, workload, start)
	}
	s.drain(ctx, current, workload.Quiet)
	if err := context.Cause(ctx); err != nil && !errors.Is(err, errDrained) {
		return Result{}, err
	}
	return s.end(current, workload, start), nil
}

var errDrained = errors.New("drain time is over")

func (s *Swarm) begin(workload Workload) *phase {
	s.tag++
	current := newPhase(s.tag)
	current.limit = uint32(workload.planned()) // check has bounded it
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.install(current)
	return current
}

// install makes current the phase that arrivals are counted in. The mutex is held.
func (s *Swarm) install(current *phase) {
	for _, c := range s.clients {
		c.seen.clear()
		c.call = "" // a call of an earlier phase that never completed is nobody's any more
	}
	s.phase = current
}

// pace sends every broadcast when it is due. One that is late is still sent, and its latency counts from when it was due.
func (s *Swarm) pace(ctx context.Context, current *phase, workload Workload, start int64) {
	var senders sync.WaitGroup
	for first := range int64(workload.Senders) {
		senders.Go(func() {
			for sequence := first; sequence < workload.planned(); sequence += int64(workload.Senders) {
				due := start + workload.due(sequence)
				if !s.sleepUntil(ctx, due) {
					return
				}
				current.late(s.now() - due)
				mark := stamp.Stamp{Tag: current.tag, Sequence: uint32(sequence), Nanoseconds: due}
				if !s.send(s.clients[first], invocation("", mark, workload.Size)) {
					return
				}
				current.sent.Add(1)
			}
		})
	}
	senders.Wait()
}

// longestSleep bounds how late a sender notices that it is to stop.
const longestSleep = 100 * time.Millisecond

func (s *Swarm) sleepUntil(ctx context.Context, due int64) bool {
	for {
		left := time.Duration(due - s.now())
		if ctx.Err() != nil {
			return false
		}
		if left <= 0 {
			return true
		}
		preciseSleep(min(left, longestSleep))
	}
}

// loop lets each sender call again and again until the time is over and the last calls have completed.
func (s *Swarm) loop(ctx context.Context, current *phase, workload Workload, start int64) {
	current.end = start + int64(workload.Duration)
	current.size = workload.Size
	current.calling.Store(int64(workload.Senders))
	for _, c := range s.clients[:workload.Senders] {
		s.call(c, current)
	}
	select {
	case <-current.idle:
	case <-ctx.Done():
	}
}

// call makes the next call of a closed-loop sender, or ends its part.
func (s *Swarm) call(c *client, current *phase) {
	now := s.now()
	if now >= current.end {
		current.leave()
		return
	}
	mark := stamp.Stamp{Tag: current.tag, Sequence: current.issued.Add(1) - 1, Nanoseconds: now}
	id := strconv.FormatUint(uint64(mark.Tag)<<32|uint64(mark.Sequence), 16)
	s.mutex.Lock()
	gone := c.lost != nil
	if !gone {
		c.call = id
	}
	s.mutex.Unlock()
	if gone {
		current.leave()
		return
	}
	if s.send(c, invocation(id, mark, current.size)) {
		current.sent.Add(1)
	}
}

// invocation is the hub message of a call of SendMessage; without an id the server sends no completion
// (HubProtocol.md, "Invocations").
func invocation(id string, mark stamp.Stamp, size int) string {
	message := make([]byte, 0, size+128)
	message = append(message, `{"type":1,`...)
	if id != "" {
		message = append(append(append(message, `"invocationId":"`...), id...), `",`...)
	}
	message = append(message, `"target":"SendMessage","arguments":["bench","`...)
	message = stamp.Append(message, mark, size)
	return string(append(message, "\"]}\x1e"...))
}

// drain waits until everything has arrived, nothing arrives any more, or the time is over.
func (s *Swarm) drain(ctx context.Context, current *phase, quiet time.Duration) {
	s.mutex.Lock()
	current.expect(current.sent.Load() * int64(len(s.clients)))
	s.mutex.Unlock()
	ticker := time.NewTicker(progressTick)
	defer ticker.Stop()
	arrived, since := int64(notKnown), s.now()
	for {
		select {
		case <-current.complete:
			return
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s.mutex.Lock()
		delivered := current.delivered
		s.mutex.Unlock()
		if delivered != arrived {
			arrived, since = delivered, s.now()
		} else if s.now()-since > int64(quiet) {
			return
		}
	}
}

func (s *Swarm) end(current *phase, workload Workload, start int64) Result {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.tag++
	s.install(newPhase(s.tag)) // what comes later belongs to no run
	planned := max(int64(current.limit), int64(current.issued.Load()))
	result := Result{
		Planned: planned, Sent: current.sent.Load(),
		Expected: planned * int64(len(s.clients)), Delivered: current.delivered, Duplicated: current.duplicated, Strays: current.strays,
		Calls: current.calls, InTime: current.inTime, Failures: current.failures, Failure: current.failure,
		Disconnected: s.disconnected,
		Window:       workload.Duration, Elapsed: max(time.Duration(current.lastDelivery-start), 0),
		Latency: summarise(current.latency), Lag: summarise(current.lag),
	}
	if s.reason != nil {
		result.Reason = s.reason.Error()
	}
	return result
}
