package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// Config is what every hub server can be told. Default fills it; its zero value is not useful.
type Config struct {
	// URLs are the addresses of the hubs and of the health checks.
	URLs []Address
	// PathBase is taken off the front of a request's path if it is there, as UsePathBase of ASP.NET Core does.
	PathBase string
	// TLSCertificateFile and TLSKeyFile are PEM files, read again when they change; both or neither are set.
	TLSCertificateFile, TLSKeyFile string
	// TrustedProxies are the networks whose X-Forwarded-* headers are believed.
	TrustedProxies []netip.Prefix
	// CORSOrigins are the web origins that may use the hubs.
	CORSOrigins []string
	// MetricsAddress is host:port of the metrics; empty means none.
	MetricsAddress string
	// DrainDelay is how long a server that drains, and is not ready any more, goes on as before.
	DrainDelay time.Duration
	// DrainPeriod is how long it then takes to send clients that begin anew elsewhere, one after another; 0 is all at once.
	DrainPeriod time.Duration
	// DrainRate is how many clients that go on elsewhere are sent away per second and server that takes them.
	DrainRate int
	// RebalanceRate is how many clients per second a server with more than its share sends to others; 0 is none.
	RebalanceRate int
	// ShutdownTimeout bounds how long a server that was told to end takes, all in all.
	ShutdownTimeout time.Duration

	// The options of hubs and their connections, as ASP.NET Core SignalR names them.
	EnableDetailedErrors                bool
	HandshakeTimeout                    time.Duration
	KeepAliveInterval                   time.Duration
	ClientTimeoutInterval               time.Duration
	MaximumReceiveMessageSize           int64
	MaximumParallelInvocationsPerClient int
	StreamBufferCapacity                int
	// Transports are some of WebSockets, ServerSentEvents and LongPolling.
	Transports                  []string
	TransportSendTimeout        time.Duration
	LongPollingPollTimeout      time.Duration
	AllowStatefulReconnects     bool
	StatefulReconnectBufferSize int64
	// OutboundBufferSize is how many bytes may wait for one slow client.
	OutboundBufferSize int64

	// The limits of what clients may do; 0 is no limit.
	// MaximumConnections is how many connections the server has at most.
	MaximumConnections int
	// MaximumNegotiationsPerMinute is how many connections one address may begin.
	MaximumNegotiationsPerMinute int
	// MaximumMessagesPerSecond is what one client may send on average, MessageBurst how many messages at once; 0 is what
	// the average allows in 15 s.
	MaximumMessagesPerSecond int
	MessageBurst             int
	// MaximumStreamsPerClient is never 0.
	MaximumStreamsPerClient int

	// JWTKey is a secret for HS256 or public keys in PEM; empty means that nobody's tokens are looked at.
	JWTKey string
	// JWTKeyFile is the file that JWTKey was read from, to be read again when it changes; it may be empty.
	JWTKeyFile string
	// RequireAuthentication is nil for the default: true if there is a JWTKey.
	RequireAuthentication *bool
	// JWTIssuer and JWTAudiences are what tokens must say; empty means anything.
	JWTIssuer    string
	JWTAudiences []string
	// JWTUserClaim is the claim that every token must have and that names the user; empty is what usually does.
	JWTUserClaim string
	JWTClockSkew time.Duration

	// RedisConnection is a connection string of StackExchange.Redis or a redis:// URL; empty means a server alone.
	RedisConnection string
	// RedisPassword replaces the password of RedisConnection unless it is empty.
	RedisPassword      string
	RedisChannelPrefix string
	// RedisDefaultDatabase is nil for the one that the connection string names.
	RedisDefaultDatabase *int
	// Backplane is for a server with Redis.
	Backplane Backplane
	// RedisTLSCAFile, RedisTLSCertificateFile and RedisTLSKeyFile are PEM files for the connections to Redis, read for each
	// of them.
	RedisTLSCAFile, RedisTLSCertificateFile, RedisTLSKeyFile string
	// ClusterKey proves the connection tokens of all servers; empty means that they agree on one through Redis.
	ClusterKey string
	// ClusterKeyPrevious is a key whose tokens are accepted too, while ClusterKey is exchanged.
	ClusterKeyPrevious string
	// The files that the secrets above were read from, to be read again when they change; any may be empty.
	RedisConnectionFile, RedisPasswordFile, ClusterKeyFile, ClusterKeyPreviousFile string
	// PeerAddress is host:port where other servers reach this one; empty means one that follows from PodIP and Redis.
	PeerAddress string
	// PodIP is the address of the pod that the server runs in; empty outside of Kubernetes.
	PodIP string

	LogLevel slog.Level
	// LogFormat is text or json.
	LogFormat string
}

