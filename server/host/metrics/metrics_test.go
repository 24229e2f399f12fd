package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/host/drain"
	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

var _ signalr.Observer = (*Metrics)(nil)

// scrape returns the lines that Prometheus would get.
func scrape(m *Metrics) string {
	recorder := httptest.NewRecorder()
	m.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return recorder.Body.String()
}

func expect(t *testing.T, m *Metrics, lines ...string) {
	t.Helper()
	text := scrape(m)
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			var same []string
			for found := range strings.Lines(text) {
				if strings.HasPrefix(found, name) {
					same = append(same, found)
				}
			}
			t.Errorf("missing %s\nthere are:\n%s", line, strings.Join(same, ""))
		}
	}
}

func TestConnections(t *testing.T) {
	m := New()
	for range 5 {
		m.ConnectionStarted(transport.WebSockets)
	}
	m.ConnectionStarted(transport.LongPolling)
	m.ConnectionEnded(transport.WebSockets, 3*time.Second, nil)
	m.ConnectionEnded(transport.WebSockets, time.Second, signalr.ErrClientTimeout)
	m.ConnectionEnded(transport.WebSockets, time.Second, fmt.Errorf("send: %w", transport.ErrSlowClient))
	m.ShuttingDown()
	m.ConnectionEnded(transport.WebSockets, time.Second, nil)
	expect(t, m,
		`signalr_server_active_connections{signalr_transport="web_sockets"} 1`,
		`signalr_server_active_connections{signalr_transport="long_polling"} 1`,
		`signalr_server_active_connections{signalr_transport="server_sent_events"} 0`,
		`signalr_server_connection_duration_seconds_count{signalr_connection_status="normal_closure",signalr_transport="web_sockets"} 1`,
		`signalr_server_connection_duration_seconds_sum{signalr_connection_status="normal_closure",signalr_transport="web_sockets"} 3`,
		`signalr_server_connection_duration_seconds_bucket{signalr_connection_status="normal_closure",signalr_transport="web_sockets",le="2"} 0`,
		`signalr_server_connection_duration_seconds_bucket{signalr_connection_status="normal_closure",signalr_transport="web_sockets",le="5"} 1`,
		`signalr_server_connection_duration_seconds_count{signalr_connection_status="timeout",signalr_transport="web_sockets"} 2`,
		`signalr_server_connection_duration_seconds_count{signalr_connection_status="app_shutdown",signalr_transport="web_sockets"} 1`,
		`chatcluster_slow_connections_dropped_total 1`,
	)
}

func TestMessagesAndBytes(t *testing.T) {
	m := New()
	m.Sent(transport.ServerSentEvents, 3, 300)
	m.Sent(transport.ServerSentEvents, 1, 50)
	m.Received(transport.WebSockets, 70)
	expect(t, m,
		`chatcluster_messages_sent_total{signalr_transport="server_sent_events"} 4`,
		`chatcluster_sent_bytes_total{signalr_transport="server_sent_events"} 350`,
		`chatcluster_received_bytes_total{signalr_transport="web_sockets"} 70`,
	)
}

func TestInvocations(t *testing.T) {
	m := New()
	m.Invoked("ChatHub", "SendMessage", 2*time.Millisecond, false)
	m.Invoked("ChatHub", "SendMessage", 3*time.Second, true)
	expect(t, m,
		`chatcluster_hub_invocations_total{hub="ChatHub",method="SendMessage",outcome="success"} 1`,
		`chatcluster_hub_invocations_total{hub="ChatHub",method="SendMessage",outcome="error"} 1`,
		`chatcluster_hub_invocation_duration_seconds_bucket{hub="ChatHub",method="SendMessage",le="0.0025"} 1`,
		`chatcluster_hub_invocation_duration_seconds_count{hub="ChatHub",method="SendMessage"} 2`,
	)
}

