package controllers

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"k8s.io/utils/ptr"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

func TestMetricsShowWhatARedisOfSeveralServersLacks(t *testing.T) {
	cluster := &v1alpha1.ChatCluster{}
	shown := map[string]float64{}
	metrics := newRedisMetrics([]string{"namespace", "name"})
	collect := func() {
		metrics.collect(cluster, func(description *prometheus.Desc, value float64, labels ...string) {
			var sample dto.Metric
			all := append([]string{"chat", "demo"}, labels...)
			if err := prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value, all...).Write(&sample); err != nil {
				t.Fatal(err)
			}
			name := map[*prometheus.Desc]string{
				metrics.replicas: "replicas", metrics.sentinels: "sentinels", metrics.shards: "shards", metrics.epoch: "epoch",
			}[description]
			for _, label := range labels {
				name += " " + label
			}
			shown[name] = sample.GetGauge().GetValue()
		})
	}
	collect()
	if len(shown) != 0 {
		t.Errorf("one server has %v", shown)
	}
	cluster.Spec.Redis.Sentinel = &v1alpha1.RedisSentinelSpec{Sentinels: 3}
	cluster.Status.Redis = v1alpha1.RedisStatus{
		Mode: v1alpha1.RedisSentinel, Replicas: ptr.To[int32](2), ReplicasInSync: ptr.To[int32](1), Sentinels: ptr.To[int32](2), Epoch: ptr.To[int64](7),
	}
	collect()
	for name, want := range map[string]float64{
		"replicas desired": 2, "replicas in_sync": 1, "sentinels desired": 3, "sentinels watching": 2, "epoch": 7,
	} {
		if got, found := shown[name]; !found || got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	cluster.Spec.Redis = v1alpha1.RedisSpec{Cluster: &v1alpha1.RedisClusterSpec{Shards: 3}}
	cluster.Status.Redis.Shards = ptr.To[int32](2)
	collect()
	if shown["shards desired"] != 3 || shown["shards serving"] != 2 {
		t.Errorf("of the shards it shows %v", shown)
	}
}
