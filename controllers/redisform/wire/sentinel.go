package wire

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/chatcluster/chatcluster/controllers/redisform"
)

func (h *Hands) observeSentinel(ctx context.Context, wanted redisform.Wanted, sentinel *redisform.Observer) {
	seen := redisform.Observer{Member: sentinel.Member}
	err := h.with(ctx, sentinel.Member, func(l *line) error {
		info, err := l.Info(ctx, "server").Result()
		if err != nil {
			return err
		}
		var server redisform.Server
		readInfo(info, &server)
		seen.RunID, seen.Version = server.RunID, server.Version
		if seen.ID, err = l.Do(ctx, "SENTINEL", "MYID").Text(); err != nil {
			return err
		}
		if seen.Monitors, err = askMonitors(ctx, l); err != nil {
			return err
		}
		seen.Passwords, err = askPasswords(ctx, l, wanted)
		seen.InternalPassword, seen.Certificate = h.Told.get(seen.RunID), l.shown()
		seen.Reached = err == nil
		return err
	})
	if err != nil {
		*sentinel = redisform.Observer{Member: sentinel.Member, Answer: unanswered(err)}
		return
	}
	*sentinel = seen
}

func askMonitors(ctx context.Context, l *line) ([]redisform.Monitor, error) {
	primaries, err := tables(l.Do(ctx, "SENTINEL", "MASTERS").Slice())
	if err != nil {
		return nil, err
	}
	monitors := make([]redisform.Monitor, 0, len(primaries))
	for _, primary := range primaries {
		monitor := readMonitor(primary)
		replicas, err := tables(l.Do(ctx, "SENTINEL", "REPLICAS", monitor.Name).Slice())
		if err != nil {
			return nil, err
		}
		for _, replica := range replicas {
			monitor.Replicas = append(monitor.Replicas, readReplica(replica, longestWithoutLink(primary)))
		}
		others, err := tables(l.Do(ctx, "SENTINEL", "SENTINELS", monitor.Name).Slice())
		if err != nil {
			return nil, err
		}
		for _, other := range others {
			monitor.Others = append(monitor.Others, redisform.KnownSentinel{ID: other["runid"], Endpoint: endpoint(other)})
		}
		monitors = append(monitors, monitor)
	}
	return monitors, nil
}

func readMonitor(primary map[string]string) redisform.Monitor {
	flags := strings.Split(primary["flags"], ",")
	return redisform.Monitor{
		Name:            primary["name"],
		Primary:         endpoint(primary),
		Epoch:           number(primary["config-epoch"]),
		Quorum:          int(number(primary["quorum"])),
		Down:            has(flags, "s_down") || has(flags, "o_down"),
		FailingOver:     has(flags, "failover_in_progress"),
		DownAfter:       milliseconds(primary["down-after-milliseconds"]),
		FailoverTimeout: milliseconds(primary["failover-timeout"]),
	}
}

// staleAfter is when what a Sentinel heard is too old for it to choose a replica: three times as often as it asks.
const staleAfter = 30 * time.Second

// longestWithoutLink is for how long a replica may have had no link for a Sentinel to choose it: ten times as long as the primary must
// not answer, and as long as that has not.
func longestWithoutLink(primary map[string]string) time.Duration {
	return 10*milliseconds(primary["down-after-milliseconds"]) + milliseconds(primary["s-down-time"])
}

func readReplica(replica map[string]string, longest time.Duration) redisform.KnownReplica {
	flags := strings.Split(replica["flags"], ",")
	away := has(flags, "s_down") || has(flags, "o_down") || has(flags, "disconnected")
	behind := milliseconds(replica["master-link-down-time"]) > longest
	return redisform.KnownReplica{
		Endpoint:  endpoint(replica),
		RunID:     replica["runid"],
		Priority:  int(number(replica["slave-priority"])),
		Electable: !away && !behind && replica["runid"] != "" && milliseconds(replica["info-refresh"]) <= staleAfter,
		Behind:    behind,
	}
}

func has(flags []string, flag string) bool {
	for _, one := range flags {
		if one == flag {
			return true
		}
	}
	return false
}

func milliseconds(text string) time.Duration { return time.Duration(number(text)) * time.Millisecond }

func endpoint(fields map[string]string) string { return net.JoinHostPort(fields["ip"], fields["port"]) }

// tables reads a list of lists of names and values.
func tables(answer []any, err error) ([]map[string]string, error) {
	found := make([]map[string]string, 0, len(answer))
	for _, one := range answer {
		list, fields := texts(one), make(map[string]string)
		for at := 0; at+1 < len(list); at += 2 {
			fields[list[at]] = list[at+1]
		}
		found = append(found, fields)
	}
	return found, err
}
