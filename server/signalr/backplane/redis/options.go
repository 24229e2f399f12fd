package redis

import (
	"log/slog"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Options configure a Backplane. The zero value talks to localhost:6379.
type Options struct {
	// Redis says where Redis is and how to log in: Addr, Username, Password or a credentials provider, DB, TLSConfig,
	// ClientName, Dialer, DialTimeout (default 5 s, covers login too), OnConnect, DisableIdentity. The rest is
	// overwritten: this package has one connection to publish and one to subscribe, RESP2, and never lets the client
	// repeat a command. Nil: localhost:6379. The value is copied.
	Redis *goredis.Options
	// Servers says where Redis is if it is more than one server. Default: the one at Redis.Addr.
	Servers Servers
	// TLSFiles are certificates for TLS. Default: those of the system, and none of our own.
	TLSFiles TLSFiles
	// ChannelPrefix comes before every channel name, without a separator, like StackExchange.Redis's ChannelPrefix.
	// Servers with different prefixes do not hear each other. Default: none.
	ChannelPrefix string
	// Mode is how messages go through Redis. Default ModePubSub.
	Mode Mode
	// LocalFallback is for a server that is alone: while Redis is away, messages are delivered to its own clients without
	// it. Not with ModeStreams.
	LocalFallback bool
	// StreamLength is about how many messages a hub's stream keeps, StreamAge for how long; for ModeStreams. A server that
	// is away for longer misses messages, and says so. Defaults 100,000 and 10 minutes.
	StreamLength int64
	StreamAge    time.Duration
	// StreamSafety says when a message that Redis has accepted need not be kept any more. Default SafetyAuto.
	StreamSafety Safety
	// WaitTimeout bounds how long a call waits in ModeStreams until Redis has taken its message; while Redis is away it
	// waits for its return. Default 15 s.
	WaitTimeout time.Duration
	// Logger gets a line when the connection to Redis is made or lost, and a rare one about payloads that cannot be
	// read. Default: nothing is logged.
	Logger *slog.Logger
	// PublishTimeout bounds how long a call waits until Redis has taken its message. Default 5 s. In ModeStreams it bounds
	// one exchange with Redis.
	PublishTimeout time.Duration
	// SubscribeTimeout bounds how long Subscribe waits for Redis to confirm; while Redis is away it waits for its
	// return. Default 10 s.
	SubscribeTimeout time.Duration
	// AcknowledgeTimeout bounds how long adding or removing a connection of another server waits for that server,
	// and so how long the call takes for a connection that nobody has. Default 30 s, as in ASP.NET Core.
	AcknowledgeTimeout time.Duration
	// HealthCheckInterval is the time between pings on an idle connection. A Redis that has sent nothing for two
	// intervals and a quarter counts as gone. Default 4 s.
	HealthCheckInterval time.Duration
	// ServerInfoInterval is the time between two questions to Redis how it is, asked only for Observer.ServersSeen.
	// Default 15 s.
	ServerInfoInterval time.Duration
	// Observer is told what happens, for metrics.
	Observer Observer
}

// Observer holds functions that the Backplane calls, any of which may be nil. They are called concurrently and on
// the path of every message, some with locks held: they must return at once and must not call the Backplane.
type Observer struct {
	// Published: Redis took a message.
	Published func()
	// PublishFailed: a message was not taken, or nobody knows whether it was.
	PublishFailed func()
	// Received: a message of so many bytes came from a channel.
	Received func(bytes int)
	// StateChanged is called with each new state, in order. A State with Connected set and a Generation greater than
	// 1 is a reconnection: what others published in between was missed.
	StateChanged func(State)
	// Transit: a message of another server of this kind, or of this one, came so long after it was published. It compares
	// the clocks of two machines and may be negative.
	Transit func(time.Duration)
	// Lagging is called in ModeStreams with the number of messages that are still to be read, whenever a reader catches up.
	Lagging func(messages uint64)
	// Missed: so many messages were gone from a stream before they were read.
	Missed func(messages uint64)
	// Repeated: a message came a second time and was dropped.
	Repeated func()
	// SubscriptionsChanged is called with the number of channels that are subscribed or about to be.
	SubscriptionsChanged func(channels int)
	// ServersSeen is called at every ServerInfoInterval with those primaries that told how they are: none while Redis is
	// away, or if the user lacks the permission (+info). If it is nil, they are not asked.
	ServersSeen func([]ServerInfo)
}

const defaultHealthCheck = 4 * time.Second

// The limits of what one process holds for Redis. They bound memory when Redis is slow, not what an application sends
// in normal operation.
const (
	// maxQueuedBytes of publications wait for Redis; further calls wait for room.
	maxQueuedBytes = 16 << 20
	// publicationOverhead is counted for each publication beside its bytes, which bounds their number too.
	publicationOverhead = 256
	// maxBatch and maxBatchBytes bound one pipeline, so that one round trip fits into PublishTimeout.
	maxBatch      = 1024
	maxBatchBytes = 1 << 20
	// maxSubscribeBatch and maxSubscribeBytes bound one SUBSCRIBE command, during which Redis serves nobody else.
	maxSubscribeBatch = 1000
	maxSubscribeBytes = 256 << 10
	// maxGroupCommands of other servers are under way here at once; more are dropped and time out at their senders.
	maxGroupCommands = 4096
)

// The pauses between attempts to connect.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = time.Second
)

func (o Options) withDefaults() Options {
	if o.Redis == nil {
		o.Redis = &goredis.Options{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Mode == "" {
		o.Mode = ModePubSub
	}
	if o.StreamSafety == "" {
		o.StreamSafety = SafetyAuto
	}
	o.StreamLength = positiveOr(o.StreamLength, 100_000)
	o.StreamAge = positiveOr(o.StreamAge, 10*time.Minute)
	o.WaitTimeout = positiveOr(o.WaitTimeout, 15*time.Second)
	o.PublishTimeout = positiveOr(o.PublishTimeout, 5*time.Second)
	o.SubscribeTimeout = positiveOr(o.SubscribeTimeout, 10*time.Second)
	o.AcknowledgeTimeout = positiveOr(o.AcknowledgeTimeout, 30*time.Second)
	o.HealthCheckInterval = positiveOr(o.HealthCheckInterval, defaultHealthCheck)
	o.ServerInfoInterval = positiveOr(o.ServerInfoInterval, 15*time.Second)
	o.Observer = o.Observer.withDefaults()
	return o
}

func positiveOr[T ~int64](value, fallback T) T {
	if value > 0 {
		return value
	}
	return fallback
}

func (o Observer) withDefaults() Observer {
	if o.Published == nil {
		o.Published = func() {}
	}
	if o.PublishFailed == nil {
		o.PublishFailed = func() {}
	}
	if o.Received == nil {
		o.Received = func(int) {}
	}
	if o.StateChanged == nil {
		o.StateChanged = func(State) {}
	}
	if o.Transit == nil {
		o.Transit = func(time.Duration) {}
	}
	if o.Lagging == nil {
		o.Lagging = func(uint64) {}
	}
	if o.Missed == nil {
		o.Missed = func(uint64) {}
	}
	if o.Repeated == nil {
		o.Repeated = func() {}
	}
	if o.SubscriptionsChanged == nil {
		o.SubscriptionsChanged = func(int) {}
	}
	return o
}
