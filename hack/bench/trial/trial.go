// Package trial runs a workload and measures at the same time what the servers, Redis and the generator itself use.
package trial

import (
	"context"
	"fmt"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/load"
	"github.com/chatcluster/chatcluster/hack/bench/process"
)

// Watched are the processes whose usage is measured. Both lists may be empty: then nothing is said about them.
type Watched struct {
	Servers []int
	Redis   []int
}

// Report is what one trial found.
type Report struct {
	load.Result
	// Measured is how long usage was measured: from before the first send until all has arrived, or nothing more did for a while.
	Measured time.Duration
	// ServerCPU and RedisCPU are processor time of the watched processes in that time, GeneratorCPU that of this process. 0: not watched.
	ServerCPU, RedisCPU, GeneratorCPU time.Duration
	// OtherCPU is what everything else on the machine used meanwhile; the more, the less all other figures say.
	OtherCPU time.Duration
	// Resident is the memory of all watched servers at the end, in bytes.
	Resident int64
}

// DeliveriesPerServerCPU is deliveries per second of processor time of the servers; 0 if they are not watched.
func (r Report) DeliveriesPerServerCPU() float64 {
	if r.ServerCPU <= 0 {
		return 0
	}
	return float64(r.Delivered) / r.ServerCPU.Seconds()
}

// Share is processor time as a percentage of one core, in the time in which it was used.
func (r Report) Share(used time.Duration) float64 {
	if r.Measured <= 0 {
		return 0
	}
	return 100 * used.Seconds() / r.Measured.Seconds()
}

// Run runs the workload for warmup, forgets that, runs it for its duration and measures. All that the warm-up caused
// has arrived before the measuring begins, and all that is measured is waited for: processor time and deliveries
// belong to each other exactly.
func Run(ctx context.Context, swarm *load.Swarm, workload load.Workload, warmup time.Duration, watched Watched) (Report, error) {
	if err := swarm.Rendezvous(ctx, workload.Senders); err != nil {
		return Report{}, err
	}
	if warmup > 0 {
		warm := workload
		warm.Duration = warmup
		if _, err := swarm.Run(ctx, warm); err != nil {
			return Report{}, fmt.Errorf("warm-up: %w", err)
		}
	}
	before, err := look(watched)
	if err != nil {
		return Report{}, err
	}
	result, err := swarm.Run(ctx, workload)
	if err != nil {
		return Report{}, err
	}
	after, err := look(watched)
	if err != nil {
		return Report{}, err
	}
	return newReport(result, before, after), nil
}

func newReport(result load.Result, before, after usage) Report {
	report := Report{
		Result:       result,
		Measured:     after.at.Sub(before.at),
		ServerCPU:    after.servers.CPU - before.servers.CPU,
		RedisCPU:     after.redis.CPU - before.redis.CPU,
		GeneratorCPU: after.own - before.own,
		Resident:     after.servers.Resident,
	}
	known := report.ServerCPU + report.RedisCPU + report.GeneratorCPU
	report.OtherCPU = max(after.machine-before.machine-known, 0)
	return report
}

type usage struct {
	at             time.Time
	servers, redis process.Usage
	own, machine   time.Duration
}

func look(watched Watched) (usage, error) {
	servers, err := process.ReadAll(watched.Servers)
	if err != nil {
		return usage{}, err
	}
	redis, err := process.ReadAll(watched.Redis)
	if err != nil {
		return usage{}, err
	}
	return usage{at: time.Now(), servers: servers, redis: redis, own: process.OwnCPU(), machine: process.MachineCPU()}, nil
}
