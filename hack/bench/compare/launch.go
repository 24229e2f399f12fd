package compare

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/chatcluster/chatcluster/hack/bench/redis"
)

// Servers are running servers of one kind on one Redis. Stop must be called once.
type Servers struct {
	// Hubs are the URLs of their chat hubs, Metrics what stood for {metrics} in each command.
	Hubs, Metrics []string
	// PIDs are their process ids.
	PIDs []int

	redis   *redis.Server
	cluster *cluster
	work    string
}

// Launch builds the contender in the repository at root, and starts a Redis and count servers on it.
func Launch(ctx context.Context, c Contender, count int, redisProgram, root string) (s *Servers, err error) {
	s = &Servers{}
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()
	if s.work, err = os.MkdirTemp("", "bench-*"); err != nil {
		return s, fmt.Errorf("make a folder for what is built: %w", err)
	}
	if _, err = c.prepare(ctx, root, s.work); err != nil {
		return s, err
	}
	if s.redis, err = redis.Start(ctx, redisProgram); err != nil {
		return s, err
	}
	if s.cluster, err = startCluster(ctx, c, count, s.redis.Address, s.work); err != nil {
		return s, err
	}
	s.Hubs, s.Metrics, s.PIDs = s.cluster.hubs, s.cluster.metrics, s.cluster.pids()
	return s, nil
}

// Failure is why a server or Redis ended by itself, nil if all run.
func (s *Servers) Failure() error { return errors.Join(s.cluster.failure(), s.redis.Failure()) }

// Stop ends the servers, then Redis.
func (s *Servers) Stop() {
	if s.cluster != nil {
		s.cluster.stop()
	}
	if s.redis != nil {
		s.redis.Stop()
	}
	_ = os.RemoveAll(s.work)
}
