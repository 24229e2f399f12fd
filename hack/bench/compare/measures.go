package compare

import (
	"fmt"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/load"
	"github.com/chatcluster/chatcluster/hack/bench/trial"
)

// goal is what the project has set itself for a measure of the first contender.
type goal struct {
	ratio  bool // the limit is one for the ratio to another contender, not for the value
	atMost bool // else at least
	limit  float64
}

// measure is one row of the table.
type measure struct {
	name     string
	unit     string
	decimals int
	sum      bool // of all rounds; else their median
	goal     *goal
}

// section is rows that belong together.
type section struct {
	key      string
	title    string
	measures []measure
}

// traffic is a workload and what is read from its report, in the order of its section's measures.
type traffic struct {
	section
	workload load.Workload
	values   []func(trial.Report) float64
}

func (t *traffic) add(m measure, value func(trial.Report) float64) {
	t.measures = append(t.measures, m)
	t.values = append(t.values, value)
}

// goals of one workload; nil where none is set.
type goals struct {
	efficiency, throughput, p99 *goal
}

func (o Options) traffics() []traffic {
	atLeast := func(limit float64) *goal { return &goal{ratio: true, limit: limit} }
	atMost := func(limit float64) *goal { return &goal{ratio: true, atMost: true, limit: limit} }
	return []traffic{
		o.traffic("paced", load.Workload{Senders: 2, Rate: 300}, goals{efficiency: atLeast(1.5), p99: atMost(1)}),
		o.traffic("closed loop", load.Workload{Senders: 20}, goals{throughput: atLeast(2), p99: atMost(0.2)}),
		o.traffic("flood", load.Workload{Senders: 2, Rate: 2000}, goals{p99: &goal{atMost: true, limit: 200}}),
	}
}

func (o Options) traffic(key string, workload load.Workload, set goals) traffic {
	workload.Size, workload.Duration, workload.Quiet = o.Size, o.Duration, o.Quiet
	pace := fmt.Sprintf("%g broadcasts/s", workload.Rate)
	if workload.Rate == 0 {
		pace = fmt.Sprintf("%d senders", workload.Senders)
	}
	t := traffic{workload: workload, section: section{
		key:   key,
		title: fmt.Sprintf("%s: %s to %d clients, %d bytes", key, pace, o.Connections, o.Size),
	}}
	t.add(measure{name: "deliveries per server CPU second", goal: set.efficiency}, trial.Report.DeliveriesPerServerCPU)
	t.add(measure{name: "deliveries per second", goal: set.throughput}, trial.Report.DeliveriesPerSecond)
	if workload.Rate == 0 {
		t.add(measure{name: "calls per second"}, trial.Report.CallsPerSecond)
	}
	t.addLatencies(set.p99)
	t.add(measure{name: "last delivery after the sending", unit: "ms"}, func(r trial.Report) float64 { return inMilliseconds(r.Behind()) })
	t.addFaults()
	t.addUsage()
	return t
}

func (t *traffic) addLatencies(p99 *goal) {
	t.add(measure{name: "latency p50", unit: "ms", decimals: 2}, func(r trial.Report) float64 { return inMilliseconds(r.Latency.P50) })
	t.add(measure{name: "latency p99", unit: "ms", decimals: 2, goal: p99}, func(r trial.Report) float64 { return inMilliseconds(r.Latency.P99) })
	t.add(measure{name: "latency p99.9", unit: "ms", decimals: 2}, func(r trial.Report) float64 { return inMilliseconds(r.Latency.P999) })
}

// addFaults adds what must be 0; one bad round must not hide behind a median.
func (t *traffic) addFaults() {
	nothing := &goal{atMost: true}
	t.add(measure{name: "lost", sum: true, goal: nothing}, func(r trial.Report) float64 { return float64(r.Lost()) })
	t.add(measure{name: "duplicated", sum: true, goal: nothing}, func(r trial.Report) float64 { return float64(r.Duplicated) })
	t.add(measure{name: "disconnected", sum: true, goal: nothing}, func(r trial.Report) float64 { return float64(r.Disconnected) })
	if t.workload.Rate == 0 {
		t.add(measure{name: "failed calls", sum: true, goal: nothing}, func(r trial.Report) float64 { return float64(r.Failures) })
	}
}

// addUsage adds processor time as a share of one core while it was measured: until all that the workload caused was over.
func (t *traffic) addUsage() {
	share := func(used func(trial.Report) time.Duration) func(trial.Report) float64 {
		return func(r trial.Report) float64 { return r.Share(used(r)) }
	}
	t.add(measure{name: "CPU of the servers", unit: "%"}, share(func(r trial.Report) time.Duration { return r.ServerCPU }))
	t.add(measure{name: "CPU of Redis", unit: "%"}, share(func(r trial.Report) time.Duration { return r.RedisCPU }))
	t.add(measure{name: "CPU of the generator", unit: "%"}, share(func(r trial.Report) time.Duration { return r.GeneratorCPU }))
	t.add(measure{name: "CPU of all others", unit: "%"}, share(func(r trial.Report) time.Duration { return r.OtherCPU }))
	t.add(measure{name: "memory of the servers", unit: "MiB"}, func(r trial.Report) float64 { return float64(r.Resident) / mebibyte })
}

const (
	kibibyte = 1 << 10
	mebibyte = 1 << 20
)

func inMilliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// The rows of the section about servers that do nothing.
const (
	healthyRow = iota
	readyRow
	restRow
	idleRow
)

func (o Options) resting() section {
	atMost := func(limit float64) *goal { return &goal{ratio: true, atMost: true, limit: limit} }
	return section{
		key:   "at rest",
		title: fmt.Sprintf("at rest: %d servers, then %d idle WebSockets", o.Servers, o.IdleConnections),
		measures: []measure{
			healthyRow: {name: "start to healthy", unit: "ms", goal: atMost(1.0 / 7)},
			readyRow:   {name: "start to ready for clients", unit: "ms"},
			restRow:    {name: "memory per server", unit: "MiB", decimals: 1, goal: atMost(1.0 / 4)},
			idleRow:    {name: "memory per idle WebSocket", unit: "KiB", decimals: 1, goal: atMost(1.0 / 3)},
		},
	}
}
