package v1alpha1

import corev1 "k8s.io/api/core/v1"

// RedisSentinelSpec is a primary with replicas, and the Sentinels that make one
// of them the primary when it is lost.
//
// +kubebuilder:validation:XValidation:rule="!has(self.quorum) || self.quorum <= self.sentinels",message="redis.sentinel.quorum must not be greater than redis.sentinel.sentinels"
type RedisSentinelSpec struct {
	// replicas is how many servers follow the primary. With one, nothing stands
	// in for it while a server is replaced; with two, something always does.
	// +optional
	// +default=2
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=15
	Replicas int32 `json:"replicas,omitempty"`

	// sentinels is how many Sentinels there are. More than half of them must
	// reach each other to replace a primary, so an even number would be no safer
	// than one less.
	// +optional
	// +default=3
	// +kubebuilder:validation:Minimum=3
	// +kubebuilder:validation:Maximum=9
	// +kubebuilder:validation:XValidation:rule="self % 2 == 1",message="redis.sentinel.sentinels must be odd"
	Sentinels int32 `json:"sentinels,omitempty"`

	// quorum is how many Sentinels must find the primary lost before it is
	// replaced. Unset: more than half of them.
	// +optional
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=9
	Quorum int32 `json:"quorum,omitempty"`

	// resources of each Sentinel container. Unset: requests 20m CPU and 32Mi
	// memory, limits 64Mi memory.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
}

// Majority is how many Sentinels must find the primary lost: the quorum, or more than half.
func (s RedisSentinelSpec) Majority() int32 {
	if s.Quorum > 0 {
		return s.Quorum
	}
	return s.Sentinels/2 + 1
}

// RedisClusterSpec is a Redis Cluster.
type RedisClusterSpec struct {
	// shards is among how many primaries keys and sharded channels are divided.
	// It cannot be changed.
	// +optional
	// +default=3
	// +kubebuilder:validation:Minimum=3
	// +kubebuilder:validation:Maximum=50
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="redis.cluster.shards cannot be changed: make a new ChatCluster"
	Shards int32 `json:"shards,omitempty"`

	// replicasPerShard is how many servers follow the primary of each shard.
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=5
	ReplicasPerShard int32 `json:"replicasPerShard,omitempty"`
}

// RedisTLSSpec is TLS of Redis.
type RedisTLSSpec struct {
	// secretName names a Secret with tls.crt, tls.key and ca.crt, as cert-manager
	// writes it. The certificate must be good for
	// NAME-redis.NAMESPACE.svc.cluster.local with mode Standalone, else for
	// *.NAME-redis.NAMESPACE.svc.cluster.local and, with mode Sentinel,
	// *.NAME-sentinel.NAMESPACE.svc.cluster.local, with the domain of the
	// Kubernetes cluster, and for both server and client authentication. A new
	// one is taken up without a restart of Redis; Sentinels, which cannot do
	// that, are restarted one after another. To change the authority, put both
	// into ca.crt first.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName,omitempty"`
}

// RedisStatus is how the Redis of modes Sentinel and Cluster is.
//
// +kubebuilder:validation:MinProperties=1
type RedisStatus struct {
	// mode is the form of Redis.
	// +optional
	Mode RedisMode `json:"mode,omitempty"`

	// primaries are the pods that take what is written: one, or with mode Cluster
	// one for each shard that has one, in the order of shards.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Primaries []string `json:"primaries,omitempty"`

	// replicas is how many replicas there should be.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Replicas *int32 `json:"replicas,omitempty"`

	// replicasInSync is how many replicas follow a primary closely enough to take
	// its place without a loss.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ReplicasInSync *int32 `json:"replicasInSync,omitempty"`

	// sentinels is how many Sentinels reach each other and know the primary; only
	// with mode Sentinel.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Sentinels *int32 `json:"sentinels,omitempty"`

	// shards is how many shards serve all of their slots; only with mode Cluster.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Shards *int32 `json:"shards,omitempty"`

	// epoch grows with each fail-over.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Epoch *int64 `json:"epoch,omitempty"`

	// memoryBytes is how much the fullest server stores, about: it is written
	// when it has changed by a tenth.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MemoryBytes *int64 `json:"memoryBytes,omitempty"`

	// notes are what the operator remembers from one look at Redis to the next.
	// They are for itself.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32768
	Notes string `json:"notes,omitempty"`

	// version is that of the Redis servers; while they are replaced, the oldest.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`
}
