package compare

import (
	"context"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/process"
)

// cluster is a running set of servers of one kind on one Redis.
type cluster struct {
	servers []*process.Process
	hubs    []string
	metrics []string        // HOST:PORT that stood for {metrics}, per server
	healthy []time.Duration // from exec to healthy, per server
	ready   []time.Duration // from exec to ready, per server
}

// startCluster starts count servers, one after the other: side by side they would slow each other's start.
func startCluster(ctx context.Context, c Contender, count int, redis, work string) (*cluster, error) {
	started := &cluster{}
	for range count {
		if err := started.add(ctx, c, redis, work); err != nil {
			started.stop()
			return nil, err
		}
	}
	return started, nil
}

func (s *cluster) add(ctx context.Context, c Contender, redis, work string) error {
	port, err := process.FreePort(ctx)
	if err != nil {
		return err
	}
	metricsPort, err := process.FreePort(ctx)
	if err != nil {
		return err
	}
	metrics := "127.0.0.1:" + metricsPort
	values := placeholders{port: port, metrics: metrics, redis: redis, work: work}
	server, err := process.Start(process.Spec{
		Command: values.all(c.Command), Environment: values.all(c.Environment), Launcher: c.Launcher,
	})
	if err != nil {
		return err
	}
	s.servers = append(s.servers, server)
	base := "http://127.0.0.1:" + port
	healthy, err := server.AwaitHealthy(ctx, base+c.HealthPath)
	if err != nil {
		return err
	}
	ready := healthy
	if c.ReadyPath != "" {
		if ready, err = server.AwaitHealthy(ctx, base+c.ReadyPath); err != nil {
			return err
		}
	}
	s.hubs, s.metrics = append(s.hubs, base+c.HubPath), append(s.metrics, metrics)
	s.healthy, s.ready = append(s.healthy, healthy), append(s.ready, ready)
	return nil
}

func (s *cluster) pids() []int {
	pids := make([]int, len(s.servers))
	for i, server := range s.servers {
		pids[i] = server.PID()
	}
	return pids
}

// failure is why a server ended by itself, nil if all run: it explains better than what a client saw of it.
func (s *cluster) failure() error {
	for _, server := range s.servers {
		if err := server.Failure(); err != nil {
			return err
		}
	}
	return nil
}

func (s *cluster) stop() {
	for _, server := range s.servers {
		server.Stop()
	}
}
