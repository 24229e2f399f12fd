package controllers

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/ptr"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// redisMetrics show how each Redis of several servers is. What single servers use of their memory, and how far replicas are behind,
// hub servers show.
type redisMetrics struct {
	replicas, sentinels, shards, epoch *prometheus.Desc
}

func newRedisMetrics(labels []string) redisMetrics {
	state := append(append([]string{}, labels...), "state")
	return redisMetrics{
		replicas:  prometheus.NewDesc("chatcluster_redis_replicas", "Replicas of the Redis that the operator runs.", state, nil),
		sentinels: prometheus.NewDesc("chatcluster_redis_sentinels", "Sentinels of the Redis that the operator runs.", state, nil),
		shards:    prometheus.NewDesc("chatcluster_redis_shards", "Shards of the Redis Cluster that the operator runs.", state, nil),
		epoch:     prometheus.NewDesc("chatcluster_redis_epoch", "A number that grows with each fail-over of Redis.", labels, nil),
	}
}

func (m redisMetrics) describe(descriptions chan<- *prometheus.Desc) {
	for _, description := range []*prometheus.Desc{m.replicas, m.sentinels, m.shards, m.epoch} {
		descriptions <- description
	}
}

func (m redisMetrics) collect(cluster *v1alpha1.ChatCluster, show func(*prometheus.Desc, float64, ...string)) {
	status, spec := cluster.Status.Redis, cluster.Spec.Redis
	if status.Mode == "" {
		return
	}
	show(m.replicas, float64(ptr.Deref(status.Replicas, 0)), "desired")
	show(m.replicas, float64(ptr.Deref(status.ReplicasInSync, 0)), "in_sync")
	show(m.epoch, float64(ptr.Deref(status.Epoch, 0)))
	if spec.Sentinel != nil {
		show(m.sentinels, float64(spec.Sentinel.Sentinels), "desired")
		show(m.sentinels, float64(ptr.Deref(status.Sentinels, 0)), "watching")
	}
	if spec.Cluster != nil {
		show(m.shards, float64(spec.Cluster.Shards), "desired")
		show(m.shards, float64(ptr.Deref(status.Shards, 0)), "serving")
	}
}
