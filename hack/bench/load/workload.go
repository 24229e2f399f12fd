package load

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/chatcluster/chatcluster/hack/bench/stamp"
)

// Defaults of a Workload.
const (
	DefaultDrain = 30 * time.Second
	DefaultQuiet = 5 * time.Second
)

// Workload says what a swarm sends in one run.
type Workload struct {
	// Senders is how many of the connections send; they are spread over the servers. At least 1.
	Senders int
	// Rate is broadcasts per second over all senders, sent when they are due whatever the server does.
	// 0 is the closed loop: each sender sends again as soon as its last call completed.
	Rate float64
	// Size is the length of the message text in bytes, at least MinimumSize.
	Size int
	// Duration is how long is sent.
	Duration time.Duration
	// Drain bounds the wait for what has not arrived when sending is over. 0: DefaultDrain.
	Drain time.Duration
	// Quiet ends that wait early once nothing at all arrives for so long. 0: DefaultQuiet.
	Quiet time.Duration
}

// MinimumSize is the shortest message text: it must hold its stamp.
const MinimumSize = stamp.Size

// ErrWorkload is wrapped by errors about a Workload that cannot be run.
var ErrWorkload = errors.New("workload")

func (w Workload) withDefaults() Workload {
	if w.Drain == 0 {
		w.Drain = DefaultDrain
	}
	if w.Quiet == 0 {
		w.Quiet = DefaultQuiet
	}
	return w
}

func (w Workload) check(connections int) error {
	switch {
	case w.Senders < 1 || w.Senders > connections:
		return fmt.Errorf("%w: senders is %d, must be 1 to the number of connections, %d", ErrWorkload, w.Senders, connections)
	case w.Rate < 0 || math.IsNaN(w.Rate) || w.planned() > math.MaxUint32:
		return fmt.Errorf("%w: rate is %v broadcasts per second, must be 0 (closed loop) or positive", ErrWorkload, w.Rate)
	case w.Size < MinimumSize || w.Size > 1<<20:
		return fmt.Errorf("%w: size is %d bytes, must be %d to %d", ErrWorkload, w.Size, MinimumSize, 1<<20)
	case w.Duration <= 0 || w.Drain < 0 || w.Quiet < 0:
		return fmt.Errorf("%w: durations must be positive", ErrWorkload)
	}
	return nil
}

// planned is how many broadcasts a paced run sends; 0 in the closed loop.
func (w Workload) planned() int64 {
	return int64(math.Round(w.Rate * w.Duration.Seconds()))
}

// due is when a paced run's broadcast is to be sent, in nanoseconds after its start. It is computed from the
// sequence, never from the last send, so that errors do not add up.
func (w Workload) due(sequence int64) int64 {
	return int64(float64(sequence) / w.Rate * float64(time.Second))
}

// Distribution summarises durations.
type Distribution struct {
	P50, P99, P999, Max time.Duration
}

func summarise(histogram *hdrhistogram.Histogram) Distribution {
	at := func(percentile float64) time.Duration {
		return time.Duration(histogram.ValueAtPercentile(percentile)) * time.Microsecond
	}
	return Distribution{P50: at(50), P99: at(99), P999: at(99.9), Max: time.Duration(histogram.Max()) * time.Microsecond}
}

// Result is what one run did.
type Result struct {
	// Planned is how many broadcasts were due, in the closed loop how many calls were begun.
	Planned int64
	// Sent is how many broadcasts were handed to the network.
	Sent int64
	// Expected is Planned times connections; Delivered counts each broadcast once per connection.
	Expected, Delivered int64
	// Duplicated is how often a connection got a broadcast again, Strays the messages of other runs.
	Duplicated, Strays int64
	// Calls is how many calls completed in the closed loop, InTime how many of them within Window, Failures how many with an error.
	Calls, InTime, Failures int64
	// Failure is the text of the first failed call.
	Failure string
	// Disconnected is how many of the connections are gone, Reason why the first of them went.
	Disconnected int
	Reason       string
	// Window is how long was sent, Elapsed the time from the first send to the last delivery.
	Window, Elapsed time.Duration
	// Latency is from the time a broadcast was due (paced) or sent (closed loop) to its receipt by one connection.
	Latency Distribution
	// Lag is by how much the generator itself sent later than due.
	Lag Distribution
}

// Lost is how many deliveries never came, those of broadcasts that could not be sent included.
func (r Result) Lost() int64 { return r.Expected - r.Delivered }

// DeliveriesPerSecond is what arrived over the time it took to arrive.
func (r Result) DeliveriesPerSecond() float64 { return perSecond(r.Delivered, r.Elapsed) }

// CallsPerSecond is the rate in the closed loop at which calls completed while it was sent.
func (r Result) CallsPerSecond() float64 { return perSecond(r.InTime, r.Window) }

// Behind is by how much the deliveries took longer than the sending: a server that keeps up stays in milliseconds.
func (r Result) Behind() time.Duration { return max(r.Elapsed-r.Window, 0) }

func perSecond(count int64, elapsed time.Duration) float64 {
	if elapsed <= 0 {
		return 0
	}
	return float64(count) / elapsed.Seconds()
}
