package drain

import "time"

// A part of a timeout is for the end itself: connections get time to close, calls that still run to return. A short timeout
// gives a part of itself.
const (
	mostReserve = 10 * time.Second
	reservePart = 4
)

func reserve(timeout time.Duration) time.Duration { return min(mostReserve, timeout/reservePart) }

// Budget is how much of timeout, a ShutdownTimeout, clients may take to leave: DrainDelay and DrainPeriod have to fit into it.
func Budget(timeout time.Duration) time.Duration { return timeout - reserve(timeout) }

// TimeoutFor is the shortest timeout with a Budget of no less than drain.
func TimeoutFor(drain time.Duration) time.Duration {
	return drain + min(mostReserve, drain/(reservePart-1))
}
