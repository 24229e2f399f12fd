package compare

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/load"
	"github.com/chatcluster/chatcluster/hack/bench/process"
	"github.com/chatcluster/chatcluster/hack/bench/redis"
	"github.com/chatcluster/chatcluster/hack/bench/trial"
)

// bench is one comparison under way.
type bench struct {
	options  Options
	redis    *redis.Server
	work     string // what was built lies here
	present  []Contender
	outcome  *Outcome
	traffics []traffic
	resting  section
}

// Run measures and returns what was found. Contenders that are absent and measurements that failed are named in the
// outcome; an error means that nothing could be compared.
func Run(ctx context.Context, options Options) (*Outcome, error) {
	if err := options.Check(); err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, fmt.Errorf("make a work folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	server, err := redis.Start(ctx, options.RedisServer)
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	b := &bench{options: options, redis: server, work: work, traffics: options.traffics(), resting: options.resting()}
	b.outcome = newOutcome(b.resting, b.traffics)
	b.outcome.Redis = server.Version
	if err := b.prepare(ctx); err != nil {
		return nil, err
	}
	return b.outcome, b.rounds(ctx)
}

// prepare finds out who can take part. Each contender is started once unmeasured, so that files are in the cache and
// unpacked.
func (b *bench) prepare(ctx context.Context) error {
	for _, c := range b.options.Contenders {
		b.options.progress("preparing %s", c.Name)
		version, err := c.prepare(ctx, b.options.Root, b.work)
		if err == nil {
			err = b.tryOut(ctx, c)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			b.outcome.Absent = append(b.outcome.Absent, err.Error())
			b.options.progress("%s", err)
			continue
		}
		b.present = append(b.present, c)
		b.outcome.Contenders = append(b.outcome.Contenders, Column{Name: c.Name, Version: version})
	}
	if len(b.present) == 0 {
		return fmt.Errorf("nothing to measure: %w", errors.New(b.outcome.Absent[0]))
	}
	return nil
}

func (b *bench) tryOut(ctx context.Context, c Contender) error {
	started, err := startCluster(ctx, c, 1, b.redis.Address, b.work)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", c.Name, ErrAbsent, err)
	}
	started.stop()
	return nil
}

// rounds lets the contenders take turns, and every other round in reverse, so that what changes on the machine
// meanwhile does not favour one of them.
func (b *bench) rounds(ctx context.Context) error {
	for round := range b.options.Rounds {
		for turn := range b.present {
			if round%2 == 1 {
				turn = len(b.present) - 1 - turn
			}
			for _, part := range []func(context.Context, Contender) error{b.measureRest, b.measureTraffic} {
				if err := part(ctx, b.present[turn]); ctx.Err() != nil {
					return context.Cause(ctx)
				} else if err != nil {
					b.fail(round, b.present[turn], err)
				}
			}
		}
	}
	return nil
}

func (b *bench) fail(round int, c Contender, err error) {
	text := fmt.Sprintf("round %d, %s: %v", round+1, c.Name, err)
	b.outcome.Failures = append(b.outcome.Failures, text)
	b.options.progress("FAILED %s", text)
}

// measureRest uses servers that have served nobody: memory that a load has left behind would hide what the
// connections take.
func (b *bench) measureRest(ctx context.Context, c Contender) error {
	started, err := startCluster(ctx, c, b.options.Servers, b.redis.Address, b.work)
	if err != nil {
		return err
	}
	defer started.stop()
	b.noteStarts(c, started)
	resident, err := process.Settled(ctx, started.pids(), b.options.Settling)
	if err != nil {
		return err
	}
	perServer := float64(resident) / float64(b.options.Servers) / mebibyte
	b.outcome.add(c.Name, b.resting, restRow, perServer)
	options := load.Options{URLs: started.hubs, Connections: b.options.IdleConnections}
	idle, err := trial.RunIdle(ctx, options, started.pids(), b.options.Settling)
	if err != nil {
		return fmt.Errorf("idle connections: %w", errors.Join(err, started.failure()))
	}
	if idle.Disconnected > 0 {
		return fmt.Errorf("idle connections: %d of %d were ended: %s", idle.Disconnected, idle.Connections, idle.Reason)
	}
	b.outcome.add(c.Name, b.resting, idleRow, idle.BytesPerConnection()/kibibyte)
	b.options.progress("%s at rest: %.0f MiB per server, %.1f KiB per idle WebSocket", c.Name, perServer, idle.BytesPerConnection()/kibibyte)
	return nil
}

func (b *bench) noteStarts(c Contender, started *cluster) {
	for i := range started.servers {
		healthy, ready := started.healthy[i], started.ready[i]
		b.outcome.add(c.Name, b.resting, healthyRow, inMilliseconds(healthy))
		b.outcome.add(c.Name, b.resting, readyRow, inMilliseconds(ready))
		b.options.progress("%s: healthy after %s, ready after %s", c.Name, healthy.Round(time.Millisecond), ready.Round(time.Millisecond))
	}
}

func (b *bench) measureTraffic(ctx context.Context, c Contender) error {
	started, err := startCluster(ctx, c, b.options.Servers, b.redis.Address, b.work)
	if err != nil {
		return err
	}
	defer started.stop()
	b.noteStarts(c, started)
	watched := trial.Watched{Servers: started.pids(), Redis: []int{b.redis.PID()}}
	for _, t := range b.traffics {
		if err := b.measureOne(ctx, c, started.hubs, t, watched); err != nil {
			return fmt.Errorf("%s: %w", t.key, errors.Join(err, started.failure()))
		}
	}
	return nil
}

func (b *bench) measureOne(ctx context.Context, c Contender, hubs []string, t traffic, watched trial.Watched) error {
	swarm, err := load.Connect(ctx, load.Options{URLs: hubs, Connections: b.options.Connections})
	if err != nil {
		return err
	}
	defer swarm.Close()
	report, err := trial.Run(ctx, swarm, t.workload, b.options.Warmup, watched)
	if err != nil {
		return err
	}
	for row, value := range t.values {
		b.outcome.add(c.Name, t.section, row, value(report))
	}
	b.options.progress("%s %s: %.0f deliveries/s, %.0f per server CPU second, p99 %.2f ms, %d lost",
		c.Name, t.key, report.DeliveriesPerSecond(), report.DeliveriesPerServerCPU(), inMilliseconds(report.Latency.P99), report.Lost())
	return nil
}