// Default returns the configuration of a server that was told nothing.
func Default() Config {
	var result Config
	for _, key := range result.Keys() {
		if err := setDefault(key); err != nil {
			panic(err) // a mistake in the table below, which the tests find
		}
	}
	return result
}

// The names of the transports, as ASP.NET Core has them.
const (
	WebSockets       = "WebSockets"
	ServerSentEvents = "ServerSentEvents"
	LongPolling      = "LongPolling"
)

// The bounds of values: a timeout beyond a day or a buffer beyond a gigabyte is a slip of the pen.
const (
	shortest = time.Second / 10
	day      = 24 * time.Hour
	gigabyte = 1 << 30
)

// Keys returns the table of all keys, whose values are kept in c.
func (c *Config) Keys() []Key {
	keys := c.listenKeys()
	keys = append(keys, c.hubKeys()...)
	keys = append(keys, c.connectionKeys()...)
	keys = append(keys, c.limitKeys()...)
	keys = append(keys, c.authenticationKeys()...)
	keys = append(keys, c.redisKeys()...)
	keys = append(keys, c.backplaneKeys()...)
	keys = append(keys, c.redisTLSKeys()...)
	keys = append(keys, c.clusterKeys()...)
	return append(keys, c.operationKeys()...)
}

func (c *Config) listenKeys() []Key {
	const group = "Listening"
	return []Key{
		{
			Name: "Urls", Group: group, Default: "http://localhost:5000", Value: Addresses(&c.URLs),
			Variables:   []string{"ASPNETCORE_URLS", "URLS"},
			Description: "Addresses of the hubs, separated by semicolons. localhost is both 127.0.0.1 and ::1, * is all addresses, port 0 is a free one.",
		},
		{
			Name: "PathBase", Group: group, Value: Path(&c.PathBase),
			Description: "Path that everything is also served under, for a proxy that does not take it off.",
		},
		{
			Name: "TlsCertificateFile", Group: group, Value: File(&c.TLSCertificateFile),
			Variables:   []string{"Kestrel__Certificates__Default__Path"},
			Aliases:     []string{"Kestrel:Certificates:Default:Path"},
			Description: "PEM file with the certificate chain for https addresses. It is read again when it changes.",
		},
		{
			Name: "TlsKeyFile", Group: group, Value: File(&c.TLSKeyFile),
			Variables:   []string{"Kestrel__Certificates__Default__KeyPath"},
			Aliases:     []string{"Kestrel:Certificates:Default:KeyPath"},
			Description: "PEM file with the private key of the certificate.",
		},
		{
			Name: "CorsOrigins", Group: group, Default: "http://localhost:4200", Value: Origins(&c.CORSOrigins),
			Variables: []string{"CORS_ORIGINS", "CorsOrigins"}, Aliases: []string{"Cors:AllowedOrigins", "AllowedOrigins"},
			Description: "Web origins whose pages may use the hubs, with credentials. Explicit ones only; the server's own is always allowed.",
		},
		{
			Name: "TrustedProxies", Group: group, Value: Networks(&c.TrustedProxies),
			Description: "Addresses and networks of proxies whose X-Forwarded-For, -Proto, -Host and -Prefix are believed. Nobody else's are.",
		},
	}
}

