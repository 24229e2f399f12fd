package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatcluster/chatcluster/server/cluster"
)

// Peers returns the observer that a server reports to which is one of several. It may be called once; a server that stands
// alone does not call it and shows nothing of it.
func (m *Metrics) Peers() cluster.Observer {
	forwarded := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chatcluster_forwarded_requests_total", Help: "Requests for connections of other servers, by whether those answered.",
	}, []string{"outcome"})
	attached := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chatcluster_attached_sockets_total", Help: "Attempts to connect the socket of a client that resumes here to the server of its connection, by success.",
	}, []string{"outcome"})
	lost := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "chatcluster_connections_lost_total", Help: "Connections that were given up because their server is gone, as far as this server found out.",
	})
	m.registry.MustRegister(forwarded, attached, lost)
	return cluster.Observer{Forwarded: outcomes(forwarded), Attached: outcomes(attached), Lost: lost.Inc, Moved: m.moves()}
}

// moved is the outcome of a move that came about; those of others are the reasons why not.
const moved = "moved"

// moves counts attempts to move connections to this server.
func (m *Metrics) moves() func(refused string, took time.Duration) {
	moves := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chatcluster_moves_total", Help: "Attempts to move a connection to this server from the one that owns it, by outcome: moved, or the reason why not.",
	}, []string{"outcome"})
	durations := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "chatcluster_move_duration_seconds", Help: "How long moves of connections to this server took.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
	})
	m.registry.MustRegister(moves, durations)
	for _, outcome := range append(cluster.RefusedBecause(), moved) {
		moves.WithLabelValues(outcome)
	}
	return func(refused string, took time.Duration) {
		if refused != "" {
			moves.WithLabelValues(refused).Inc()
			return
		}
		moves.WithLabelValues(moved).Inc()
		durations.Observe(took.Seconds())
	}
}

// outcomes counts what succeeded and what did not.
func outcomes(counter *prometheus.CounterVec) func(succeeded bool) {
	successes, failures := counter.WithLabelValues(outcomeSuccess), counter.WithLabelValues(outcomeError)
	return func(succeeded bool) {
		if succeeded {
			successes.Inc()
		} else {
			failures.Inc()
		}
	}
}
