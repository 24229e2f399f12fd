// Package children builds the objects that make up a ChatCluster. Every builder is a pure function from what is wanted
// to one server-side apply configuration: it asks nobody, and the same input gives the same object.
package children

import (
	"encoding/json"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// Wanted is what the builders go by: the resource, and what the operator found out or chose for it.
type Wanted struct {
	// Cluster has its defaults; the API server sets them.
	Cluster *v1alpha1.ChatCluster
	// HubImage and RedisImage are those of the spec, or those that the operator chose.
	HubImage, RedisImage string
	// Replicas is the number of hub servers: that of the spec or the autoscaler's.
	Replicas int32
	// HubContent is a hash of what hub servers read once, at their start, beside their configuration. A new one replaces them.
	HubContent string
	// Clients is for how many clients of one hub server its end is planned, beside those that the spec speaks of.
	Clients int64
	// RedisServers and RedisSentinels are how many there may be now, which differs from the spec while some are to go. 0: as the spec
	// says.
	RedisServers, RedisSentinels int32
	// RedisStorage has the size of volumes where it is not that of the spec, because they still grow or cannot, by the names of
	// StatefulSets.
	RedisStorage map[string]resource.Quantity
	// RedisCertificate is a digest of the certificate of Redis. A new one replaces the Sentinels.
	RedisCertificate string
	// RedisLineage changes when the password of Redis was lost and made anew, so that Redis must be started with it.
	RedisLineage string
	// ClusterDomain is the domain of the Kubernetes cluster, such as cluster.local.
	ClusterDomain string
	// OperatorNamespace is where the operator runs, for it to reach the pods; empty outside of Kubernetes.
	OperatorNamespace string
}

// Managed tells whether the operator runs the Redis.
func (w Wanted) Managed() bool { return w.Cluster.Spec.Redis.Mode != v1alpha1.RedisExternal }

// The ports of pods and Services.
const (
	HubPort     = 8080
	MetricsPort = 9090
	PeerPort    = 9091
	RedisPort   = 6379
	plainPort   = 80
	securePort  = 443
)

// The names of ports, and of what they carry.
const (
	hubPortName     = "hub"
	metricsPortName = "metrics"
	peerPortName    = "peer"
	redisPortName   = "redis"
)

// ServiceName names what clients reach the hub servers by: the Service, the Ingress and the HTTPRoute.
func ServiceName(cluster string) string { return cluster }

// HubName names what hub servers are made of.
func HubName(cluster string) string { return cluster + "-hub" }

// MetricsName names the Service that lists the metrics of hub servers.
func MetricsName(cluster string) string { return cluster + "-metrics" }

// RedisName names what Redis is made of.
func RedisName(cluster string) string { return cluster + "-redis" }

// RedisAuthName names the Secret with the password of Redis.
func RedisAuthName(cluster string) string { return cluster + "-redis-auth" }

// ClusterKeyName names the Secret with the cluster key.
func ClusterKeyName(cluster string) string { return cluster + "-cluster-key" }

// Labels are those of all children of a component.
func Labels(cluster, component string) map[string]string {
	labels := Selector(cluster, component)
	labels[v1alpha1.LabelManagedBy] = v1alpha1.OperatorName
	return labels
}

// Selector are the labels that find the pods of a component. They never change: selectors of workloads cannot.
func Selector(cluster, component string) map[string]string {
	return map[string]string{
		v1alpha1.LabelName:      v1alpha1.AppName,
		v1alpha1.LabelInstance:  cluster,
		v1alpha1.LabelComponent: component,
	}
}

// owner makes the garbage collector remove a child with its ChatCluster.
func owner(cluster *v1alpha1.ChatCluster) *metaac.OwnerReferenceApplyConfiguration {
	return metaac.OwnerReference().
		WithAPIVersion(v1alpha1.GroupVersion().String()).
		WithKind("ChatCluster").
		WithName(cluster.Name).
		WithUID(cluster.UID).
		WithController(true).
		WithBlockOwnerDeletion(true)
}

// ownerReferences is owner for objects that have no typed apply configuration.
func ownerReferences(cluster *v1alpha1.ChatCluster) []metav1.OwnerReference {
	return []metav1.OwnerReference{*metav1.NewControllerRef(cluster, v1alpha1.GroupVersion().WithKind("ChatCluster"))}
}

// merge adds what a user wants to what the operator needs, which wins.
func merge(wanted, needed map[string]string) map[string]string {
	all := maps.Clone(wanted)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, needed)
	return all
}

// as turns a part of the spec into the apply configuration of the same shape: the two have the same JSON.
func as[T any](part any) (*T, error) {
	encoded, err := json.Marshal(part)
	if err != nil {
		return nil, fmt.Errorf("encode a part of the spec: %w", err)
	}
	result := new(T)
	if err := json.Unmarshal(encoded, result); err != nil {
		return nil, fmt.Errorf("decode a part of the spec as %T: %w", result, err)
	}
	return result, nil
}

// asList is as for a list.
func asList[T, S any](parts []S) ([]*T, error) {
	list := make([]*T, 0, len(parts))
	for _, part := range parts {
		one, err := as[T](part)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}
