package redis

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// redirect is the answer of a node of a Cluster that another one serves a slot. The address is empty if it does not say which.
type redirect struct {
	slot    int
	address string
}

// redirectOf reads it from an error.
func redirectOf(err error) (elsewhere redirect, moved bool) {
	if err == nil {
		return redirect{}, false // before refusal is allocated: each message that is received comes by here
	}
	var refusal goredis.Error
	if !errors.As(err, &refusal) {
		return redirect{}, false
	}
	fields := strings.Fields(refusal.Error())
	if len(fields) != 3 || fields[0] != "MOVED" {
		return redirect{}, false
	}
	slot, err := strconv.Atoi(fields[1])
	return redirect{slot: slot, address: named(fields[2])}, err == nil
}

// named is the address as it can be dialled: Redis writes no brackets around one of IPv6. It is empty where the node does not
// know the other's name.
func named(address string) string {
	colon := strings.LastIndexByte(address, ':')
	if colon < 0 || address[:colon] == "?" {
		return ""
	}
	return net.JoinHostPort(strings.Trim(address[:colon], "[]"), address[colon+1:])
}

// tell makes place ask first the node that the server at asked has named.
func (r redirect) tell(place topology, asked string) {
	if r.address != "" {
		place.prefer(reachable(r.address, asked))
	}
}

// redirects is a hook of go-redis that tells the topology whom the server at address names in its place.
type redirects struct {
	place   topology
	address string
}

func (r redirects) note(err error) error {
	if elsewhere, moved := redirectOf(err); moved {
		elsewhere.tell(r.place, r.address)
	}
	return err
}

// DialHook implements goredis.Hook.
func (r redirects) DialHook(next goredis.DialHook) goredis.DialHook { return next }

// ProcessHook implements goredis.Hook.
func (r redirects) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, command goredis.Cmder) error { return r.note(next(ctx, command)) }
}

// ProcessPipelineHook implements goredis.Hook. The error of a pipeline is that of its first command that failed, and of a
// transaction that of its end: both may be another than the redirect.
func (r redirects) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, commands []goredis.Cmder) error {
		err := next(ctx, commands)
		if err != nil {
			for _, command := range commands {
				_ = r.note(command.Err())
			}
		}
		return err
	}
}
