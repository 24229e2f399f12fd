package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// redisDirectory keeps the directory in Redis: a string for each connection, a string with a life for each server, the set
// of servers by the time of their last renewal, and what they carry, a line for each. Scripts touch one key each, so that
// they run on Redis Cluster.
type redisDirectory struct {
	client goredis.UniversalClient
	prefix string
}

// NewRedisDirectory keeps the directory in Redis, at keys that begin with prefix. The client may repeat a command whose
// answer was lost: all of them may be run twice. The caller closes it.
func NewRedisDirectory(client goredis.UniversalClient, prefix string) Directory {
	return &redisDirectory{client: client, prefix: prefix + "chatcluster:"}
}

func (d *redisDirectory) connectionKey(id string) string   { return d.prefix + "connection:" + id }
func (d *redisDirectory) serverKey(instance string) string { return d.prefix + "srv:" + instance }
func (d *redisDirectory) serversKey() string               { return d.prefix + "servers" }
func (d *redisDirectory) loadsKey() string                 { return d.prefix + "loads" }

// An entry is written as "epoch instance address", a tombstone as "ended".
const endedText = "ended"

func (e Entry) text() string {
	switch {
	case e.Ended:
		return endedText
	case e.Epoch == 0:
		return ""
	}
	return fmt.Sprintf("%d %s %s", e.Epoch, e.Owner.Instance, e.Owner.Address)
}

func parseEntry(text string) (Entry, error) {
	if text == endedText {
		return ended(), nil
	}
	epoch, owner, _ := strings.Cut(text, " ")
	instance, address, found := strings.Cut(owner, " ")
	number, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil || number < 1 || !found {
		return Entry{}, fmt.Errorf("%w: %q", ErrUnreadable, text)
	}
	return Entry{Owner: Peer{Instance: instance, Address: address}, Epoch: number}, nil
}

// swapScript and assertScript return what is in force, and 1 if they have written it. Arguments of swap: what is expected, what
// replaces it, its life in milliseconds, whether nothing is as good as what is expected. Of assert: the entry, its epoch, its life.
const (
	swapScript = `local present = redis.call('GET', KEYS[1])
if (present or '') ~= ARGV[1] and (present or ARGV[4] == '0') then return {present, 0} end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return {ARGV[2], 1}`
	assertScript = `local present = redis.call('GET', KEYS[1])
if present and present ~= ARGV[1] then
  local epoch = tonumber(string.match(present, '^%d+') or '')
  if not epoch or epoch >= tonumber(ARGV[2]) then return {present, 0} end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return {ARGV[1], 1}`
)

// Find implements Directory.
func (d *redisDirectory) Find(ctx context.Context, connectionID string) (Entry, error) {
	text, err := d.client.Get(ctx, d.connectionKey(connectionID)).Result()
	switch {
	case errors.Is(err, goredis.Nil):
		return Entry{}, nil
	case err != nil:
		return Entry{}, fmt.Errorf("look up a connection in Redis: %w", err)
	}
	return parseEntry(text)
}

// Swap implements Directory.
func (d *redisDirectory) Swap(ctx context.Context, changes ...Change) []Result {
	calls := make([]call, 0, len(changes))
	for _, change := range changes {
		orAbsent := "0"
		if change.OrAbsent {
			orAbsent = "1"
		}
		calls = append(calls, call{d.connectionKey(change.ConnectionID), []any{
			change.From.text(), change.To.text(), change.To.life().Milliseconds(), orAbsent,
		}})
	}
	return d.run(ctx, swapScript, calls)
}

// Assert implements Directory.
func (d *redisDirectory) Assert(ctx context.Context, owner Peer, holdings ...Holding) []Result {
	calls := make([]call, 0, len(holdings))
	for _, holding := range holdings {
		entry := Entry{Owner: owner, Epoch: holding.Epoch}
		calls = append(calls, call{d.connectionKey(holding.ConnectionID), []any{entry.text(), entry.Epoch, entry.life().Milliseconds()}})
	}
	return d.run(ctx, assertScript, calls)
}

// call is a script's one key and its arguments.
type call struct {
	key       string
	arguments []any
}

