package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// RedisSpec is the Redis that connects the hub servers.
//
// +union
// +kubebuilder:validation:XValidation:rule="has(self.external) == (has(self.mode) && self.mode == 'External')",message="redis.external is needed with mode External, and only there"
// +kubebuilder:validation:XValidation:rule="has(self.sentinel) == (has(self.mode) && self.mode == 'Sentinel')",message="redis.sentinel is needed with mode Sentinel, and only there; {} is all of its defaults"
// +kubebuilder:validation:XValidation:rule="has(self.cluster) == (has(self.mode) && self.mode == 'Cluster')",message="redis.cluster is needed with mode Cluster, and only there; {} is all of its defaults"
// +kubebuilder:validation:XValidation:rule="!has(self.external) || !(has(self.image) || has(self.storage) || has(self.memory) || has(self.resources) || has(self.scheduling) || has(self.podMetadata) || has(self.tls))",message="with mode External nothing but redis.external can be set: the operator runs no Redis"
// +kubebuilder:validation:XValidation:rule="!(has(self.sentinel) || has(self.cluster)) || !has(self.storage) || !has(self.storage.persistence) || self.storage.persistence != 'Snapshot'",message="redis.storage.persistence Snapshot needs mode Standalone: a server that comes back with an older snapshot must not pass for one with all data"
// +kubebuilder:validation:XValidation:rule="has(self.tls) == has(oldSelf.tls)",message="redis.tls cannot be added or removed: make a new ChatCluster"
// +kubebuilder:validation:XValidation:rule="has(self.storage) == has(oldSelf.storage) || has(self.storage) && (has(self.sentinel) || has(self.cluster)) && !has(self.storage.className) && quantity(string(self.storage.size)).compareTo(quantity('2Gi')) >= 0",message="redis.storage cannot be added or removed: make a new ChatCluster. With modes Sentinel and Cluster it can be added to ask for more than their 2Gi"
type RedisSpec struct {
	// mode is the form of Redis. Standalone, Sentinel and Cluster are run by the
	// operator: one server; a primary with replicas, and Sentinels that replace
	// it when it is lost; shards of a primary with replicas each, which share the
	// load. External is one that you run. It cannot be changed.
	// +unionDiscriminator
	// +optional
	// +default="Standalone"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="redis.mode cannot be changed: make a new ChatCluster"
	Mode RedisMode `json:"mode,omitempty"`

	// external is where your own Redis is.
	// +optional
	External *ExternalRedis `json:"external,omitempty"`

	// sentinel is about mode Sentinel.
	// +optional
	Sentinel *RedisSentinelSpec `json:"sentinel,omitempty"`

	// cluster is about mode Cluster.
	// +optional
	Cluster *RedisClusterSpec `json:"cluster,omitempty"`

	// image is the image of Redis 7.0 or later, or of what is compatible with
	// it. Unset, the operator takes one when the cluster is made and keeps it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`

	// storage keeps what is in Redis over the end of its pod. Unset, modes
	// Sentinel and Cluster have 2Gi of the default class for each pod, and write
	// as spec.backplane.streams.safety needs it; mode Standalone has none and
	// starts empty each time, which the backplane bears: messages are not
	// stored.
	// +optional
	Storage *RedisStorage `json:"storage,omitempty"`

	// tls encrypts all that goes to Redis and among its servers. It cannot be
	// added or removed.
	// +optional
	TLS *RedisTLSSpec `json:"tls,omitempty"`

	// memory bounds what each Redis server stores.
	// +optional
	Memory *RedisMemory `json:"memory,omitempty"`

	// resources of each Redis container. Unset: requests 100m CPU and 128Mi
	// memory, limits 512Mi memory.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

	// scheduling is where Redis and its Sentinels may run. Servers that stand in
	// for each other are kept on different nodes as well as it can be done,
	// unless topologySpreadConstraints say otherwise.
	// +optional
	Scheduling Scheduling `json:"scheduling,omitempty,omitzero"`

	// podMetadata is added to the metadata of the pods.
	// +optional
	PodMetadata Metadata `json:"podMetadata,omitempty,omitzero"`
}

