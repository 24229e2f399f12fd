package children

import (
	"fmt"
	"strconv"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// The ports of Redis beside RedisPort.
const (
	SentinelPort = 26379
	// redisBusPort is where the nodes of a Redis Cluster speak with each other.
	redisBusPort = RedisPort + 10000
)

// The users of Redis and of Sentinels with modes Sentinel and Cluster.
const (
	// RedisHubUser is who hub servers are: the user of those who give no name.
	RedisHubUser = "default"
	// RedisOperatorUser is who the operator is.
	RedisOperatorUser = "operator"
	// RedisInternalUser is who Redis servers and Sentinels are to each other.
	RedisInternalUser = "internal"
)

// SentinelName names what Sentinels are made of.
func SentinelName(cluster string) string { return cluster + "-sentinel" }

// Replicated tells whether the operator runs a Redis of several servers that stand in for each other.
func (w Wanted) Replicated() bool { return replicated(w.Cluster.Spec.Redis) }

func replicated(redis v1alpha1.RedisSpec) bool { return redis.Sentinel != nil || redis.Cluster != nil }

// RedisServers is how many Redis servers the spec asks for.
func RedisServers(redis v1alpha1.RedisSpec) int32 {
	switch {
	case redis.Sentinel != nil:
		return 1 + redis.Sentinel.Replicas
	case redis.Cluster != nil:
		return redis.Cluster.Shards * (1 + redis.Cluster.ReplicasPerShard)
	}
	return 1
}

// RedisSet is a StatefulSet of Redis servers.
type RedisSet struct {
	Name string
	// Replicas is how many servers there should be now.
	Replicas int32
	// first is the number among all servers that the first one has, and step how much more the next one has.
	first, step int
	shard       string
}

// RedisSets are the StatefulSets of the Redis that the operator runs. Each shard of a Redis Cluster has one, for its servers to be
// kept on different nodes: only a template of their own tells them from the others.
func RedisSets(w Wanted) []RedisSet {
	cluster, servers := w.Cluster.Spec.Redis.Cluster, w.servers()
	if cluster == nil {
		return []RedisSet{{Name: RedisName(w.Cluster.Name), Replicas: servers, step: 1}}
	}
	sets := make([]RedisSet, 0, cluster.Shards)
	for shard := range cluster.Shards {
		sets = append(sets, RedisSet{
			Name: fmt.Sprintf("%s-%d", RedisName(w.Cluster.Name), shard),
			// A number that the shards do not divide is that of a scaling on its way: the last servers of the last shards go first.
			Replicas: (servers - shard + cluster.Shards - 1) / cluster.Shards,
			first:    int(shard), step: int(cluster.Shards), shard: strconv.Itoa(int(shard)),
		})
	}
	return sets
}

// servers is how many Redis servers there may be now.
func (w Wanted) servers() int32 {
	if w.RedisServers > 0 {
		return w.RedisServers
	}
	return RedisServers(w.Cluster.Spec.Redis)
}

// sentinels is how many Sentinels there may be now.
func (w Wanted) sentinels() int32 {
	if w.RedisSentinels > 0 {
		return w.RedisSentinels
	}
	return w.Cluster.Spec.Redis.Sentinel.Sentinels
}

// Pod names the pod of a set with a number, Ordinal is that pod's number among all servers.
func (s RedisSet) Pod(index int32) string { return fmt.Sprintf("%s-%d", s.Name, index) }

// Ordinal is the number that a pod of the set has among all servers.
func (s RedisSet) Ordinal(index int32) int { return s.first + int(index)*s.step }

// Selector are the labels that find the pods of the set.
func (s RedisSet) Selector(cluster string) map[string]string {
	selector := Selector(cluster, v1alpha1.RedisComponent)
	if s.shard != "" {
		selector[v1alpha1.LabelShard] = s.shard
	}
	return selector
}

// RedisServiceHost is the name of the Service of the one Redis server, for which its certificate is.
func RedisServiceHost(w Wanted) string { return serviceHost(w, RedisName(w.Cluster.Name)) }

// RedisHost is the name of a Redis server that stays when its pod is replaced.
func RedisHost(w Wanted, pod string) string { return hostOf(w, pod, RedisName(w.Cluster.Name)) }

// SentinelHost is the name of a Sentinel that stays when its pod is replaced.
func SentinelHost(w Wanted, pod string) string { return hostOf(w, pod, SentinelName(w.Cluster.Name)) }

// hostOf is a name with the domain of the Kubernetes cluster. A shorter one of a pod that is away would be looked for outside of the
// Kubernetes cluster in the end, which takes seconds where nobody answers there: Sentinels stand still meanwhile, and then do not
// trust themselves for half a minute.
func hostOf(w Wanted, pod, service string) string { return pod + "." + serviceHost(w, service) }

func serviceHost(w Wanted, service string) string {
	return fmt.Sprintf("%s.%s.svc.%s", service, w.Cluster.Namespace, w.ClusterDomain)
}

// SentinelPod names the pod of a Sentinel.
func SentinelPod(cluster string, index int32) string {
	return fmt.Sprintf("%s-%d", SentinelName(cluster), index)
}
