// Package autoscale decides how many hub servers a ChatCluster has. It is pure: it is given what was seen and when, and
// returns a number with its reason.
package autoscale

import (
	"fmt"
	"math"
	"time"

	"k8s.io/utils/ptr"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// Load is what one hub server has to do.
type Load struct {
	// Connections is how many clients are connected.
	Connections int64
	// BytesPerSecond is what is sent to them; nil before it was seen twice.
	BytesPerSecond *float64
}

// Hub is one hub server.
type Hub struct {
	// Ready hub servers take clients.
	Ready bool
	// Ending ones do not count any more, except that the next one waits for them.
	Ending bool
	// Pending ones have never run, so that they never had a client: there is no need to see them to know that they are idle.
	Pending bool
	// Load is nil if it could not be seen.
	Load *Load
}

// Input is what a decision is made of.
type Input struct {
	Spec v1alpha1.AutoscalingSpec
	// Current is how many hub servers there should be by the last decision; 0 if there was none.
	Current int32
	Hubs    []Hub
	// EnoughSince is since when fewer would have been enough; zero if they are not.
	EnoughSince time.Time
	Now         time.Time
}

// Decision is how many hub servers there should be.
type Decision struct {
	Replicas int32
	// EnoughSince is for the next decision.
	EnoughSince time.Time
	// Reason says why the number changes; empty if it does not.
	Reason string
}

// headroom is the part of a target that is kept free when one hub server fewer is thought of. Without it a cluster that sits
// on the border would add one and take one away for ever.
const headroom = 0.1

// Decide returns how many hub servers there should be. It never goes beyond the bounds of the spec: those are reached at once, and
// whoever carries it out lets one end at a time. Within them it adds as many as are missing at once, and takes away one at a time:
// when all are seen and serve or have never run, none ends, and fewer have been enough for long enough. What has run and is not seen
// never counts as idle; it only puts the next step off, since a read that fails now and then must not begin the time anew.
func Decide(in Input) Decision {
	current := in.Current
	switch {
	case current < in.Spec.MinReplicas:
		return Decision{Replicas: in.Spec.MinReplicas, Reason: "the least that the spec allows"}
	case current > in.Spec.MaxReplicas:
		return Decision{Replicas: in.Spec.MaxReplicas, EnoughSince: in.EnoughSince, Reason: "more than the spec allows"}
	}
	needed, why := need(in.Spec, in.Hubs, 0)
	if needed > current {
		return Decision{Replicas: min(needed, in.Spec.MaxReplicas), Reason: why}.unlessSame(current)
	}
	enough, why := need(in.Spec, in.Hubs, headroom)
	switch {
	case max(enough, in.Spec.MinReplicas) >= current:
		return Decision{Replicas: current}
	case !settled(in): // no step now, but fewer have been enough all the same, as far as was seen
		return Decision{Replicas: current, EnoughSince: in.EnoughSince}
	}
	since := in.EnoughSince
	if since.IsZero() {
		since = in.Now
	}
	if in.Now.Sub(since) < time.Duration(ptr.Deref(in.Spec.ScaleInAfterSeconds, 0))*time.Second {
		return Decision{Replicas: current, EnoughSince: since}
	}
	return Decision{Replicas: current - 1, EnoughSince: since, Reason: why}
}

// unlessSame drops the reason of a change that is none.
func (d Decision) unlessSame(current int32) Decision {
	if d.Replicas == current {
		d.Reason = ""
	}
	return d
}

// settled tells whether all hub servers are there, those that have run serve and are seen with all that has a target, and none ends.
// With a roll-out there may be more than that, of which those that have never run take nobody's place.
func settled(in Input) bool {
	serving, pending := int32(0), int32(0)
	for _, hub := range in.Hubs {
		switch serves := hub.Ready && hub.Load != nil && (in.Spec.BytesPerSecondPerReplica == 0 || hub.Load.BytesPerSecond != nil); {
		case hub.Ending:
			return false
		case hub.Pending:
			pending++
		case !serves:
			return false
		default:
			serving++
		}
	}
	return serving <= in.Current && serving+pending >= in.Current
}

// need is how many hub servers the load that was seen asks for, with a part of each kept free, and what asks for them. Those
// that end still have clients, who will come back to the others.
func need(spec v1alpha1.AutoscalingSpec, hubs []Hub, free float64) (count int32, why string) {
	var connections, rate float64
	for _, hub := range hubs {
		if hub.Load == nil {
			continue
		}
		connections += float64(hub.Load.Connections)
		rate += ptr.Deref(hub.Load.BytesPerSecond, 0)
	}
	count, why = 1, "there is little to do"
	ask := func(load float64, target int64, unit string) {
		if target == 0 {
			return
		}
		asked := int32(min(math.Ceil(load/(float64(target)*(1-free))), math.MaxInt32))
		if asked > count {
			count, why = asked, fmt.Sprintf("%.0f %s, of which each should have %d", load, unit, target)
		}
	}
	ask(connections, int64(spec.ConnectionsPerReplica), "clients")
	ask(rate, spec.BytesPerSecondPerReplica, "bytes/s sent")
	return count, why
}
