// Package metrics counts what a hub server does and shows it to Prometheus. Names that start with signalr_server are
// those of the meter Microsoft.AspNetCore.Http.Connections, as OpenTelemetry turns them into Prometheus's, so that
// dashboards for ASP.NET Core work; what it does not measure starts with chatcluster.
package metrics

import (
	"errors"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// Metrics are the metrics of one server. It implements signalr.Observer.
type Metrics struct {
	registry *prometheus.Registry
	// transports has the counters of each transport, so that counting takes no look-up.
	transports [transport.All + 1]*transportMetrics
	slow       prometheus.Counter
	reloads    *prometheus.CounterVec
	refused    *prometheus.CounterVec
	draining   prometheus.Gauge
	rebalanced prometheus.Counter
	// unauthorized counts requests that authentication turned away.
	unauthorized prometheus.Counter
	// shuttingDown is set when connections end because the server does.
	shuttingDown atomic.Bool
	total        *prometheus.CounterVec
	duration     *prometheus.HistogramVec
	// invocations is read without a lock and replaced as a whole: hubs have few methods, so it soon stays as it is.
	invocations atomic.Pointer[map[invocationKey]*invocationMetrics]
	// adding is held while it is replaced.
	adding sync.Mutex
}

type transportMetrics struct {
	active                                 prometheus.Gauge
	duration                               [statusCount]prometheus.Observer
	sentMessages, sentBytes, receivedBytes prometheus.Counter
}

type invocationKey struct{ hub, method string }

type invocationMetrics struct {
	succeeded, failed prometheus.Counter
	duration          prometheus.Observer
}

// status is how a connection ended, as ASP.NET Core tells ends apart.
type status int

const (
	normalClosure status = iota
	timeout
	appShutdown
	statusCount
)

var statusNames = [...]string{"normal_closure", "timeout", "app_shutdown"}

var transportNames = map[transport.Kind]string{
	transport.WebSockets:       "web_sockets",
	transport.ServerSentEvents: "server_sent_events",
	transport.LongPolling:      "long_polling",
}

// The buckets, in seconds: of connections those of ASP.NET Core, of hub methods what tells a fast one from a stuck one.
var (
	connectionBuckets = [...]float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300}
	invocationBuckets = [...]float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
)

// The values of the label outcome.
const (
	outcomeSuccess = "success"
	outcomeError   = "error"
)

// transportLabel is the label that OpenTelemetry's attribute signalr.transport becomes.
const transportLabel = "signalr_transport"

// New returns metrics with a registry of their own, which also has those of Go and of the process.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.invocations.Store(&map[invocationKey]*invocationMetrics{})
	m.registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.addConnections()
	m.addInvocations()
	m.reloads = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chatcluster_value_reloads_total", Help: "Values of the configuration that changed in their files while the server ran.",
	}, []string{"key", "outcome"})
	m.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chatcluster_refused_total", Help: "How often clients ran into a limit: of connections, negotiations, message_rate, message_size, streams or silent_sockets.",
	}, []string{"limit"})
	for _, limit := range transport.Limits() {
		m.refused.WithLabelValues(string(limit)) // it shows as 0 until then: a series that appears with 1 is no increase
	}
	m.draining = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "chatcluster_draining", Help: "1 while the server drains and asks for no new clients, because it ends or was asked to, else 0.",
	})
	m.rebalanced = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "chatcluster_rebalanced_clients_total", Help: "Clients that were sent to other servers because this one had more than its share.",
	})
	m.unauthorized = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "chatcluster_unauthorized_requests_total", Help: "Requests that were turned away because they had no valid token.",
	})
	m.registry.MustRegister(m.reloads, m.refused, m.draining, m.rebalanced, m.unauthorized)
	return m
}

// Build shows what was built, as the label of a metric that is always 1.
func (m *Metrics) Build(version string) {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "chatcluster_build_info", Help: "What was built.", ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	m.registry.MustRegister(info)
}

// Limits shows how many connections there may be, 0 for any number.
func (m *Metrics) Limits(connections int) {
	limit := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "chatcluster_connections_limit", Help: "MaximumConnections: how many connections there may be, 0 for any number.",
	})
	limit.Set(float64(connections))
	m.registry.MustRegister(limit)
}

// Registry takes further metrics of the program.
func (m *Metrics) Registry() prometheus.Registerer { return m.registry }

// Handler shows the metrics. It speaks the formats of Prometheus and OpenMetrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, MaxRequestsInFlight: 4})
}

