package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatcluster/chatcluster/server/host/drain"
)

// Draining is called when the server begins to drain, and when that is taken back.
func (m *Metrics) Draining(draining bool) {
	if draining {
		m.draining.Set(1)
		return
	}
	m.draining.Set(0)
	m.shuttingDown.Store(false)
}

// Rebalanced counts clients that were sent to others because this server had more than its share.
func (m *Metrics) Rebalanced(clients int) { m.rebalanced.Add(float64(clients)) }

// drainObserver counts what a drain does.
type drainObserver struct {
	metrics                                      *Metrics
	sentAway, told                               prometheus.Counter
	stateful, stateless, longPolling, tunnelling prometheus.Gauge
}

// Drain returns the observer of the server's drain. It may be called once.
func (m *Metrics) Drain() drain.Observer {
	clients := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chatcluster_drain_clients_total",
		Help: "Clients that a drain sent away to go on elsewhere (sent_away), or told to begin anew (told).",
	}, []string{"how"})
	remaining := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "chatcluster_drain_remaining_clients",
		Help: "Clients that are left while the server drains: stateful, stateless, long_polling, and tunnelled to other servers.",
	}, []string{"kind"})
	m.registry.MustRegister(clients, remaining)
	return &drainObserver{
		metrics:  m,
		sentAway: clients.WithLabelValues("sent_away"), told: clients.WithLabelValues("told"),
		stateful: remaining.WithLabelValues("stateful"), stateless: remaining.WithLabelValues("stateless"),
		longPolling: remaining.WithLabelValues("long_polling"), tunnelling: remaining.WithLabelValues("tunnelled"),
	}
}

// Drained implements drain.Observer.
func (o *drainObserver) Drained(sentAway, told int) {
	o.sentAway.Add(float64(sentAway))
	o.told.Add(float64(told))
	if told > 0 {
		o.metrics.ShuttingDown() // their ends are not what the clients want
	}
}

// Remaining implements drain.Observer.
func (o *drainObserver) Remaining(count drain.Count) {
	o.stateful.Set(float64(count.Stateful))
	o.stateless.Set(float64(count.Stateless))
	o.longPolling.Set(float64(count.LongPolling))
	o.tunnelling.Set(float64(count.Tunnelled))
}
