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
	// ShutdownTimeout bounds how long a server that was told to end waits for its clients.
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
	// MaximumNegotiationsPerMinute is how many connections one address may begin; 0 is any number.
	MaximumNegotiationsPerMinute int

	// RedisConnection is a connection string of StackExchange.Redis or a redis:// URL; empty means a server alone.
	RedisConnection    string
	RedisChannelPrefix string
	// RedisDefaultDatabase is nil for the one that the connection string names.
	RedisDefaultDatabase *int
	// ClusterKey proves the connection tokens of all servers; empty means that they agree on one through Redis.
	ClusterKey string

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
	keys = append(keys, c.redisKeys()...)
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
		{
			Name: "MaximumNegotiationsPerMinute", Group: group, Default: "0", Value: Count(&c.MaximumNegotiationsPerMinute, 0, 1_000_000),
			Description: "How many connections one client address may begin; 0 is any number. Behind a proxy set TrustedProxies, or all clients are one.",
		},
	}
}

func (c *Config) redisKeys() []Key {
	const group = "Redis"
	return []Key{
		{
			Name: "RedisConnection", Group: group, Value: redisConnection(&c.RedisConnection), Mask: maskConnection,
			Variables: []string{"REDIS_CONNECTION", "RedisConnection", "ConnectionStrings__Redis"},
			Aliases:   []string{"ConnectionStrings:Redis", "ConnectionStrings:RedisConnection"},
			Description: "Redis that connects this server with others: redis:6379,password=...,ssl=true as for StackExchange.Redis, " +
				"or a redis:// or rediss:// URL. Without it the server stands alone.",
		},
		{
			Name: "RedisChannelPrefix", Group: group, Value: Text(&c.RedisChannelPrefix, nil),
			Variables:   []string{"REDIS_CHANNEL_PREFIX", "RedisChannelPrefix"},
			Description: "Put before every channel name, so that several applications can share one Redis. It wins over channelPrefix in the connection string.",
		},
		{
			Name: "RedisDefaultDatabase", Group: group, Value: database(&c.RedisDefaultDatabase),
			Variables:   []string{"REDIS_DEFAULT_DATABASE", "RedisDefaultDatabase"},
			Description: "Database for what is stored; channels know no databases. It wins over defaultDatabase in the connection string.",
		},
		{
			Name: "ClusterKey", Group: group, Value: clusterKey(&c.ClusterKey), Secret: true,
			Description: "Secret of 32 bytes or more that all servers of a cluster share. Without it the first server puts one into Redis, where the others find it.",
		},
	}
}

func (c *Config) operationKeys() []Key {
	const group = "Operation"
	return []Key{
		{
			Name: "MetricsAddress", Group: group, Value: HostPort(&c.MetricsAddress),
			Description: "host:port on which Prometheus finds /metrics. Not served unless set.",
		},
		{
			Name: "ShutdownTimeout", Group: group, Default: "20s", Value: Duration(&c.ShutdownTimeout, shortest, day),
			Variables:   []string{"ShutdownTimeout"},
			Description: "How long a server that was told to end may take to say goodbye to its clients.",
		},
		{
			Name: "LogLevel", Group: group, Default: "info", Value: level(&c.LogLevel),
			Aliases:     []string{"Logging:LogLevel:Default"},
			Description: "Least severe level that is logged. The names of .NET are understood too.",
		},
		{
			Name: "LogFormat", Group: group, Default: "text", Value: Choice(&c.LogFormat, "text", "json"),
			Description: "How log lines are written, to standard error.",
		},
	}
}