// run calls a script for each key, all in one round trip.
func (d *redisDirectory) run(ctx context.Context, script string, calls []call) []Result {
	pipeline := d.client.Pipeline()
	replies := make([]*goredis.Cmd, 0, len(calls))
	for _, call := range calls {
		replies = append(replies, pipeline.Eval(ctx, script, []string{call.key}, call.arguments...))
	}
	_, _ = pipeline.Exec(ctx) // each reply has its own error
	results := make([]Result, 0, len(calls))
	for at, reply := range replies {
		result := answer(reply)
		if result.Err != nil {
			result.Err = fmt.Errorf("change %s in Redis: %w", calls[at].key, result.Err)
		}
		results = append(results, result)
	}
	return results
}

// answer reads what a script has returned.
func answer(reply *goredis.Cmd) Result {
	// First of all: when time runs out for one node of a Cluster, the client gives all calls that error, those included that were answered.
	if values, answered := reply.Val().([]any); answered && len(values) == 2 {
		text, present := values[0].(string)
		if !present {
			return Result{}
		}
		entry, err := parseEntry(text)
		return Result{Entry: entry, Written: values[1] == int64(1), Err: err}
	}
	_, err := reply.Slice()
	if isWrongType(err) {
		err = fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return Result{Err: err}
}

// isWrongType tells whether a key has something else than text. Redis words errors within scripts differently from version to version.
func isWrongType(err error) bool {
	var refusal goredis.Error
	return errors.As(err, &refusal) && strings.Contains(refusal.Error(), "WRONGTYPE")
}

// renewScript notes the time of a renewal by Redis's clock, forgets servers that have not been renewed for long, and
// returns those that live. Arguments: the server, the liveness timeout in milliseconds.
const renewScript = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZRANGE', KEYS[1], 0, -1)`

// reportScript replaces the line of a server, forgets those of servers that have not reported for long, and returns all.
// Arguments: the server's instance, its load, the liveness timeout in milliseconds. It is a key of its own because older
// versions read the others.
const reportScript = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lines = {}
for line in string.gmatch(redis.call('GET', KEYS[1]) or '', '[^\n]+') do
  local instance, at = string.match(line, '^(%S+) (%d+) ')
  if instance and instance ~= ARGV[1] and tonumber(at) > now - ARGV[3] then table.insert(lines, line) end
end
table.insert(lines, ARGV[1] .. ' ' .. string.format('%.0f', now) .. ' ' .. ARGV[2])
local text = table.concat(lines, '\n')
redis.call('SET', KEYS[1], text, 'PX', ARGV[3])
return text`

// Renew implements Directory.
func (d *redisDirectory) Renew(ctx context.Context, self Peer, load Load) ([]Server, error) {
	life := LivenessTimeout.Milliseconds()
	pipeline := d.client.Pipeline()
	pipeline.Set(ctx, d.serverKey(self.Instance), self.Address, LivenessTimeout)
	renewed := pipeline.Eval(ctx, renewScript, []string{d.serversKey()}, self.member(), life)
	reported := pipeline.Eval(ctx, reportScript, []string{d.loadsKey()}, self.Instance, load.text(), life)
	if _, err := pipeline.Exec(ctx); err != nil {
		return nil, fmt.Errorf("renew this server in Redis: %w", err)
	}
	members, err := renewed.StringSlice()
	if err != nil {
		return nil, fmt.Errorf("read the list of servers: %w", err)
	}
	loads, err := reported.Text()
	if err != nil {
		return nil, fmt.Errorf("read what servers carry: %w", err)
	}
	peers := make([]Peer, 0, len(members))
	for _, member := range members {
		if instance, address, found := strings.Cut(member, " "); found {
			peers = append(peers, Peer{Instance: instance, Address: address})
		}
	}
	return withReports(peers, loads), nil
}

func (p Peer) member() string { return p.Instance + " " + p.Address }

// Leave implements Directory.
func (d *redisDirectory) Leave(ctx context.Context, self Peer) error {
	pipeline := d.client.Pipeline()
	pipeline.Del(ctx, d.serverKey(self.Instance))
	pipeline.ZRem(ctx, d.serversKey(), self.member())
	if _, err := pipeline.Exec(ctx); err != nil {
		return fmt.Errorf("take this server out of the directory in Redis: %w", err)
	}
	return nil
}

// Alive implements Directory.
func (d *redisDirectory) Alive(ctx context.Context, instance string) (bool, error) {
	count, err := d.client.Exists(ctx, d.serverKey(instance)).Result()
	if err != nil {
		return false, fmt.Errorf("ask Redis whether a server lives: %w", err)
	}
	return count > 0, nil
}
