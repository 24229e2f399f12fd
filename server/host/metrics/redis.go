package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
)

type redisMetrics struct {
	connected, subscriptions prometheus.Gauge
	connections              prometheus.Counter
	published, failed        prometheus.Counter
	received, receivedBytes  prometheus.Counter
	transit                  prometheus.Histogram
	lag                      prometheus.Gauge
	missed, repeated         prometheus.Counter
}

func newRedisMetrics(registry *prometheus.Registry) redisMetrics {
	gauge := func(name, help string) prometheus.Gauge {
		metric := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		registry.MustRegister(metric)
		return metric
	}
	counter := func(name, help string) prometheus.Counter {
		metric := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		registry.MustRegister(metric)
		return metric
	}
	transit := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "chatcluster_redis_transit_seconds",
		Help:    "Time from publishing a message on a server of this kind to its arrival here, by the clocks of both machines.",
		Buckets: prometheus.ExponentialBuckets(0.000_1, 3, 12),
	})
	registry.MustRegister(transit)
	return redisMetrics{
		transit:       transit,
		lag:           gauge("chatcluster_redis_stream_lag", "Messages in streams that were still to be read when this server last had to catch up."),
		missed:        counter("chatcluster_redis_stream_missed_total", "Messages that were gone from their stream before this server had read them."),
		repeated:      counter("chatcluster_redis_stream_repeated_total", "Messages that came from a stream a second time and were dropped."),
		connected:     gauge("chatcluster_redis_connected", "1 while messages can be published and all subscriptions are in place, else 0."),
		subscriptions: gauge("chatcluster_redis_subscriptions", "Channels that are subscribed or about to be."),
		connections:   counter("chatcluster_redis_connections_total", "How often the connection was made; all but the first followed an outage."),
		published:     counter("chatcluster_redis_messages_published_total", "Messages that Redis took."),
		failed:        counter("chatcluster_redis_publish_failures_total", "Messages that Redis did not take, or of which nobody knows."),
		received:      counter("chatcluster_redis_messages_received_total", "Messages that came from channels."),
		receivedBytes: counter("chatcluster_redis_received_bytes_total", "Bytes of the messages that came from channels."),
	}
}

// Redis returns the observer that a Redis backplane reports to, and shows what it is told from then on. It may be
// called once; a server without Redis does not call it and shows nothing of it.
func (m *Metrics) Redis() redis.Observer {
	r := newRedisMetrics(m.registry)
	servers := &redisServers{}
	m.registry.MustRegister(servers)
	return redis.Observer{
		ServersSeen:   func(seen []redis.ServerInfo) { servers.last.Store(&seen) },
		Published:     r.published.Inc,
		PublishFailed: r.failed.Inc,
		Received: func(bytes int) {
			r.received.Inc()
			r.receivedBytes.Add(float64(bytes))
		},
		Transit:  func(took time.Duration) { r.transit.Observe(max(took, 0).Seconds()) },
		Lagging:  func(messages uint64) { r.lag.Set(float64(messages)) },
		Missed:   func(messages uint64) { r.missed.Add(float64(messages)) },
		Repeated: r.repeated.Inc,
		StateChanged: func(state redis.State) {
			if !state.Connected {
				r.connected.Set(0)
				return
			}
			r.connected.Set(1)
			r.connections.Inc()
		},
		SubscriptionsChanged: func(channels int) { r.subscriptions.Set(float64(channels)) },
	}
}
