package redis

import (
	"context"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// ServerInfo is how a Redis server says that it is, in its answer to INFO.
type ServerInfo struct {
	// Address is host:port.
	Address string
	// MemoryUsed and MemoryLimit are in bytes; a limit of 0 is none.
	MemoryUsed, MemoryLimit int64
	// EvictedKeys is how many keys it has thrown away for want of memory, since it was started.
	EvictedKeys int64
	// Clients are its connections.
	Clients int64
	// Replicas are connected to it; ReplicationLag is how many bytes the last of them is behind.
	Replicas, ReplicationLag int64
}

// inspector asks the primaries how they are, from time to time. What they do not tell, or not to this user, is left out.
type inspector struct {
	connector connector
	interval  time.Duration
	observe   func([]ServerInfo)
}

// run asks at once, and then at every interval until ctx ends.
func (i *inspector) run(ctx context.Context) {
	ticker := time.NewTicker(i.interval)
	defer ticker.Stop()
	for {
		i.inspect(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (i *inspector) inspect(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, i.connector.options.DialTimeout)
	defer cancel()
	shards, _ := i.connector.place.shards(ctx)
	infos := make([]ServerInfo, 0, len(shards))
	for _, shard := range shards {
		var text string
		err := i.connector.probe(ctx, shard.address, func(ctx context.Context, client *goredis.Client) (err error) {
			text, err = client.Info(ctx).Result()
			return err
		})
		if err == nil {
			infos = append(infos, parseInfo(shard.address, text))
		}
	}
	i.observe(infos)
}

// parseInfo reads an answer to INFO. What is missing or not a number counts as 0.
func parseInfo(address, text string) ServerInfo {
	fields := infoFields(text)
	number := func(name string) int64 {
		value, _ := strconv.ParseInt(fields[name], 10, 64)
		return value
	}
	info := ServerInfo{
		Address:     address,
		MemoryUsed:  number("used_memory"),
		MemoryLimit: number("maxmemory"),
		EvictedKeys: number("evicted_keys"),
		Clients:     number("connected_clients"),
		Replicas:    number("connected_slaves"),
	}
	for replica := range info.Replicas {
		offset := offsetOf(fields["slave"+strconv.FormatInt(replica, 10)])
		info.ReplicationLag = max(info.ReplicationLag, number("master_repl_offset")-offset)
	}
	return info
}

// offsetOf reads how far a replica is from a line such as "ip=10.0.0.1,port=6379,state=online,offset=42,lag=0".
func offsetOf(replica string) int64 {
	for field := range strings.SplitSeq(replica, ",") {
		if value, found := strings.CutPrefix(field, "offset="); found {
			offset, _ := strconv.ParseInt(value, 10, 64)
			return offset
		}
	}
	return 0
}
