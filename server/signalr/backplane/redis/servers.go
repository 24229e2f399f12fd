package redis

import (
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// Servers says where Redis is when it is more than one server at one address.
type Servers struct {
	// Addresses are host:port of Sentinels if there is a ServiceName, else of nodes of a Cluster, or of a primary and its
	// replicas: which of them, the servers are asked. The first that answers well is the one that counts.
	// Empty: the one server at Options.Redis.Addr.
	Addresses []string
	// ServiceName is what the Sentinels at Addresses call the primary.
	ServiceName string
	// SentinelUser and SentinelPassword log in at the Sentinels; without a password there is no login.
	SentinelUser, SentinelPassword string
}

// String names the place for people.
func (s Servers) String() string {
	addresses := strings.Join(s.Addresses, ",")
	if s.ServiceName == "" {
		return addresses
	}
	return s.ServiceName + " of the Sentinels " + addresses
}

// newTopology returns how to find the primaries that options speak of; ask is how to talk to one server.
func newTopology(options *goredis.Options, servers Servers, ask prober) topology {
	if len(servers.Addresses) == 0 {
		servers.Addresses = []string{options.Addr}
	}
	if servers.ServiceName != "" {
		return &sentinels{servers: servers, ask: ask}
	}
	return &seeds{addresses: servers.Addresses, ask: ask}
}
