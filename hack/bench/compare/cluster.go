package compare

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
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
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	metricsPort, err := freePort(ctx)
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

func freePort(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = listener.Close() }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return port, nil
}

// redisServer is the Redis that all contenders use, one after the other.
type redisServer struct {
	*process.Process
	address string
	version string
}

func startRedis(ctx context.Context, program string) (*redisServer, error) {
	version, err := exec.CommandContext(ctx, program, "--version").Output() // #nosec G204 -- the user names it
	if err != nil {
		return nil, fmt.Errorf("redis: cannot run %s (install redis-server or name it with --redis-server): %w", program, err)
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	server, err := process.Start(process.Spec{Command: []string{
		program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
	}})
	if err != nil {
		return nil, err
	}
	r := &redisServer{Process: server, address: "127.0.0.1:" + port, version: redisVersion(string(version))}
	if err := r.await(ctx); err != nil {
		server.Stop()
		return nil, fmt.Errorf("redis: %w", err)
	}
	return r, nil
}

const (
	redisTimeout = 10 * time.Second
	redisPause   = 10 * time.Millisecond
)

// await pings until Redis answers.
func (r *redisServer) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	ticker := time.NewTicker(redisPause)
	defer ticker.Stop()
	for !answersPing(ctx, r.address) {
		if err := r.Failure(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer at %s: %w", r.address, context.Cause(ctx))
		case <-ticker.C:
		}
	}
	return nil
}

func answersPing(ctx context.Context, address string) bool {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	answer := make([]byte, len("+PONG"))
	n, err := conn.Read(answer)
	return err == nil && string(answer[:n]) == "+PONG"
}

// redisVersion finds the number in "Redis server v=7.0.15 sha=...".
func redisVersion(text string) string {
	for word := range strings.FieldsSeq(text) {
		if version, found := strings.CutPrefix(word, "v="); found {
			return version
		}
	}
	return strconv.Quote(firstLines([]byte(text)))
}