// RedisMode is a form of Redis.
//
// +kubebuilder:validation:Enum=Standalone;Sentinel;Cluster;External
type RedisMode string

// The forms of Redis.
const (
	// RedisStandalone is one Redis server that the operator runs.
	RedisStandalone RedisMode = "Standalone"
	// RedisSentinel is a primary with replicas and Sentinels that watch over them.
	RedisSentinel RedisMode = "Sentinel"
	// RedisCluster is a Redis Cluster: shards of a primary with replicas each.
	RedisCluster RedisMode = "Cluster"
	// RedisExternal is a Redis that somebody else runs.
	RedisExternal RedisMode = "External"
)

// ExternalRedis is a Redis that the operator does not run.
type ExternalRedis struct {
	// connection is the value of a Secret that has the connection string, as for
	// StackExchange.Redis (redis.example.com:6380,password=...,ssl=true) or a
	// redis:// or rediss:// URL. Hub servers take up a change without a restart.
	// +required
	Connection SecretKey `json:"connection,omitempty,omitzero"`
}

// RedisStorage is a volume for Redis.
//
// +kubebuilder:validation:XValidation:rule="has(self.className) == has(oldSelf.className) && (!has(self.className) || self.className == oldSelf.className)",message="redis.storage.className cannot be changed"
// +kubebuilder:validation:XValidation:rule="(has(self.persistence) && self.persistence == 'Snapshot') == (has(oldSelf.persistence) && oldSelf.persistence == 'Snapshot')",message="redis.storage.persistence cannot be changed to or from Snapshot: Redis would start without what is on its volume. Make a new ChatCluster"
type RedisStorage struct {
	// size of the volume. It can grow where its StorageClass allows that; a
	// condition says so where it does not. A smaller size changes nothing, and
	// the condition says which one to set again.
	// +required
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).isGreaterThan(quantity('0'))",message="redis.storage.size must be more than nothing"
	Size resource.Quantity `json:"size,omitempty,omitzero"`

	// className is the StorageClass of the volume. Unset is the default of the
	// Kubernetes cluster. It cannot be changed.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClassName string `json:"className,omitempty"`

	// persistence is how Redis writes: AppendOnly loses at most the last second,
	// Snapshot what came after the last snapshot (one after 60 seconds with 1000
	// changes, 5 minutes with 10, an hour with one), Always nothing, at the cost
	// of waiting for the disk. It cannot be changed to or from Snapshot: Redis
	// would not read what the other has written.
	// +optional
	// +default="AppendOnly"
	Persistence RedisPersistence `json:"persistence,omitempty"`

	// whenDeleted is what becomes of the volume when the ChatCluster is deleted.
	// A ChatCluster of the same name finds a volume that was kept.
	// +optional
	// +default="Delete"
	WhenDeleted VolumePolicy `json:"whenDeleted,omitempty"`
}

// RedisPersistence is how Redis writes to its volume.
//
// +kubebuilder:validation:Enum=AppendOnly;Always;Snapshot
type RedisPersistence string

// The ways in which Redis writes to its volume.
const (
	// PersistAppendOnly appends each change to a file that reaches the disk once
	// a second.
	PersistAppendOnly RedisPersistence = "AppendOnly"
	// PersistAlways appends each change to a file and waits for the disk.
	PersistAlways RedisPersistence = "Always"
	// PersistSnapshot writes all there is from time to time.
	PersistSnapshot RedisPersistence = "Snapshot"
)

// VolumePolicy is what becomes of a volume.
//
// +kubebuilder:validation:Enum=Delete;Retain
type VolumePolicy string

// What becomes of volumes.
const (
	DeleteVolume VolumePolicy = "Delete"
	RetainVolume VolumePolicy = "Retain"
)

