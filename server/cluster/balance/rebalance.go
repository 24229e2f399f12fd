package balance

import (
	"math"
	"slices"
	"time"

	"github.com/chatcluster/chatcluster/server/cluster"
)

// Pace is how a server with more than its share of connections gives some away. The zero value of Rate turns it off.
type Pace struct {
	// Rate is how many clients are sent away per second at most.
	Rate int
}

const (
	// tolerance and leastSurplus are how much more than its share a server may have before it gives some away: a part of
	// the share, and at least as many. Then it goes on down to half of that: at the edge it would begin again and again.
	tolerance    = 0.05
	leastSurplus = 2
	// settleTime is how long no server may have come or gone: while a cluster is rolled or starts, shares mean nothing.
	settleTime = 10 * time.Second
	// caution divides what a server has too much: not more than that part is sent away per second, because the others'
	// loads are up to RenewInterval old and several servers may act on them at a time.
	caution = 4
)

// View is what a server knows when it decides whether it has more than its share.
type View struct {
	// Self is this server now, Others are the other ones as they last said.
	Self   cluster.Load
	Others []cluster.Load
	// Away counts those connections of Self whose clients were sent away a moment ago and are neither back nor elsewhere.
	// They cannot be moved, and may leave yet.
	Away int
	// Settled is how long it has been since a server came or went.
	Settled time.Duration
	// Giving tells whether this server has been giving connections away since it had too many.
	Giving bool
}

// Next returns how many clients to send away in the next second, and whether to go on after that.
func (p Pace) Next(v View) (sendAway int, giving bool) {
	takers, known := takers(v.Others)
	if p.Rate <= 0 || !known || len(takers) == 0 || v.Self.State != cluster.Ready || v.Settled < settleTime {
		return 0, false
	}
	share := fairShare(append(takers, v.Self))
	surplus := float64(v.Self.Connections) - share
	allowed := max(tolerance*share, leastSurplus)
	if v.Giving {
		allowed /= 2
	}
	if surplus <= allowed {
		return 0, false
	}
	count := min(p.Rate, int(math.Ceil(surplus/caution)))
	return max(0, min(count-v.Away, v.Self.Movable)), true
}

// takers are the servers that take connections. known is false while one of them says nothing of its load, or gives all of
// its own away, so that nobody's share is known.
func takers(others []cluster.Load) (takers []cluster.Load, known bool) {
	for _, other := range others {
		switch other.State {
		case cluster.Ready:
			takers = append(takers, other)
		case cluster.Starting: // it has none and gets none
		default:
			return nil, false
		}
	}
	return takers, true
}

// fairShare is how many connections each server would have, but for those whose limit is below it and that are full then.
func fairShare(servers []cluster.Load) float64 {
	servers = slices.Clone(servers)
	slices.SortFunc(servers, func(a, b cluster.Load) int { return capacity(a) - capacity(b) })
	total := 0
	for _, server := range servers {
		total += server.Connections
	}
	left := float64(total)
	for at, server := range servers { // the smallest first: what it cannot have the others share
		share := left / float64(len(servers)-at)
		if share <= float64(capacity(server)) {
			return share
		}
		left -= float64(capacity(server))
	}
	return float64(total) // more than all limits: nobody has too many
}

func capacity(l cluster.Load) int {
	if l.Limit == 0 {
		return math.MaxInt32
	}
	return l.Limit
}