func TestRedisShowsOnlyIfThereIsOne(t *testing.T) {
	m := New()
	if text := scrape(m); strings.Contains(text, "redis") {
		t.Error("a server that stands alone seems to have lost its Redis")
	}
	observer := m.Redis()
	expect(t, m, `chatcluster_redis_connected 0`)
	observer.StateChanged(redis.State{Connected: true, Generation: 1})
	observer.SubscriptionsChanged(3)
	observer.Published()
	observer.PublishFailed()
	observer.Received(40)
	observer.Received(2)
	observer.Transit(2 * time.Millisecond)
	observer.Transit(-time.Second) // the clocks of two machines
	observer.Lagging(7)
	observer.Missed(3)
	observer.Repeated()
	expect(t, m,
		`chatcluster_redis_connected 1`, `chatcluster_redis_connections_total 1`, `chatcluster_redis_subscriptions 3`,
		`chatcluster_redis_messages_published_total 1`, `chatcluster_redis_publish_failures_total 1`,
		`chatcluster_redis_messages_received_total 2`, `chatcluster_redis_received_bytes_total 42`,
		`chatcluster_redis_transit_seconds_count 2`, `chatcluster_redis_transit_seconds_sum 0.002`,
		`chatcluster_redis_stream_lag 7`, `chatcluster_redis_stream_missed_total 3`, `chatcluster_redis_stream_repeated_total 1`,
	)
	observer.ServersSeen([]redis.ServerInfo{{
		Address: "redis:6379", MemoryUsed: 1000, MemoryLimit: 2000, EvictedKeys: 3, Clients: 4, Replicas: 1, ReplicationLag: 5,
	}})
	expect(t, m,
		`chatcluster_redis_server_memory_bytes{server="redis:6379"} 1000`, `chatcluster_redis_server_memory_limit_bytes{server="redis:6379"} 2000`,
		`chatcluster_redis_server_evicted_keys_total{server="redis:6379"} 3`, `chatcluster_redis_server_clients{server="redis:6379"} 4`,
		`chatcluster_redis_server_replicas{server="redis:6379"} 1`, `chatcluster_redis_server_replication_lag_bytes{server="redis:6379"} 5`,
	)
	observer.ServersSeen(nil)
	if text := scrape(m); strings.Contains(text, "chatcluster_redis_server_") {
		t.Errorf("a server that is silent is shown:\n%s", text)
	}
	observer.StateChanged(redis.State{})
	observer.StateChanged(redis.State{Connected: true, Generation: 2})
	expect(t, m, `chatcluster_redis_connected 1`, `chatcluster_redis_connections_total 2`)
}

func TestGoAndTheProcessAreMeasured(t *testing.T) {
	m := New()
	m.Build("1.2.3 (commit abcdef)")
	expect(t, m, `chatcluster_build_info{version="1.2.3 (commit abcdef)"} 1`)
	text := scrape(m)
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes"} {
		if !strings.Contains(text, "\n"+name+" ") {
			t.Errorf("no %s", name)
		}
	}
}

func TestRefusalsAndReloads(t *testing.T) {
	m := New()
	m.Refused(transport.LimitConnections)
	m.Limits(1000)
	expect(t, m, `chatcluster_draining 0`, `chatcluster_connections_limit 1000`)
	m.Draining(true)
	m.Unauthorized()
	expect(t, m, `chatcluster_unauthorized_requests_total 1`)
	m.Reloaded("JwtKey", true)
	m.Reloaded("JwtKey", false)
	expect(t, m, `chatcluster_draining 1`,
		`chatcluster_refused_total{limit="connections"} 1`, `chatcluster_refused_total{limit="message_rate"} 0`,
		`chatcluster_value_reloads_total{key="JwtKey",outcome="success"} 1`, `chatcluster_value_reloads_total{key="JwtKey",outcome="error"} 1`,
	)
}

func TestDrain(t *testing.T) {
	m := New()
	observer := m.Drain()
	m.Draining(true)
	observer.Remaining(drain.Count{Stateful: 4, Movable: 3, Stateless: 2, LongPolling: 1, Tunnelled: 7})
	observer.Drained(5, 0)
	m.ConnectionStarted(transport.WebSockets)
	m.ConnectionEnded(transport.WebSockets, time.Second, nil)
	observer.Drained(0, 6)
	m.ConnectionStarted(transport.WebSockets)
	m.ConnectionEnded(transport.WebSockets, time.Second, nil)
	expect(t, m, `chatcluster_draining 1`,
		`chatcluster_drain_clients_total{how="sent_away"} 5`, `chatcluster_drain_clients_total{how="told"} 6`,
		`chatcluster_drain_remaining_clients{kind="stateful"} 4`, `chatcluster_drain_remaining_clients{kind="stateless"} 2`,
		`chatcluster_drain_remaining_clients{kind="long_polling"} 1`, `chatcluster_drain_remaining_clients{kind="tunnelled"} 7`,
		`signalr_server_connection_duration_seconds_count{signalr_connection_status="normal_closure",signalr_transport="web_sockets"} 1`,
		`signalr_server_connection_duration_seconds_count{signalr_connection_status="app_shutdown",signalr_transport="web_sockets"} 1`,
	)
	m.Draining(false)
	m.ConnectionStarted(transport.WebSockets)
	m.ConnectionEnded(transport.WebSockets, time.Second, nil)
	expect(t, m, `chatcluster_draining 0`,
		`signalr_server_connection_duration_seconds_count{signalr_connection_status="normal_closure",signalr_transport="web_sockets"} 2`)
}

// Counting is on the path of every message.
func BenchmarkObserver(b *testing.B) {
	m := New()
	b.ReportAllocs()
	for b.Loop() {
		m.Sent(transport.WebSockets, 1, 64)
		m.Received(transport.WebSockets, 64)
		m.Invoked("ChatHub", "SendMessage", time.Millisecond, false)
	}
}
