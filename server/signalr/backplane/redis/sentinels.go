package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// sentinels is the topology of a primary that Sentinels watch.
type sentinels struct {
	servers Servers
	ask     prober
}

func (s *sentinels) String() string { return s.servers.String() }

// prefer implements topology. Sentinels alone decide who the primary is.
func (s *sentinels) prefer(string) {}

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
	verdicts := make(chan verdict, len(s.servers.Addresses))
	var asking sync.WaitGroup
	defer asking.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, address := range s.servers.Addresses {
		asking.Go(func() { verdicts <- s.hear(ctx, address) })
	}
	best := latest(collect(verdicts, cap(verdicts)))
	if best.err != nil {
		return nil, fmt.Errorf("no Sentinel names the primary: %w", best.err)
	}
	return []shard{wholeShard(best.address)}, nil
}

// stragglers is how long to wait for further Sentinels once most have answered: a node that is gone takes whole seconds to
// not answer, just when all depends on finding the next primary.
const stragglers = 500 * time.Millisecond

// collect returns what the Sentinels say, of all or of most of them.
func collect(verdicts <-chan verdict, sentinels int) []verdict {
	var said []verdict
	var enough <-chan time.Time
	answered := 0
	for len(said) < sentinels {
		select {
		case one := <-verdicts:
			said = append(said, one)
			if one.err == nil {
				answered++
			}
			if answered == sentinels/2+1 && enough == nil {
				enough = time.After(stragglers)
			}
		case <-enough:
			return said
		}
	}
	return said
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
