package redis

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// splitHosts takes all hosts but the first out of a URL that names several between commas, which net/url does not
// understand.
func splitHosts(value string) (first string, others []string) {
	scheme, rest, _ := strings.Cut(value, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	user := strings.LastIndex(rest[:end], "@") + 1
	hosts := strings.Split(rest[user:end], ",")
	return scheme + "://" + rest[:user] + hosts[0] + rest[end:], hosts[1:]
}

// addressParameter names a further server in the query of a URL, as go-redis has it.
const addressParameter = "addr"

// goRedisParameters are what go-redis calls keys that StackExchange.Redis has too.
var goRedisParameters = map[string]string{
	"client_name":       "name",
	"db":                "defaultDatabase",
	"master_name":       "serviceName",
	"sentinel_username": "sentinelUser",
	"sentinel_password": "sentinelPassword",
}

// unusedParameters are those of go-redis that steer what this package does in its own way.
var unusedParameters = []string{ //nolint:gochecknoglobals // a table, never changed
	"conn_max_idle_time", "conn_max_lifetime", "conn_max_lifetime_jitter", "disable_sentinel_name", "max_active_conns",
	"max_concurrent_dials", "max_idle_conns", "max_redirects", "max_retries", "max_retry_backoff", "min_idle_conns",
	"min_retry_backoff", "pool_fifo", "pool_size", "pool_timeout", "read_only", "read_timeout", "replica_only",
	"route_by_latency", "route_randomly", "skip_verify", "use_disconnected_replicas", "write_timeout",
}

// takeGoRedis takes go-redis's parameters out of a query.
func (p *connectionParser) takeGoRedis(query url.Values) error {
	for _, address := range query[addressParameter] {
		if err := p.setEndpoint(address); err != nil {
			return err
		}
	}
	delete(query, addressParameter)
	for _, name := range unusedParameters {
		if query.Has(name) {
			return fmt.Errorf("%s is a setting of go-redis that is not used here: leave it out", name)
		}
	}
	for name, key := range goRedisParameters {
		if values := query[name]; len(values) > 0 {
			query[key] = values
			delete(query, name)
		}
	}
	return p.takeDialTimeout(query)
}

// takeDialTimeout reads seconds or a duration such as 500ms, as go-redis does.
func (p *connectionParser) takeDialTimeout(query url.Values) error {
	const name = "dial_timeout"
	if !query.Has(name) {
		return nil
	}
	value := query[name][len(query[name])-1]
	delete(query, name)
	timeout, err := time.ParseDuration(value)
	if seconds, notNumber := strconv.Atoi(value); notNumber == nil {
		timeout, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || timeout < time.Millisecond || timeout > time.Hour {
		return fmt.Errorf("%s=%q: allowed is a duration such as 5s", name, value)
	}
	p.result.ConnectTimeout = timeout
	return nil
}
