package redisform

import (
	"net"
	"strconv"
	"time"
)

// Form is how several Redis servers are one.
type Form string

// The forms that are kept here.
const (
	// Sentinel is one primary with replicas, watched by Sentinels.
	Sentinel Form = "Sentinel"
	// Cluster is shards, each a primary with replicas, that watch each other.
	Cluster Form = "Cluster"
)

// Kind is what a Member runs.
type Kind string

// The kinds of members.
const (
	// ServerKind is a redis-server.
	ServerKind Kind = "server"
	// SentinelKind is a redis-sentinel.
	SentinelKind Kind = "sentinel"
)

// Member is a pod that runs Redis or a Sentinel, or that should. It is what the caller knows without asking Redis.
type Member struct {
	// Name is the name of the pod. Its number says which members stay when there are fewer.
	Name string
	Kind Kind
	// Ordinal is the number in the name.
	Ordinal int
	// Host is the name under which the others know it; it stays the same when the pod is replaced.
	Host string
	Port int
	// Address is where the operator reaches it, host:port. Empty: it has no address now.
	Address string
	// Machine is the node of Kubernetes on which it runs; empty if that is not known.
	Machine string
	// IP and BusPort are where other nodes of a Cluster reach it. BusPort 0 is Port + 10000.
	IP      string
	BusPort int
	// Wanted: it belongs to the form. Others are to go.
	Wanted bool
	// Outdated: its pod is not as it should be and must be replaced for that.
	Outdated bool
	// Failing: Kubernetes says that its containers do not start, or are not ready.
	Failing bool
	// Ending: its pod has been told to end.
	Ending bool
}

// Endpoint is host:port, as all members know it.
func (m Member) Endpoint() string { return net.JoinHostPort(m.Host, strconv.Itoa(m.Port)) }

// Facts are what was seen at one time. Every member is among them, whether it answered or not.
type Facts struct {
	Servers   []Server
	Sentinels []Observer
}

// Answer is what all members have in common once they were asked.
type Answer struct {
	// Reached: it answered all questions. If not, nothing else is known of it but Loading, Refused and Problem.
	Reached bool
	// Loading: it reads its data from its volume and will answer.
	Loading bool
	// Refused: it takes none of the passwords that may be good.
	Refused bool
	// Problem is why it was not reached, without any secret.
	Problem string
	// RunID changes with each start of the process.
	RunID string
	// Version is that of Redis.
	Version string
	// Passwords are the digests of the passwords that each user may log in with.
	Passwords map[string][]string
	// InternalPassword is the digest of the one that it uses towards others; empty if that is not known.
	InternalPassword string
	// Certificate is the digest of the certificate that it shows; empty without TLS.
	Certificate string
}

// Server is a Redis server as it was seen.
type Server struct {
	Member
	Answer

	// Primary: it accepts writes. Otherwise it is a replica of Follows.
	Primary bool
	// Follows is the server that it replicates, as Endpoint gives it.
	Follows string
	// LinkUp: it is connected with that server and has all of its data. Syncing: it is about to get it.
	LinkUp, Syncing bool
	// History names the line of replication; offsets compare only under the same one.
	History string
	// Offset is how much of the History it has.
	Offset int64
	// Keys is how many it stores.
	Keys int64
	// Priority is what Sentinels look at when they choose; 0 is never. Known of replicas only.
	Priority int
	// Replicas are those connected with it, if it is a primary. RefusesWrites: it hears too few of them, and accepts no writes.
	Replicas      int
	RefusesWrites bool

	// Settings are those directives of Wanted.Settings that it has, as it writes them.
	Settings map[string]string
	// Memory in bytes; MaximumMemory 0 is no bound.
	UsedMemory, MaximumMemory int64
	// EvictedKeys is since its start.
	EvictedKeys int64
	// Node is what it knows of its Cluster; nil in other forms.
	Node *Node
}

// Observer is a Sentinel as it was seen.
type Observer struct {
	Member
	Answer

	// ID is what other Sentinels know it by.
	ID string
	// Monitors are the primaries that it watches.
	Monitors []Monitor
}

// Monitor is what a Sentinel knows of a primary that it watches.
type Monitor struct {
	// Name is that of the primary; Primary is where it is, as Endpoint gives it.
	Name, Primary string
	// Epoch counts the fail-overs; the view with the highest one is the newest.
	Epoch int64
	// Quorum is how many Sentinels must agree that the primary is away.
	Quorum int
	// Down: this Sentinel takes the primary for away. FailingOver: it replaces it just now.
	Down, FailingOver          bool
	DownAfter, FailoverTimeout time.Duration
	Replicas                   []KnownReplica
	Others                     []KnownSentinel
}

// KnownReplica is a replica as a Sentinel knows it.
type KnownReplica struct {
	Endpoint string
	// RunID is that of the process it has last heard of.
	RunID string
	// Priority is the last that the Sentinel has heard of.
	Priority int
	// Electable: it could be chosen now but for its priority. Behind: not, since it has had no link to its primary for long.
	Electable, Behind bool
}

// KnownSentinel is a Sentinel as another one knows it.
type KnownSentinel struct {
	ID, Endpoint string
}

// Node is a server's own view of its Cluster.
type Node struct {
	// ID stays the same as long as the volume does.
	ID string
	// Healthy: it takes the Cluster for complete.
	Healthy bool
	// Epoch is the newest that it has heard of.
	Epoch int64
	// Table has every node that it knows, itself included.
	Table []Peer
}

// Peer is a node of a Cluster as another one, or it itself, knows it.
type Peer struct {
	ID string
	// Host is the announced name, empty if it is not known. IP and Port are where it is thought to be.
	Host, IP string
	Port     int
	// Primary is the ID of the one that it replicates; empty for a primary.
	Primary string
	// Connected: there is a link to it.
	Connected bool
	// Handshake: they do not know each other yet. Suspected: it does not answer. Failed: most primaries agree on that.
	Handshake, Suspected, Failed bool
	// Epoch decides who owns slots that two claim.
	Epoch int64
	Slots []SlotRange
}

// SlotRange is from First to Last, both included.
type SlotRange struct{ First, Last int }

// Slots is how many there are in a Cluster.
const Slots = 16384
