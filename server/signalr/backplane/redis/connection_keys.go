package redis

import (
	"crypto/tls"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// connectionKey is a key of StackExchange.Redis's connection strings.
type connectionKey struct {
	name string
	// allowed describes the values that set takes.
	allowed string
	// set applies a value, and reports false for one that is not allowed.
	set func(c *ConnectionString, value string) bool
	// secret values are never printed.
	secret bool
}

// connectionKeys are all keys that StackExchange.Redis knows. None is skipped in silence: it is honoured, or it is
// checked and makes no difference here, or it is refused when it asks for what is not done here.
//
// These make no difference, and why: allowAdmin, version, defaults (a backplane administers nothing and asks each server
// what it is); configChannel, configCheckSeconds, topologyRefreshSeconds (the servers are asked at every keepAlive);
// tiebreaker (of several primaries the first in the string counts); resolveDns (a name is looked up for each connection);
// connectRetry (connecting is tried for ever, with growing pauses); protocol (publish/subscribe is the same in both); responseTimeout,
// writeBuffer, highPriorityThreads, preserveAsyncOrder (StackExchange.Redis ignores them too); tcpKeepAlive (pings do
// that); the maint... keys (a moved server is found by reconnecting).
var connectionKeys = []connectionKey{ //nolint:gochecknoglobals // a table, never changed
	{name: "user", allowed: "any text", set: text(func(c *ConnectionString) *string { return &c.User })},
	{name: "password", allowed: "any text", secret: true, set: text(func(c *ConnectionString) *string { return &c.Password })},
	{name: "channelPrefix", allowed: "any text", set: text(func(c *ConnectionString) *string { return &c.ChannelPrefix })},
	{name: "serviceName", allowed: "any text", set: text(func(c *ConnectionString) *string { return &c.ServiceName })},
	{name: "sentinelUser", allowed: "any text", set: text(func(c *ConnectionString) *string { return &c.SentinelUser })},
	{name: "sentinelPassword", allowed: "any text", secret: true, set: text(func(c *ConnectionString) *string { return &c.SentinelPassword })},
	{name: "sslHost", allowed: "a host name", set: setTLSHost},
	{name: "name", allowed: "letters, digits and punctuation, no spaces", set: setClientName},
	{name: "defaultDatabase", allowed: "a whole number from 0", set: setDatabase},
	{name: "ssl", allowed: booleans, set: boolean(func(c *ConnectionString, value bool) { c.TLS = value })},
	{name: "sslProtocols", allowed: "tls12, tls13 or tls12|tls13", set: setTLSVersions},
	{name: "setlib", allowed: booleans, set: boolean(func(c *ConnectionString, value bool) { c.Anonymous = !value })},
	{name: "connectTimeout", allowed: milliseconds, set: setConnectTimeout},
	// Publishing is asynchronous in the reference: syncTimeout counts where asyncTimeout is not given, see settle.
	{name: "asyncTimeout", allowed: milliseconds, set: setTimeout},
	{name: "syncTimeout", allowed: milliseconds, set: setTimeout},
	{name: "keepAlive", allowed: "a whole number of seconds", set: setKeepAlive},

	{name: "abortConnect", allowed: "false (a server starts without Redis, and is ready once Redis is there)", set: onlyFalse},
	{name: "checkCertificateRevocation", allowed: "false (revocation lists are not checked)", set: onlyFalse},
	{name: "highIntegrity", allowed: "false", set: onlyFalse},
	{name: "proxy", allowed: "None", set: only("none")},
	{name: "tunnel", allowed: "nothing (tunnels are not supported)", set: only("")},
	{name: "allowAdmin", allowed: booleans, set: boolean(nil)},
	{name: "resolveDns", allowed: booleans, set: boolean(nil)},
	{name: "tcpKeepAlive", allowed: booleans, set: boolean(nil)},
	{name: "preserveAsyncOrder", allowed: booleans, set: boolean(nil)},
	{name: "highPriorityThreads", allowed: booleans, set: boolean(nil)},
	{name: "connectRetry", allowed: wholeNumber, set: number},
	{name: "configCheckSeconds", allowed: wholeNumber, set: number},
	{name: "topologyRefreshSeconds", allowed: wholeNumber, set: number},
	{name: "responseTimeout", allowed: wholeNumber, set: number},
	{name: "writeBuffer", allowed: wholeNumber, set: number},
	{name: "maintRelaxedTimeout", allowed: wholeNumber, set: number},
	{name: "maintRelaxedWindowMax", allowed: wholeNumber, set: number},
	{name: "maintPostEventRelaxed", allowed: wholeNumber, set: number},
	{name: "maintNotifications", allowed: "any text", set: anything},
	{name: "configChannel", allowed: "any text", set: anything},
	{name: "tiebreaker", allowed: "any text", set: anything},
	{name: "version", allowed: "any text", set: anything},
	{name: "defaults", allowed: "any text", set: anything},
	{name: "protocol", allowed: "resp2 or resp3", set: only("resp2", "resp3", "2", "3")},
}

const (
	booleans     = "true or false"
	milliseconds = "a whole number of milliseconds from 1"
	wholeNumber  = "a whole number"
)

// findKey ignores case, as StackExchange.Redis does.
func findKey(name string) (connectionKey, bool) {
	for _, key := range connectionKeys {
		if strings.EqualFold(key.name, name) {
			return key, true
		}
	}
	return connectionKey{}, false
}

// apply sets key to value, or says in one line what is wrong.
func (k connectionKey) apply(c *ConnectionString, value string) error {
	if k.set(c, value) {
		return nil
	}
	if k.secret {
		value = hidden
	}
	return fmt.Errorf("%s=%q: allowed is %s", k.name, value, k.allowed)
}

func text(field func(*ConnectionString) *string) func(*ConnectionString, string) bool {
	return func(c *ConnectionString, value string) bool {
		*field(c) = value
		return true
	}
}

// boolean takes what StackExchange.Redis takes.
func boolean(set func(*ConnectionString, bool)) func(*ConnectionString, string) bool {
	return func(c *ConnectionString, value string) bool {
		parsed, ok := parseBoolean(value)
		if ok && set != nil {
			set(c, parsed)
		}
		return ok
	}
}

func parseBoolean(value string) (parsed, ok bool) {
	switch strings.ToLower(value) {
	case "true", "yes", "on", "1":
		return true, true
	case "false", "no", "off", "0":
		return false, true
	default:
		return false, false
	}
}

func onlyFalse(_ *ConnectionString, value string) bool {
	parsed, ok := parseBoolean(value)
	return ok && !parsed
}

func only(values ...string) func(*ConnectionString, string) bool {
	return func(_ *ConnectionString, value string) bool {
		for _, allowed := range values {
			if strings.EqualFold(value, allowed) {
				return true
			}
		}
		return false
	}
}

func anything(*ConnectionString, string) bool { return true }

func number(_ *ConnectionString, value string) bool {
	_, err := strconv.ParseInt(value, 10, 32)
	return err == nil
}

func setDatabase(c *ConnectionString, value string) bool {
	database, err := strconv.ParseInt(value, 10, 32)
	c.Database = int(database)
	return err == nil && database >= 0
}

func setTLSHost(c *ConnectionString, value string) bool {
	c.TLSHost = value
	return value == "" || isHost(value)
}

// setClientName allows what Redis allows: it refuses the whole login otherwise.
func setClientName(c *ConnectionString, value string) bool {
	for _, character := range []byte(value) {
		if character <= ' ' || character > '~' {
			return false
		}
	}
	c.ClientName = value
	return true
}

func setTLSVersions(c *ConnectionString, value string) bool {
	c.TLSMin, c.TLSMax = 0, 0
	for name := range strings.SplitSeq(strings.ToLower(value), "|") {
		var version uint16
		switch strings.TrimSpace(name) {
		case "tls12":
			version = tls.VersionTLS12
		case "tls13":
			version = tls.VersionTLS13
		default:
			return false
		}
		if c.TLSMin == 0 || version < c.TLSMin {
			c.TLSMin = version
		}
		c.TLSMax = max(c.TLSMax, version)
	}
	return true
}

func parseMilliseconds(value string) (time.Duration, bool) {
	parsed, err := strconv.ParseInt(value, 10, 32)
	return time.Duration(parsed) * time.Millisecond, err == nil && parsed >= 1
}

func setConnectTimeout(c *ConnectionString, value string) (ok bool) {
	c.ConnectTimeout, ok = parseMilliseconds(value)
	return ok
}

func setTimeout(c *ConnectionString, value string) (ok bool) {
	c.Timeout, ok = parseMilliseconds(value)
	return ok
}

// setKeepAlive honours what is more often than the pings that find a dead peer; those go out in any case.
func setKeepAlive(c *ConnectionString, value string) bool {
	seconds, err := strconv.ParseInt(value, 10, 32)
	c.KeepAlive = 0
	if seconds > 0 && seconds < int64(defaultHealthCheck/time.Second) {
		c.KeepAlive = time.Duration(seconds) * time.Second
	}
	return err == nil
}
