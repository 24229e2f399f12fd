// Package drain plans how hub servers end: how long one may take, at what pace they are replaced, and which goes first when
// there are to be fewer. It is pure: it is given what the spec says and what was seen, and returns numbers.
package drain

import (
	"time"

	"k8s.io/utils/ptr"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// What the end of a hub server is made of, beside the time for its clients.
const (
	// rate is how many clients a second a hub server hands over, to one other server: with more it is faster, but how many there
	// are changes without a roll-out.
	rate = 200
	// leastDelay is how long it takes at most until another server has answered.
	leastDelay = 10 * time.Second
	// parking is how long a client may take to be back after its socket was ended.
	parking = 15 * time.Second
	// calling is how long calls and streams may still run after their client has moved.
	calling = 10 * time.Second
	// margin is what Kubernetes waits beyond what the hub server gives itself.
	margin = 5 * time.Second
	// leastGrace is enough for a few thousand clients, so that most ChatClusters never need another.
	leastGrace = time.Minute
	// most bounds the clients that are computed with: an hour for them.
	most = 3600 * rate
)

// Plan is how one hub server ends.
type Plan struct {
	// Delay is how long it serves on although it says that it is not ready.
	Delay time.Duration
	// Period is how long it then takes to send clients elsewhere that cannot be moved.
	Period time.Duration
	// Timeout is how long it gives itself for all of it, Delay included.
	Timeout time.Duration
	// Grace is how long Kubernetes lets it end.
	Grace time.Duration
	// Pace is how long a new hub server must have served before the next is replaced.
	Pace time.Duration
}

// For returns the plan for a spec, with the number of clients of one hub server that Clients returned. The same input gives
// the same plan: Grace and Timeout are a part of the pods, and a new value replaces them.
func For(spec v1alpha1.ChatClusterSpec, clients int64) Plan {
	plan := Plan{
		Delay:  seconds(ptr.Deref(spec.Drain.DelaySeconds, 0)),
		Period: seconds(ptr.Deref(spec.Drain.PeriodSeconds, 0)),
	}
	plan.Pace = plan.Delay + max(plan.Period, handingOver(clients))
	if spec.Rollout.MinReadySeconds != nil {
		plan.Pace = seconds(*spec.Rollout.MinReadySeconds)
	}
	if asked := seconds(spec.Drain.TimeoutSeconds); asked > 0 {
		plan.Timeout = plan.Delay + asked + ending(plan.Delay+asked)
		plan.Grace = max(plan.Timeout+margin, leastGrace)
		return plan
	}
	sending := max(plan.Period, handingOver(max(clients, foreseen(spec))))
	plan.Grace = max(max(plan.Delay, leastDelay)+sending+parking+calling+margin, leastGrace)
	plan.Timeout = plan.Grace - margin
	return plan
}

// endingPart is the part of a drain's time that the end itself has on top, calling at most.
const endingPart = 3

// ending is what a hub server needs beyond its drain. It keeps a quarter of its timeout for that, 10 s at most (Budget of package
// server/host/drain, which the operator does not import): what is not added here, its clients would lack. In whole seconds, as in
// the configuration.
func ending(drain time.Duration) time.Duration {
	return min(calling, (drain/endingPart + time.Second - 1).Truncate(time.Second))
}

// foreseen is the number of clients of one hub server that the spec speaks of.
func foreseen(spec v1alpha1.ChatClusterSpec) int64 {
	clients := int64(ptr.Deref(spec.Hub.Limits.Connections, 0))
	if spec.Autoscaling != nil {
		// When one of two goes, the other has twice as many until a third has come.
		clients = max(clients, 2*int64(spec.Autoscaling.ConnectionsPerReplica))
	}
	return clients
}

// handingOver is how long a number of clients takes.
func handingOver(clients int64) time.Duration {
	whole := min(clients, most) // no overflow
	return time.Duration((whole+rate-1)/rate) * time.Second
}

func seconds(count int32) time.Duration { return time.Duration(count) * time.Second }

// firstStep is the least number of clients that is worth a step.
const firstStep = 2000

// Clients returns for how many clients of one hub server its end is to be planned, when all are replaced anyway: room for twice as
// many as any has now, in steps of two, so that a roll-out at night does not forget the day. planned is what the present ones
// were made for. Few clients need no plan: 0.
func Clients(planned, seen int64) int64 {
	step, room := int64(0), 2*min(seen, most)
	for room > firstStep && step < room {
		step = max(firstStep, 2*step)
	}
	if planned/2 >= firstStep {
		return max(step, planned/2)
	}
	return step
}
