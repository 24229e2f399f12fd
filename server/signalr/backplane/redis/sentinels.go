package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"

	goredis "github.com/redis/go-redis/v9"
)

// sentinels is the topology of a primary that Sentinels watch.
type sentinels struct {
	servers Servers
	ask     prober
}

func (s *sentinels) String() string { return s.servers.String() }

// verdict is what one Sentinel says of the primary.
type verdict struct {
	address string
	// epoch counts the fail-overs: of two Sentinels, the one with the greater number knows better.
	epoch int
	err   error
}

var errNoVerdict = errors.New("the Sentinel's answer cannot be read")

// shards asks all Sentinels and believes the one that knows of the latest fail-over: one that the network has parted
// from the others still names the former primary.
func (s *sentinels) shards(ctx context.Context) ([]shard, error) {
	verdicts := make([]verdict, len(s.servers.Addresses))
	var asking sync.WaitGroup
	for at, address := range s.servers.Addresses {
		asking.Go(func() { verdicts[at] = s.hear(ctx, address) })
	}
	asking.Wait()
	best := latest(verdicts)
	if best.err != nil {
		return nil, fmt.Errorf("no Sentinel names the primary: %w", best.err)
	}
	return []shard{wholeShard(best.address)}, nil
}

// latest returns the verdict to believe, or the error that says most.
func latest(verdicts []verdict) verdict {
	best := verdict{epoch: -1, err: errNoVerdict}
	for _, said := range verdicts {
		switch {
		case said.err == nil && (best.err != nil || said.epoch > best.epoch):
			best = said
		case said.err != nil && best.err != nil && (errors.Is(best.err, errNoVerdict) || isRefusal(said.err)):
			best = verdict{epoch: -1, err: said.err}
		}
	}
	return best
}

// hear asks one Sentinel.
func (s *sentinels) hear(ctx context.Context, address string) (said verdict) {
	said.err = s.ask.probeSentinel(ctx, address, func(ctx context.Context, client *goredis.Client) error {
		reply, err := client.Do(ctx, "SENTINEL", "MASTER", s.servers.ServiceName).Result()
		if err != nil {
			return fmt.Errorf("%s: %w", address, err)
		}
		fields := fieldsOf(reply)
		said.address = net.JoinHostPort(fields["ip"], fields["port"])
		if said.epoch, err = strconv.Atoi(fields["config-epoch"]); err != nil || fields["ip"] == "" {
			return errNoVerdict
		}
		return nil
	})
	return said
}