func (c *Config) hubKeys() []Key {
	const group = "Hubs"
	return []Key{
		{
			Name: "EnableDetailedErrors", Group: group, Default: textFalse, Value: Switch(&c.EnableDetailedErrors),
			Variables:   []string{"EnableDetailedErrors"},
			Description: "Send the text of errors in hub methods to clients. It may tell them more than they should know.",
		},
		{
			Name: "HandshakeTimeout", Group: group, Default: "15s", Value: Duration(&c.HandshakeTimeout, shortest, day),
			Variables:   []string{"HandshakeTimeout"},
			Description: "How long a new connection may take to send its handshake.",
		},
		{
			Name: "KeepAliveInterval", Group: group, Default: "15s", Value: Duration(&c.KeepAliveInterval, shortest, day),
			Variables:   []string{"KeepAliveInterval"},
			Description: "How often clients are pinged. They give up after 30 s of silence unless told otherwise.",
		},
		{
			Name: "ClientTimeoutInterval", Group: group, Default: "30s", Value: Duration(&c.ClientTimeoutInterval, shortest, day),
			Variables:   []string{"ClientTimeoutInterval"},
			Description: "How long a client that pings may be silent before it is given up: twice its own ping interval.",
		},
		{
			Name: "MaximumReceiveMessageSize", Group: group, Default: "32KiB", Value: Size(&c.MaximumReceiveMessageSize, 64, gigabyte),
			Variables:   []string{"MaximumReceiveMessageSize"},
			Description: "Largest message that a client may send. A larger one ends its connection.",
		},
		{
			Name: "MaximumParallelInvocationsPerClient", Group: group, Default: "1",
			Value:       Count(&c.MaximumParallelInvocationsPerClient, 1, 1000),
			Variables:   []string{"MaximumParallelInvocationsPerClient"},
			Description: "How many hub methods one client may have running. With 1 they run in the order of their calls.",
		},
		{
			Name: "StreamBufferCapacity", Group: group, Default: "10", Value: Count(&c.StreamBufferCapacity, 1, 100_000),
			Variables:   []string{"StreamBufferCapacity"},
			Description: "How many items of a client's stream may wait for the hub method that reads it.",
		},
	}
}

func (c *Config) connectionKeys() []Key {
	const group = "Connections"
	return []Key{
		{
			Name: "Transports", Group: group, Default: "WebSockets,ServerSentEvents,LongPolling",
			Value:       Choices(&c.Transports, WebSockets, ServerSentEvents, LongPolling).As("transports"),
			Variables:   []string{"Transports"},
			Description: "Transports that clients may use.",
		},
		{
			Name: "TransportSendTimeout", Group: group, Default: "10s", Value: Duration(&c.TransportSendTimeout, shortest, day),
			Variables:   []string{"TransportSendTimeout"},
			Description: "How long a client may take nothing of what is sent to it before it is dropped.",
		},
		{
			Name: "OutboundBufferSize", Group: group, Default: "1MiB", Value: Size(&c.OutboundBufferSize, 4096, gigabyte),
			Description: "How many bytes may wait for one client that reads slowly. A connection has no more memory than it needs.",
		},
		{
			Name: "LongPollingPollTimeout", Group: group, Default: "90s", Value: Duration(&c.LongPollingPollTimeout, shortest, day),
			Variables:   []string{"LongPollingPollTimeout"},
			Description: "How long a poll waits for messages. Less than the idle timeout of proxies in between.",
		},
		{
			Name: "AllowStatefulReconnects", Group: group, Default: textTrue, Value: Switch(&c.AllowStatefulReconnects),
			Variables:   []string{"AllowStatefulReconnects"},
			Description: "Let clients that ask for it go on after a lost socket without losing a message.",
		},
		{
			Name: "StatefulReconnectBufferSize", Group: group, Default: "100000",
			Value:       Size(&c.StatefulReconnectBufferSize, 1024, gigabyte),
			Variables:   []string{"StatefulReconnectBufferSize"},
			Description: "How many bytes are kept for such a client until it has acknowledged them.",
		},
	}
}
