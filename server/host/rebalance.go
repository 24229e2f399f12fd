package host

import (
	"context"
	"time"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/cluster/balance"
)

// rebalanceInterval is how often a server looks whether it has more than its share of connections.
const rebalanceInterval = time.Second

// rebalance sends clients with stateful reconnect to other servers while this one has more than its share, until ctx ends.
func (h *Host) rebalance(ctx context.Context) {
	pace := balance.Pace{Rate: h.options.Config.RebalanceRate}
	if h.peers == nil || pace.Rate == 0 {
		return
	}
	ticker := time.NewTicker(rebalanceInterval)
	defer ticker.Stop()
	giving := false
	var trial effort
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if trial.resting(time.Now()) {
			continue
		}
		view := h.view(giving)
		var count int
		count, giving = pace.Next(view)
		if giving && !view.Giving {
			h.logger.Info("this server has more than its share of connections and sends some to the others", "connections", view.Self.Connections)
		}
		sent := 0
		if count > 0 {
			sent = h.hubs.SendSomeAway(count)
			h.metrics.Rebalanced(sent)
		}
		if trial.inVain(time.Now(), h.hubs.Departed(), sent) {
			h.logger.Info("clients that were sent to other servers keep their connections here, so no more are sent for a while", "pause", restAfterTrial)
		}
	}
}

// What is sent away for trialTime without any effect, at least leastTrial clients, is followed by a rest: where servers
// have no order of messages in common no connection can move, and clients shall not be sent around for nothing.
const (
	trialTime      = 10 * time.Second
	leastTrial     = 10
	restAfterTrial = 5 * time.Minute
)

// effort compares how many clients were sent away with how many connections went on at other servers. Those that come
// meanwhile are nothing to it. The zero value has seen nothing.
type effort struct {
	began, until time.Time
	before, sent int
}

// resting tells whether nothing shall be tried now.
func (e *effort) resting(now time.Time) bool { return now.Before(e.until) }

// inVain takes how many clients were sent away in a round, and how many connections had departed before it, of all time. It
// reports true when a rest begins.
func (e *effort) inVain(now time.Time, departed, sent int) bool {
	if e.began.IsZero() || now.Sub(e.began) >= trialTime {
		vain := e.sent >= leastTrial && departed-e.before < e.sent/leastTrial
		*e = effort{began: now, before: departed}
		if vain {
			e.until = now.Add(restAfterTrial)
			return true
		}
	}
	e.sent += sent
	return false
}

// view is what this server knows of itself and of the others.
func (h *Host) view(giving bool) balance.View {
	others, settled := h.peers.member.Others()
	loads := make([]cluster.Load, 0, len(others))
	for _, other := range others {
		loads = append(loads, other.Load)
	}
	return balance.View{Self: h.load(), Others: loads, Away: h.hubs.Underway(), Settled: settled, Giving: giving}
}
