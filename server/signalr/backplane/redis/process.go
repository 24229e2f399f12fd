package redis

import (
	"context"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// processOf asks a server which run of Redis it is. It returns nothing, and no error, if the server or this user's rights
// do not let it know, or if it is not known to send messages to all subscribers in one order.
func processOf(ctx context.Context, conn *goredis.Conn) (string, error) {
	text, err := conn.Info(ctx, "server").Result()
	if isRefusal(err) {
		return "", nil
	}
	return parseProcess(text), err
}

// parseProcess reads the server's section of INFO. Redis and Valkey carry out one command after the other; servers of other
// kinds, which tell a version of their own, need not: several threads, or proxies, may send messages in several orders.
func parseProcess(info string) string {
	fields := infoFields(info)
	for name := range fields {
		switch {
		case name == "redis_version" || name == "valkey_version" || name == "gcc_version":
		case strings.HasSuffix(name, "_version"), name == "mvcc_depth":
			return ""
		}
	}
	return fields["run_id"]
}

// infoFields reads the lines of name:value in an answer to INFO.
func infoFields(info string) map[string]string {
	fields := make(map[string]string)
	for line := range strings.Lines(info) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			fields[name] = value
		}
	}
	return fields
}
