package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// The errors of a server that is no primary to publish to. They pass when it becomes one, and another is found.
var (
	errIsReplica  = errors.New("it is a replica: what is published there reaches nobody elsewhere")
	errIsSentinel = errors.New("it is a Sentinel, not a server with data: give serviceName, the name of the primary that it watches")
)

// greetingOf is what a server says of itself in its answer to HELLO.
type greetingOf struct {
	cluster, sentinel, replica bool
}

// primary returns why the server is none.
func (g greetingOf) primary() error {
	switch {
	case g.sentinel:
		return errIsSentinel
	case g.replica:
		return errIsReplica
	default:
		return nil
	}
}

// commander is a go-redis client or one of its connections.
type commander interface {
	Do(ctx context.Context, args ...any) *goredis.Cmd
}

// greet asks a server what it is. HELLO without arguments changes nothing. A server that does not know it, or a user who
// may not ask, tells nothing and is taken for a primary that stands alone.
func greet(ctx context.Context, server commander) (greetingOf, error) {
	reply, err := server.Do(ctx, "HELLO").Result()
	if isRefusal(err) {
		return greetingOf{}, nil
	}
	if err != nil {
		return greetingOf{}, err
	}
	said := fieldsOf(reply)
	return greetingOf{
		cluster:  said["mode"] == "cluster",
		sentinel: said["mode"] == "sentinel",
		replica:  said["role"] == "replica" || said["role"] == "slave",
	}, nil
}

// fieldsOf reads names and values that alternate.
func fieldsOf(reply any) map[string]string {
	list, _ := reply.([]any)
	fields := make(map[string]string, len(list)/2)
	for at := 0; at+1 < len(list); at += 2 {
		name, _ := list[at].(string)
		value, _ := list[at+1].(string)
		fields[name] = value
	}
	return fields
}

// prober talks to one server, of Redis or of Sentinel, over a connection that ends when talk returns.
type prober interface {
	probe(ctx context.Context, address string, talk func(context.Context, *goredis.Client) error) error
	probeSentinel(ctx context.Context, address string, talk func(context.Context, *goredis.Client) error) error
}

// describe asks the server at address what it is, and for the map if it is a node of a Cluster.
func describe(ctx context.Context, ask prober, address string) (shards []shard, err error) {
	err = ask.probe(ctx, address, func(ctx context.Context, client *goredis.Client) error {
		greeting, err := greet(ctx, client)
		switch {
		case err != nil:
			return err
		case greeting.cluster:
			shards, err = slotMap(ctx, client, address)
			return err
		}
		shards = []shard{wholeShard(address)}
		return greeting.primary()
	})
	if err != nil {
		return nil, err
	}
	return shards, nil
}

var errNoSlots = errors.New("the Cluster serves no slots yet")

// slotMap asks a node for the primaries of a Cluster.
func slotMap(ctx context.Context, client *goredis.Client, address string) ([]shard, error) {
	parts, err := client.ClusterSlots(ctx).Result() //nolint:staticcheck // CLUSTER SHARDS is not known to Redis 6 and its kin
	if err != nil {
		return nil, fmt.Errorf("ask for the slots of the Cluster: %w", err)
	}
	at := make(map[string]int)
	var shards []shard
	for _, part := range parts {
		if len(part.Nodes) == 0 {
			continue
		}
		primary := reachable(part.Nodes[0].Addr, address)
		index, known := at[primary]
		if !known {
			index = len(shards)
			at[primary] = index
			shards = append(shards, shard{address: primary})
		}
		shards[index].slots = append(shards[index].slots, slotRange{part.Start, part.End})
	}
	if len(shards) == 0 {
		return nil, errNoSlots
	}
	return shards, nil
}

// reachable completes the address of a node that does not know its own host: it is that of the node which was asked.
func reachable(address, asked string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || strings.Trim(host, "?") != "" {
		return address
	}
	host, _, err = net.SplitHostPort(asked)
	if err != nil {
		return address
	}
	return net.JoinHostPort(host, port)
}
