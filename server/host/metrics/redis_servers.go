package metrics

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
)

// redisServers shows what the Redis servers last said of themselves. One that says nothing is not shown.
type redisServers struct {
	last atomic.Pointer[[]redis.ServerInfo]
}

// serverMetric is one number of a Redis server.
type serverMetric struct {
	description *prometheus.Desc
	kind        prometheus.ValueType
	value       func(redis.ServerInfo) int64
}

func newServerMetric(name, help string, kind prometheus.ValueType, value func(redis.ServerInfo) int64) serverMetric {
	return serverMetric{prometheus.NewDesc("chatcluster_redis_server_"+name, help, []string{"server"}, nil), kind, value}
}

var serverMetrics = [...]serverMetric{
	newServerMetric("memory_bytes", "Memory that the Redis server uses.", prometheus.GaugeValue,
		func(s redis.ServerInfo) int64 { return s.MemoryUsed }),
	newServerMetric("memory_limit_bytes", "Memory that the Redis server may use; 0 if there is no limit.", prometheus.GaugeValue,
		func(s redis.ServerInfo) int64 { return s.MemoryLimit }),
	newServerMetric("evicted_keys_total", "Keys that the Redis server threw away for want of memory.", prometheus.CounterValue,
		func(s redis.ServerInfo) int64 { return s.EvictedKeys }),
	newServerMetric("clients", "Connections of the Redis server.", prometheus.GaugeValue,
		func(s redis.ServerInfo) int64 { return s.Clients }),
	newServerMetric("replicas", "Replicas that are connected to the Redis server.", prometheus.GaugeValue,
		func(s redis.ServerInfo) int64 { return s.Replicas }),
	newServerMetric("replication_lag_bytes", "How far the last replica of the Redis server is behind.", prometheus.GaugeValue,
		func(s redis.ServerInfo) int64 { return s.ReplicationLag }),
}

// Describe implements prometheus.Collector.
func (r *redisServers) Describe(descriptions chan<- *prometheus.Desc) {
	for _, metric := range serverMetrics {
		descriptions <- metric.description
	}
}

// Collect implements prometheus.Collector.
func (r *redisServers) Collect(values chan<- prometheus.Metric) {
	servers := r.last.Load()
	if servers == nil {
		return
	}
	for _, server := range *servers {
		for _, metric := range serverMetrics {
			values <- prometheus.MustNewConstMetric(metric.description, metric.kind, float64(metric.value(server)), server.Address)
		}
	}
}
