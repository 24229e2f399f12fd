package handover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/handover/haproxy"
	"github.com/chatcluster/chatcluster/hack/bench/metrics"
	"github.com/chatcluster/chatcluster/hack/bench/process"
	"github.com/chatcluster/chatcluster/hack/bench/redis"
)

const (
	// drainDelay is longer than the balancer takes to notice that a server is not ready.
	drainDelay = 2 * time.Second
	// shutdownTimeout bounds the end of a server; endTimeout what the trial waits for it.
	shutdownTimeout = time.Minute
	endTimeout      = shutdownTimeout + 10*time.Second
	scrapeTimeout   = 5 * time.Second
	keyVariable     = "CHATCLUSTER_CLUSTER_KEY"
	keySize         = 32
	logMode         = 0o600
)

// site is what the trial takes place on: Redis, a balancer with more places than there are servers, and the servers.
type site struct {
	options  Options
	work     string // folder for what is built and written
	key      string
	redis    *redis.Server
	balancer *haproxy.Balancer
	places   []*place
	ports    ports
	started  int // how many servers there have been
	logs     []io.Closer
	http     *http.Client
}

// place is an address behind the balancer.
type place struct {
	name, port string
	server     *server // nil while nobody is there
}

// server is a running hub server.
type server struct {
	*process.Process
	place   *place
	name    string // under which it takes messages
	metrics string // HOST:PORT
}

