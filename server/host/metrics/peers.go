package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatcluster/chatcluster/server/cluster"
)

// Peers returns the observer that a server reports to which is one of several. It may be called once; a server that stands
// alone does not call it and shows nothing of it.
func (m *Metrics) Peers() cluster.Observer {
	forwarded := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chatcluster_forwarded_requests_total", Help: "Requests for connections of other servers, by whether those answered.",
	}, []string{"outcome"})
	lost := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "chatcluster_connections_lost_total", Help: "Connections that were given up because their server is gone, as far as this server found out.",
	})
	m.registry.MustRegister(forwarded, lost)
	answered, failed := forwarded.WithLabelValues("success"), forwarded.WithLabelValues("error")
	return cluster.Observer{
		Forwarded: func(done bool) {
			if done {
				answered.Inc()
			} else {
				failed.Inc()
			}
		},
		Lost: lost.Inc,
	}
}
