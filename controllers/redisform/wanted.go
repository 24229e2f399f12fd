package redisform

import "time"

// Wanted is what the servers should be.
type Wanted struct {
	Form Form
	// Name is what the Sentinels call the primary.
	Name string
	// Quorum is how many Sentinels must agree that the primary is away.
	Quorum int
	// Shards is how many primaries a Cluster has. It cannot be changed once the Cluster has formed.
	Shards int
	// Persistent: servers keep their data on a volume. Then one that is away may be the only one that has them, and is
	// waited for without an end; otherwise for Patience.
	Persistent bool
	// Settings are directives that can be changed while Redis runs, in the words of CONFIG GET.
	Settings map[string]string
	// Passwords are the digests of those that each user should be able to log in with.
	Passwords map[string][]string
	// InternalPassword is the digest of the one that servers and Sentinels use among themselves.
	InternalPassword string
	// Certificate is the digest of the one that servers should show; empty without TLS.
	Certificate string
	// AcceptLoss: go on with what is there, though a server that is away may have more. Only a person can know that.
	AcceptLoss bool
	// Timing is how quickly things are decided.
	Timing Timing
}

// Timing is how quickly things are decided. Zero fields have their defaults.
type Timing struct {
	// DownAfter is for how long a primary must not answer. Default: 5 seconds.
	DownAfter time.Duration
	// FailoverTimeout is when a fail-over that got stuck is tried anew. Default: 30 seconds.
	FailoverTimeout time.Duration
	// Patience is how long servers that are away are waited for before the others go on without them, and how long
	// Redis has to help itself. Default: a minute.
	Patience time.Duration
}

// The defaults of Timing, and how soon to look again.
const (
	DefaultDownAfter       = 5 * time.Second
	DefaultFailoverTimeout = 30 * time.Second
	DefaultPatience        = time.Minute
)

func (t Timing) withDefaults() Timing {
	if t.DownAfter == 0 {
		t.DownAfter = DefaultDownAfter
	}
	if t.FailoverTimeout == 0 {
		t.FailoverTimeout = DefaultFailoverTimeout
	}
	if t.Patience == 0 {
		t.Patience = DefaultPatience
	}
	return t
}

// Memory is what must be remembered from one plan to the next. Nothing is lost if it is, but decisions take longer.
type Memory struct {
	// Formed: the servers were one once; they are not formed anew but repaired.
	Formed bool `json:"formed,omitempty"`
	// Primary is the name of the last primary that the Sentinels agreed on.
	Primary string `json:"primary,omitempty"`
	// Epoch is that of the last agreement.
	Epoch int64 `json:"epoch,omitempty"`
	// InSync are the names of the replicas that had all data when the primary was last seen.
	InSync []string `json:"inSync,omitempty"`
	// HadData: the servers have stored something since they formed.
	HadData bool `json:"hadData,omitempty"`
	// Waits are since when plans have waited without a break for what only time resolves, by its cause.
	Waits map[string]time.Time `json:"waits,omitempty"`
}
