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
	// Logger gets a line when the connection to Redis is made or lost, and a rare one about payloads that cannot be
	// read. Default: nothing is logged.
	Logger *slog.Logger
	// PublishTimeout bounds how long a call waits until Redis has taken its message. Default 5 s.
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
	// SubscriptionsChanged is called with the number of channels that are subscribed or about to be.
	SubscriptionsChanged func(channels int)
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
	lastRetry  = 3 * time.Second
)

func (o Options) withDefaults() Options {
	if o.Redis == nil {
		o.Redis = &goredis.Options{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.PublishTimeout = positiveOr(o.PublishTimeout, 5*time.Second)
	o.SubscribeTimeout = positiveOr(o.SubscribeTimeout, 10*time.Second)
	o.AcknowledgeTimeout = positiveOr(o.AcknowledgeTimeout, 30*time.Second)
	o.HealthCheckInterval = positiveOr(o.HealthCheckInterval, defaultHealthCheck)
	o.Observer = o.Observer.withDefaults()
	return o
}

func positiveOr(value, fallback time.Duration) time.Duration {
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
	if o.SubscriptionsChanged == nil {
		o.SubscriptionsChanged = func(int) {}
	}
	return o
}