// RedisMemory bounds what Redis stores.
//
// +kubebuilder:validation:MinProperties=1
type RedisMemory struct {
	// maximum is how much Redis stores at most (maxmemory), less than its memory
	// limit: it needs about a quarter of that for itself, and is killed at the
	// limit. Unset: three quarters of the limit, if there is one.
	// +optional
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('1Mi')) >= 0",message="redis.memory.maximum must be 1Mi or more"
	Maximum *resource.Quantity `json:"maximum,omitempty"`

	// policy is what Redis removes when it is full (maxmemory-policy). The
	// backplane is safe with noeviction only; the others are for a Redis that
	// other programs use too.
	// +optional
	// +default="noeviction"
	// +kubebuilder:validation:Enum=noeviction;allkeys-lru;allkeys-lfu;allkeys-random;volatile-lru;volatile-lfu;volatile-random;volatile-ttl
	Policy string `json:"policy,omitempty"`
}

// BackplaneSpec is how hub servers use Redis.
//
// +kubebuilder:validation:XValidation:rule="!has(self.streams) || (has(self.mode) && self.mode == 'Streams')",message="backplane.streams needs mode Streams"
// +kubebuilder:validation:XValidation:rule="!has(self.localFallback) || !self.localFallback || !has(self.mode) || self.mode != 'Streams'",message="backplane.localFallback does not go with mode Streams, which delivers later what was sent while Redis was away"
type BackplaneSpec struct {
	// mode is how messages go through Redis (BackplaneMode). PubSub is what
	// ASP.NET Core servers speak too. Sharded loads one shard of a Redis Cluster
	// instead of all. Streams lets hub servers catch up on what they missed
	// while a connection or Redis was away.
	// +optional
	// +default="PubSub"
	Mode BackplaneMode `json:"mode,omitempty"`

	// channelPrefix is put before every channel name, so that several
	// applications can share one Redis (RedisChannelPrefix). It wins over
	// channelPrefix in a connection string.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ChannelPrefix string `json:"channelPrefix,omitempty"`

	// localFallback lets a hub server that is alone deliver to its own clients
	// while Redis is away (BackplaneLocalFallback).
	// +optional
	// +default=false
	LocalFallback *bool `json:"localFallback,omitempty"`

	// streams is about the streams of mode Streams.
	// +optional
	Streams *StreamsSpec `json:"streams,omitempty"`
}

// BackplaneMode is how messages go through Redis.
//
// +kubebuilder:validation:Enum=PubSub;Sharded;Streams
type BackplaneMode string

// The ways in which messages go through Redis.
const (
	BackplanePubSub  BackplaneMode = "PubSub"
	BackplaneSharded BackplaneMode = "Sharded"
	BackplaneStreams BackplaneMode = "Streams"
)

// StreamsSpec is about the Redis streams that messages go through.
//
// +kubebuilder:validation:MinProperties=1
type StreamsSpec struct {
	// length is how many messages of a hub its stream keeps, about
	// (BackplaneStreamLength).
	// +optional
	// +default=100000
	// +kubebuilder:validation:Minimum=1000
	// +kubebuilder:validation:Maximum=100000000
	Length int32 `json:"length,omitempty"`

	// ageSeconds is how long a stream keeps messages (BackplaneStreamAge).
	// +optional
	// +default=600
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=2592000
	AgeSeconds int32 `json:"ageSeconds,omitempty"`

	// safety is when a hub server may forget a message that Redis has taken
	// (BackplaneStreamSafety): with its reply, when a replica has it, when it is
	// on disk, or by what the Redis at hand offers.
	// +optional
	// +default="Auto"
	// +kubebuilder:validation:Enum=Auto;Reply;Replica;Disk
	Safety string `json:"safety,omitempty"`

	// waitSeconds is how long a call waits until Redis has taken its message
	// before it fails (BackplaneStreamWaitTimeout).
	// +optional
	// +default=15
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	WaitSeconds int32 `json:"waitSeconds,omitempty"`
}