// build makes a site with its first servers.
func build(ctx context.Context, o Options) (s *site, err error) {
	s = &site{options: o, ports: ports{}, http: &http.Client{Timeout: scrapeTimeout, Transport: &http.Transport{DisableKeepAlives: true}}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.work, err = os.MkdirTemp("", "handover-*"); err != nil {
		return s, fmt.Errorf("make a folder for the trial: %w", err)
	}
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", s.program(), "./server/cmd/hubserver") // #nosec G204 -- a path of ours
	command.Dir = o.Root
	if output, err := command.CombinedOutput(); err != nil {
		return s, fmt.Errorf("build hubserver: %w: %s", err, output)
	}
	for range keySize {
		s.key += strconv.Itoa(rand.IntN(10)) //nolint:gosec // the key of a trial is no secret
	}
	port, err := s.ports.next(ctx)
	if err != nil {
		return s, err
	}
	if s.redis, err = redis.StartAt(ctx, o.RedisServer, port); err != nil {
		return s, err
	}
	if err = s.prepare(ctx); err != nil {
		return s, err
	}
	for range o.Servers {
		if _, err = s.add(ctx); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *site) program() string { return filepath.Join(s.work, "hubserver") }

// prepare makes the places, one more than servers, and the balancer in front of them.
func (s *site) prepare(ctx context.Context) error {
	var places []haproxy.Server
	for i := range s.options.Servers + 1 {
		port, err := s.ports.next(ctx)
		if err != nil {
			return err
		}
		p := &place{name: "place" + strconv.Itoa(i), port: port}
		s.places = append(s.places, p)
		places = append(places, haproxy.Server{Name: p.name, Address: "127.0.0.1:" + port})
	}
	log, err := s.log("haproxy")
	if err != nil {
		return err
	}
	s.balancer, err = haproxy.Start(ctx, haproxy.Options{Program: s.options.HAProxy, Folder: s.work, Servers: places, Log: log})
	return err
}

// add starts a server at a free place and returns when the balancer sends it clients.
func (s *site) add(ctx context.Context) (*server, error) {
	at := s.free()
	if at == nil {
		return nil, errors.New("no place is free for another server")
	}
	metricsPort, err := s.ports.next(ctx)
	if err != nil {
		return nil, err
	}
	s.started++
	added := &server{place: at, name: "hub-" + strconv.Itoa(s.started), metrics: "127.0.0.1:" + metricsPort}
	log, err := s.log(added.name)
	if err != nil {
		return nil, err
	}
	added.Process, err = process.Start(process.Spec{
		Command: append([]string{
			s.program(), "--urls", "http://127.0.0.1:" + at.port, "--redis-connection", s.redis.Address, "--server-name", added.name,
			"--metrics-address", added.metrics, "--drain-delay", drainDelay.String(), "--shutdown-timeout", shutdownTimeout.String(),
		}, s.options.ServerFlags...),
		Environment: []string{keyVariable + "=" + s.key},
		Log:         log,
	})
	if err != nil {
		return nil, err
	}
	at.server = added
	if _, err := added.AwaitHealthy(ctx, "http://127.0.0.1:"+at.port+"/readyz"); err != nil {
		return nil, err
	}
	return added, s.balancer.Await(ctx, at.name, true)
}

func (s *site) free() *place {
	for _, p := range s.places {
		if p.server == nil {
			return p
		}
	}
	return nil
}

// servers are those that run, in the order of their places.
func (s *site) servers() []*server {
	var all []*server
	for _, p := range s.places {
		if p.server != nil {
			all = append(all, p.server)
		}
	}
	return all
}

// retire tells a server to end and returns when it has.
func (s *site) retire(ctx context.Context, leaving *server) error {
	ctx, cancel := context.WithTimeoutCause(ctx, endTimeout, fmt.Errorf("it did not end within %v", endTimeout))
	defer cancel()
	leaving.Terminate()
	select {
	case <-leaving.Exited():
	case <-ctx.Done():
		return fmt.Errorf("end of %s: %w", leaving.name, context.Cause(ctx))
	}
	leaving.place.server = nil
	if err := leaving.Failure(); !leaving.Orderly() {
		_, _ = fmt.Fprintf(s.options.Log, "  %s did not end in order: %v\n", leaving.name, err)
	}
	return nil
}

// connections is how many each server has, by name.
func (s *site) connections(ctx context.Context) (map[string]int, error) {
	counts := map[string]int{}
	for _, server := range s.servers() {
		values, err := metrics.Read(ctx, s.http, "http://"+server.metrics+"/metrics")
		if err != nil {
			return nil, fmt.Errorf("metrics of %s: %w", server.name, err)
		}
		counts[server.name] = int(values["signalr_server_active_connections"])
	}
	return counts, nil
}

// restartRedis ends Redis and starts it anew at its address, without what it knew.
func (s *site) restartRedis(ctx context.Context) error {
	s.redis.Stop()
	_, port, err := net.SplitHostPort(s.redis.Address)
	if err != nil {
		return err
	}
	restarted, err := redis.StartAt(ctx, s.options.RedisServer, port)
	if err != nil {
		return err
	}
	s.redis = restarted
	return nil
}

// failure is why something ended by itself that should run, nil if all runs.
func (s *site) failure() error {
	failure := errors.Join(s.redis.Failure(), s.balancer.Failure())
	for _, server := range s.servers() {
		failure = errors.Join(failure, server.Failure())
	}
	return failure
}

// close ends all that was started.
func (s *site) close() {
	for _, server := range s.servers() {
		_ = server.Resume() // one that is paused cannot end
		server.Kill()
	}
	if s.balancer != nil {
		s.balancer.Stop()
	}
	if s.redis != nil {
		s.redis.Stop()
	}
	for _, log := range s.logs {
		_ = log.Close()
	}
	_ = os.RemoveAll(s.work)
}

// log opens a file for the output of a program; without a folder for it, nobody gets that.
func (s *site) log(name string) (io.Writer, error) {
	if s.options.LogFolder == "" {
		return io.Discard, nil
	}
	path := filepath.Join(s.options.LogFolder, name+".log")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, logMode) // #nosec G304 -- the user names the folder
	if err != nil {
		return nil, fmt.Errorf("open a log: %w", err)
	}
	s.logs = append(s.logs, file)
	return file, nil
}

// ports are those that were given to something on the site: a place listens only once it has a server.
type ports map[string]bool

// next gives a free port that stays free while nobody listens there: it is outside of those that systems give to
// connections, of which there are many here.
func (p ports) next(ctx context.Context) (string, error) {
	const lowest, count, attempts = 20_000, 10_000, 100
	for range attempts {
		port := strconv.Itoa(lowest + rand.IntN(count)) //nolint:gosec // no secret
		if p[port] {
			continue
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:"+port)
		if err == nil {
			p[port] = true
			return port, listener.Close()
		}
	}
	return "", errors.New("find a free port: none found")
}