func (m *Metrics) addConnections() {
	active := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "signalr_server_active_connections", Help: "Number of connections that are currently active on the server.",
	}, []string{transportLabel})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "signalr_server_connection_duration_seconds", Help: "The duration of connections on the server.", Buckets: connectionBuckets[:],
	}, []string{"signalr_connection_status", transportLabel})
	counter := func(name, help string) *prometheus.CounterVec {
		vector := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{transportLabel})
		m.registry.MustRegister(vector)
		return vector
	}
	sentMessages := counter("chatcluster_messages_sent_total", "Hub messages written to clients.")
	sentBytes := counter("chatcluster_sent_bytes_total", "Bytes of hub messages written to clients, without those of the transport.")
	receivedBytes := counter("chatcluster_received_bytes_total", "Bytes of hub messages read from clients.")
	m.slow = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "chatcluster_slow_connections_dropped_total", Help: "Connections dropped because their client read too slowly.",
	})
	m.registry.MustRegister(active, duration, m.slow)
	for kind, name := range transportNames {
		metrics := &transportMetrics{
			active: active.WithLabelValues(name), sentMessages: sentMessages.WithLabelValues(name),
			sentBytes: sentBytes.WithLabelValues(name), receivedBytes: receivedBytes.WithLabelValues(name),
		}
		for status, statusName := range statusNames {
			metrics.duration[status] = duration.WithLabelValues(statusName, name)
		}
		m.transports[kind] = metrics
	}
}

func (m *Metrics) addInvocations() {
	m.total = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "chatcluster_hub_invocations_total", Help: "Calls of hub methods by clients that have ended.",
	}, []string{"hub", "method", "outcome"})
	m.duration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "chatcluster_hub_invocation_duration_seconds", Help: "How long calls of hub methods took.", Buckets: invocationBuckets[:],
	}, []string{"hub", "method"})
	m.registry.MustRegister(m.total, m.duration)
}

// Reloaded counts a value that changed in its file.
func (m *Metrics) Reloaded(key string, used bool) {
	outcome := outcomeError
	if used {
		outcome = outcomeSuccess
	}
	m.reloads.WithLabelValues(key, outcome).Inc()
}

// ConnectionStarted implements transport.Observer.
func (m *Metrics) ConnectionStarted(kind transport.Kind) { m.transports[kind].active.Inc() }

// ConnectionEnded implements transport.Observer.
func (m *Metrics) ConnectionEnded(kind transport.Kind, lasted time.Duration, cause error) {
	metrics := m.transports[kind]
	metrics.active.Dec()
	metrics.duration[m.statusOf(cause)].Observe(lasted.Seconds())
	if errors.Is(cause, transport.ErrSlowClient) {
		m.slow.Inc()
	}
}

// ShuttingDown is called before the server ends its connections, to tell these ends from those that clients want.
func (m *Metrics) ShuttingDown() { m.shuttingDown.Store(true) }

func (m *Metrics) statusOf(cause error) status {
	switch {
	case cause == nil && m.shuttingDown.Load():
		return appShutdown
	case errors.Is(cause, signalr.ErrClientTimeout), errors.Is(cause, transport.ErrSlowClient):
		return timeout
	}
	return normalClosure
}

// Sent implements transport.Observer.
func (m *Metrics) Sent(kind transport.Kind, messages, bytes int) {
	metrics := m.transports[kind]
	metrics.sentMessages.Add(float64(messages))
	metrics.sentBytes.Add(float64(bytes))
}

// Received implements transport.Observer.
func (m *Metrics) Received(kind transport.Kind, bytes int) {
	m.transports[kind].receivedBytes.Add(float64(bytes))
}

// Refused implements transport.Observer.
func (m *Metrics) Refused(limit transport.Limit) { m.refused.WithLabelValues(string(limit)).Inc() }

// Unauthorized counts a request that was turned away for want of a valid token.
func (m *Metrics) Unauthorized() { m.unauthorized.Inc() }

// Invoked implements signalr.Observer.
func (m *Metrics) Invoked(hub, method string, took time.Duration, failed bool) {
	metrics := m.invocation(invocationKey{hub, method})
	metrics.duration.Observe(took.Seconds())
	if failed {
		metrics.failed.Inc()
		return
	}
	metrics.succeeded.Inc()
}

func (m *Metrics) invocation(key invocationKey) *invocationMetrics {
	if known, found := (*m.invocations.Load())[key]; found {
		return known
	}
	m.adding.Lock()
	defer m.adding.Unlock()
	all := maps.Clone(*m.invocations.Load())
	all[key] = &invocationMetrics{ // asking the vectors twice gives the same metrics
		succeeded: m.total.WithLabelValues(key.hub, key.method, outcomeSuccess),
		failed:    m.total.WithLabelValues(key.hub, key.method, outcomeError),
		duration:  m.duration.WithLabelValues(key.hub, key.method),
	}
	m.invocations.Store(&all)
	return all[key]
}
