package redis

import (
	"crypto/tls"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// ConnectionString is what a connection string says; ParseConnectionString makes one. Zero values stand for what the
// string does not mention. However it is printed, the password does not show.
type ConnectionString struct {
	// Endpoints are one or more: see Servers.Addresses for what they mean.
	Endpoints []Endpoint
	// ServiceName is what Sentinels at the endpoints call the primary; empty means that there are none.
	ServiceName string
	// SentinelUser and SentinelPassword log in at the Sentinels.
	SentinelUser, SentinelPassword string
	// User and Password log in; without a password there is no login.
	User     string
	Password string
	// Database is selected on every connection. Publish/subscribe does not heed it: see ChannelPrefix.
	Database int
	// TLS encrypts. TLSHost is the name that the server's certificate must have, that of its endpoint if empty. TLSMin and TLSMax are
	// versions as crypto/tls numbers them; 0: TLS 1.2 and no upper bound.
	TLS            bool
	TLSHost        string
	TLSMin, TLSMax uint16
	// ClientName shows in Redis's CLIENT LIST.
	ClientName string
	// ChannelPrefix comes before every channel name.
	ChannelPrefix string
	// ConnectTimeout bounds connecting and login.
	ConnectTimeout time.Duration
	// Timeout bounds how long a message waits for Redis to take it.
	Timeout time.Duration
	// KeepAlive is the time between pings.
	KeepAlive time.Duration
	// Anonymous: the library does not tell Redis its name and version.
	Anonymous bool
}

// Endpoint is a host, which may be an IPv6 address without brackets, and its port.
type Endpoint struct {
	Host string
	Port int
}

// String returns host:port, ready to dial.
func (e Endpoint) String() string { return net.JoinHostPort(e.Host, strconv.Itoa(e.Port)) }

// Addresses returns host:port of each endpoint.
func (c ConnectionString) Addresses() []string {
	addresses := make([]string, len(c.Endpoints))
	for i, endpoint := range c.Endpoints {
		addresses[i] = endpoint.String()
	}
	return addresses
}

// Options returns options for New in which what the string says is set.
func (c ConnectionString) Options() Options {
	addresses := c.Addresses()
	options := Options{
		Redis: &goredis.Options{
			Addr:            addresses[0],
			Username:        c.User,
			Password:        c.Password,
			DB:              c.Database,
			TLSConfig:       c.tlsConfig(),
			ClientName:      c.ClientName,
			DialTimeout:     c.ConnectTimeout,
			DisableIdentity: c.Anonymous,
		},
		ChannelPrefix:       c.ChannelPrefix,
		PublishTimeout:      c.Timeout,
		HealthCheckInterval: c.KeepAlive,
	}
	if len(addresses) > 1 || c.ServiceName != "" {
		options.Servers = Servers{
			Addresses: addresses, ServiceName: c.ServiceName,
			SentinelUser: c.SentinelUser, SentinelPassword: c.SentinelPassword,
		}
	}
	return options
}

func (c ConnectionString) tlsConfig() *tls.Config {
	if !c.TLS {
		return nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: c.TLSMax, ServerName: c.TLSHost}
	if c.TLSMin > config.MinVersion {
		config.MinVersion = c.TLSMin
	}
	return config
}

// hidden stands in for a password.
const hidden = "***"

// String returns a connection string of the same meaning with *** for the password. What StackExchange.Redis's form
// cannot hold, such as a comma in a name, is written as a URL.
func (c ConnectionString) String() string {
	settings := c.settings()
	for _, setting := range settings {
		if strings.Contains(setting.value, ",") || strings.TrimSpace(setting.value) != setting.value {
			return c.url(settings)
		}
	}
	parts := c.Addresses()
	for _, setting := range settings {
		parts = append(parts, setting.key+"="+setting.value)
	}
	return strings.Join(parts, ",")
}

// GoString hides the password from %#v.
func (c ConnectionString) GoString() string { return "redis.ConnectionString(" + c.String() + ")" }

// MarshalText hides the password from JSON and from structured logs.
func (c ConnectionString) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

func (c ConnectionString) url(settings []setting) string {
	addresses := c.Addresses()
	result := url.URL{Scheme: "redis", Host: addresses[0]}
	query := url.Values{addressParameter: addresses[1:]}
	for _, setting := range settings {
		if setting.key == "ssl" {
			result.Scheme = "rediss"
		} else {
			query.Set(setting.key, setting.value)
		}
	}
	result.RawQuery = query.Encode()
	return result.String()
}

// setting is a key with its value as a connection string writes them.
type setting struct {
	key   string
	value string
}

// settings returns what differs from the zero value, without the endpoint, the password hidden.
func (c ConnectionString) settings() []setting {
	var settings []setting
	add := func(mentioned bool, key, value string) {
		if mentioned {
			settings = append(settings, setting{key, value})
		}
	}
	add(c.User != "", "user", c.User)
	add(c.Password != "", "password", hidden)
	add(c.ServiceName != "", "serviceName", c.ServiceName)
	add(c.SentinelUser != "", "sentinelUser", c.SentinelUser)
	add(c.SentinelPassword != "", "sentinelPassword", hidden)
	add(c.Database != 0, "defaultDatabase", strconv.Itoa(c.Database))
	add(c.TLS, "ssl", "true")
	add(c.TLSHost != "", "sslHost", c.TLSHost)
	add(c.TLSMin != 0, "sslProtocols", formatTLSVersions(c.TLSMin, c.TLSMax))
	add(c.ClientName != "", "name", c.ClientName)
	add(c.ChannelPrefix != "", "channelPrefix", c.ChannelPrefix)
	add(c.ConnectTimeout != 0, "connectTimeout", formatMilliseconds(c.ConnectTimeout))
	add(c.Timeout != 0, "asyncTimeout", formatMilliseconds(c.Timeout))
	add(c.KeepAlive != 0, "keepAlive", strconv.Itoa(int(c.KeepAlive/time.Second)))
	add(c.Anonymous, "setlib", "false")
	return settings
}

func formatMilliseconds(duration time.Duration) string {
	return strconv.FormatInt(duration.Milliseconds(), 10)
}

func formatTLSVersions(lowest, highest uint16) string {
	switch {
	case lowest == tls.VersionTLS13:
		return "tls13"
	case highest == tls.VersionTLS12:
		return "tls12"
	default:
		return "tls12|tls13"
	}
}
