package controllers

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// clusterMetrics shows the status of all ChatClusters, as it is in the cache when Prometheus asks.
type clusterMetrics struct {
	clusters                         client.Reader
	condition, hubs, connected, left *prometheus.Desc
	redis                            redisMetrics
}

// collectTimeout bounds how long a look into the cache may take; it blocks only before the cache is filled.
const collectTimeout = time.Second

// addMetrics adds metrics about ChatClusters to those that controller-runtime has about the operator itself.
func addMetrics(registry prometheus.Registerer, clusters client.Reader) error {
	if registry == nil {
		registry = metrics.Registry
	}
	labels := []string{"namespace", "name"}
	collector := &clusterMetrics{
		clusters: clusters,
		condition: prometheus.NewDesc("chatcluster_condition",
			"1 if the condition of the ChatCluster is True, else 0.", append(labels, "condition"), nil),
		hubs:      prometheus.NewDesc("chatcluster_hub_servers", "Hub servers of the ChatCluster.", append(labels, "state"), nil),
		connected: prometheus.NewDesc("chatcluster_connections", "Open connections of clients, about.", labels, nil),
		left: prometheus.NewDesc("chatcluster_draining_connections",
			"Open connections of clients to hub servers that end.", labels, nil),
	}
	collector.redis = newRedisMetrics(labels)
	if err := registry.Register(collector); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	return nil
}

// Describe implements prometheus.Collector.
func (m *clusterMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	for _, description := range []*prometheus.Desc{m.condition, m.hubs, m.connected, m.left} {
		descriptions <- description
	}
	m.redis.describe(descriptions)
}

// Collect implements prometheus.Collector.
func (m *clusterMetrics) Collect(samples chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	list := &v1alpha1.ChatClusterList{}
	if m.clusters.List(ctx, list) != nil {
		return // the cache is not filled: there is nothing to show yet
	}
	for at := range list.Items {
		m.collect(&list.Items[at], samples)
	}
}

func (m *clusterMetrics) collect(cluster *v1alpha1.ChatCluster, samples chan<- prometheus.Metric) {
	show := func(description *prometheus.Desc, value float64, labels ...string) {
		labels = append([]string{cluster.Namespace, cluster.Name}, labels...)
		samples <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value, labels...)
	}
	status := cluster.Status
	for _, condition := range v1alpha1.Conditions() {
		value := 0.0
		if meta.IsStatusConditionTrue(status.Conditions, condition) {
			value = 1
		}
		show(m.condition, value, condition)
	}
	show(m.hubs, float64(ptr.Deref(status.DesiredReplicas, 0)), "desired")
	show(m.hubs, float64(ptr.Deref(status.ReadyReplicas, 0)), "ready")
	show(m.hubs, float64(ptr.Deref(status.Draining.Replicas, 0)), "draining")
	show(m.left, float64(ptr.Deref(status.Draining.Connections, 0)))
	if status.Connections != nil {
		show(m.connected, float64(*status.Connections))
	}
	m.redis.collect(cluster, show)
}
