package redisform

// Reason says in one word how the servers are.
type Reason string

// The reasons. Serving are the first two.
const (
	// Healthy: all is as wanted.
	Healthy Reason = "Healthy"
	// Degraded: it serves, and would not survive the loss of one more.
	Degraded Reason = "Degraded"
	// WritesRefused: there is a primary, but no replica hears it, so that it accepts no writes.
	WritesRefused Reason = "WritesRefused"
	// Forming: the servers start for the first time.
	Forming Reason = "Forming"
	// FailingOver: there is no primary, or not of each shard; Redis or the operator is replacing it.
	FailingOver Reason = "FailingOver"
	// WaitingForData: there is no primary, and servers that may have the newest data are away.
	WaitingForData Reason = "WaitingForData"
	// MajorityLost: so many Sentinels or primaries are away that the others cannot decide.
	MajorityLost Reason = "MajorityLost"
)

// Status is how the servers are.
type Status struct {
	Reason Reason
	// Message says what is missing, in one line; empty if nothing is.
	Message string
	// Serving: clients can write, to every shard.
	Serving bool
	// Changing: the operator brings pods to a new spec or number, or servers to a new certificate.
	Changing bool
	// Primary is the name of the primary; empty if there is none, and in a Cluster.
	Primary string
	// Replicas is how many there should be, InSync how many have all data.
	Replicas, InSync int
	// Shards of a Cluster, by their first slot.
	Shards []Shard
	// Epoch counts fail-overs.
	Epoch int64
	// Quorum: enough Sentinels, or primaries, are there to replace a primary that goes away.
	Quorum bool
	// UsedMemory is of the fullest server in bytes; MaximumMemory is its bound.
	UsedMemory, MaximumMemory int64
	// EvictedKeys is the sum over all servers since they started.
	EvictedKeys int64
	// Lag is how many bytes the last of the replicas is behind.
	Lag int64
	// Version of Redis that all have; of the oldest if they differ.
	Version string
	// FailedOver: the primary is another one than the last plan knew.
	FailedOver bool
}

// Shard is a part of a Cluster.
type Shard struct {
	// Primary is the name of its primary, empty if there is none.
	Primary string
	Slots   int
	// Replicas have all data.
	Replicas []string
}
