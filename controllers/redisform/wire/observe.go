package wire

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/controllers/redisform"
)

// Observe asks all members at the same time. It does not fail: what is not known of a member is a fact too.
func (h *Hands) Observe(ctx context.Context, wanted redisform.Wanted, members []redisform.Member) redisform.Facts {
	ctx, cancel := context.WithTimeout(ctx, h.timeout())
	defer cancel()
	var facts redisform.Facts
	for _, member := range members {
		if member.Kind == redisform.SentinelKind {
			facts.Sentinels = append(facts.Sentinels, redisform.Observer{Member: member})
		} else {
			facts.Servers = append(facts.Servers, redisform.Server{Member: member})
		}
	}
	var asking sync.WaitGroup
	for i := range facts.Servers {
		asking.Go(func() { h.observeServer(ctx, wanted, &facts.Servers[i]) })
	}
	for i := range facts.Sentinels {
		asking.Go(func() { h.observeSentinel(ctx, wanted, &facts.Sentinels[i]) })
	}
	asking.Wait()
	return facts
}

func (h *Hands) observeServer(ctx context.Context, wanted redisform.Wanted, server *redisform.Server) {
	seen := redisform.Server{Member: server.Member}
	err := h.with(ctx, server.Member, func(l *line) error {
		info, err := l.Info(ctx).Result()
		if err != nil {
			return err
		}
		readInfo(info, &seen)
		if seen.Loading {
			return nil
		}
		if err := h.askSettings(ctx, l, wanted, &seen); err != nil {
			return err
		}
		if wanted.Form == redisform.Cluster {
			if err := askNode(ctx, l, &seen); err != nil {
				return err
			}
		}
		seen.Passwords, err = askPasswords(ctx, l, wanted)
		seen.Certificate = l.shown()
		seen.Reached = err == nil
		return err
	})
	if err != nil {
		*server = redisform.Server{Member: server.Member, Answer: unanswered(err)}
		return
	}
	*server = seen
}

func unanswered(err error) redisform.Answer {
	return redisform.Answer{Problem: err.Error(), Refused: refused(err)}
}

// with opens a connection for a while.
func (h *Hands) with(ctx context.Context, member redisform.Member, do func(*line) error) error {
	l, err := h.open(ctx, member)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	if err := do(l); err != nil {
		return fmt.Errorf("%s: %w", member.Name, err)
	}
	return nil
}

// readInfo reads the answer to INFO.
func readInfo(info string, server *redisform.Server) {
	fields := make(map[string]string)
	for row := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(row), ":")
		fields[name] = value
		if strings.HasPrefix(name, "db") {
			count, _, _ := strings.Cut(strings.TrimPrefix(value, "keys="), ",")
			server.Keys += number(count)
		}
	}
	server.RunID, server.Version = fields["run_id"], fields["redis_version"]
	server.Loading = fields["loading"] == "1"
	server.Primary = fields["role"] == "master"
	server.History = fields["master_replid"]
	server.Offset = number(fields["master_repl_offset"])
	server.Replicas = int(number(fields["connected_slaves"]))
	// Redis says so only with min-replicas-to-write, which is 1.
	server.RefusesWrites = server.Primary && fields["min_slaves_good_slaves"] == "0"
	if !server.Primary {
		server.Follows = net.JoinHostPort(fields["master_host"], fields["master_port"])
		server.LinkUp = fields["master_link_status"] == "up"
		server.Syncing = fields["master_sync_in_progress"] == "1"
		server.Offset = number(fields["slave_repl_offset"])
		server.Priority = int(number(fields["slave_priority"]))
	}
	server.UsedMemory, server.MaximumMemory = number(fields["used_memory"]), number(fields["maxmemory"])
	server.EvictedKeys = number(fields["evicted_keys"])
}

// number is 0 where there is none.
func number(text string) int64 {
	value, _ := strconv.ParseInt(text, 10, 64)
	return value
}

func (h *Hands) askSettings(ctx context.Context, l *line, wanted redisform.Wanted, server *redisform.Server) error {
	server.Settings = make(map[string]string)
	keys := slices.Sorted(maps.Keys(wanted.Settings))
	if wanted.Form == redisform.Cluster {
		keys = append(keys, redisform.SyncDelay)
	}
	for _, key := range keys {
		found, err := l.ConfigGet(ctx, key).Result()
		if err != nil {
			return fmt.Errorf("read %s: %w", key, err)
		}
		maps.Copy(server.Settings, found)
	}
	if wanted.InternalPassword == "" {
		return nil
	}
	found, err := l.ConfigGet(ctx, "master*").Result()
	if err != nil {
		return fmt.Errorf("read masterauth: %w", err)
	}
	if found["masteruser"] == h.Internal.User {
		server.InternalPassword = redisform.Digest(found["masterauth"])
	}
	return nil
}

// askPasswords asks for the digests of the passwords that users have.
func askPasswords(ctx context.Context, l *line, wanted redisform.Wanted) (map[string][]string, error) {
	known := make(map[string][]string)
	for _, user := range slices.Sorted(maps.Keys(wanted.Passwords)) {
		answer, err := l.Do(ctx, "ACL", "GETUSER", user).Slice()
		if err == redis.Nil { //nolint:errorlint // it is never wrapped
			known[user] = nil
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("ask for the passwords of %s: %w", user, err)
		}
		said := map[any]any{}
		for at := 0; at+1 < len(answer); at += 2 {
			said[answer[at]] = answer[at+1]
		}
		// One who needs no password, as hub servers at Sentinels, stays so.
		if !slices.Contains(texts(said["flags"]), "nopass") {
			known[user] = texts(said["passwords"])
		}
	}
	return known, nil
}

func texts(answer any) []string {
	list, _ := answer.([]any)
	found := make([]string, 0, len(list))
	for _, one := range list {
		found = append(found, fmt.Sprint(one))
	}
	return found
}
