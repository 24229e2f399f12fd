// Package host runs hub servers: it opens their addresses, joins them with others through Redis, answers health
// checks, shows metrics, and lets them end without losing clients. Main makes a whole program of a few hubs,
// configuration and command line included; New and Run are for programs that bring their own.
//
//	func main() {
//		os.Exit(host.Main(host.Program{
//			Name: "stocks",
//			Hubs: func(*host.Settings) ([]host.Hub, error) {
//				return []host.Hub{{Name: "Stocks", Path: "/stocks", Value: &Stocks{}}}, nil
//			},
//		}, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
//	}
package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/host/drain"
	"github.com/chatcluster/chatcluster/server/host/metrics"
	"github.com/chatcluster/chatcluster/server/signalr"
)

// Hub is a hub to be served.
type Hub struct {
	// Name is what servers know the hub by: hubs of the same name share their clients over Redis. For an ASP.NET Core
	// server it is the full name of the hub's class.
	Name string
	// Path is where clients connect, such as /chatHub.
	Path string
	// Value is the hub; see signalr.Server.Hub.
	Value any
	// Configure, if not nil, may change the options that the configuration gave the hub.
	Configure func(*signalr.HubOptions, *signalr.EndpointOptions)
	// Registered, if not nil, gets the hub before it has clients, for sending from outside of hub methods.
	Registered func(*signalr.Hub)
}

// Options are the settings of a Host.
type Options struct {
	// Config is what the host goes by: config.Default, or what a program was told.
	Config config.Config
	// Hubs are served at their paths.
	Hubs []Hub
	// Handler serves all other paths. Default: they are not found.
	Handler http.Handler
	// Logger gets what operators should know. Default: slog.Default.
	Logger *slog.Logger
	// Version is logged at the start and shown in the metrics.
	Version string
}

// Host is a hub server: its addresses are open, Run serves them.
type Host struct {
	options Options
	logger  *slog.Logger
	health  health
	metrics *metrics.Metrics
	link    *clusterLink
	reloads reloads
	peers   *peers
	hubs    *signalr.Server
	drain   *drain.Runner
	web     *endable
	// listeners are of web, observed of the metrics' own server.
	listeners []listener
	watch     *endable
	observed  []listener
}

// New makes a server and opens its addresses; nobody is served before Run. An error about the configuration is a
// *config.Error. Every host is either run or closed.
func New(options Options, hubs ...Hub) (*Host, error) {
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	options.Hubs = append(options.Hubs[:len(options.Hubs):len(options.Hubs)], hubs...)
	h := &Host{options: options, logger: options.Logger}
	if err := h.build(); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// build makes the parts in the order in which they need each other. The addresses come before Redis: a start that
// fails leaves no trace there.
func (h *Host) build() (err error) {
	if err = h.options.Config.Check(); err != nil {
		return err
	}
	h.metrics = metrics.New()
	h.metrics.Build(cmp.Or(h.options.Version, "unknown"))
	h.metrics.Limits(h.options.Config.MaximumConnections)
	h.reloads = reloads{logger: h.logger, counted: h.metrics.Reloaded}
	if h.web, err = h.webServer(); err != nil {
		return err
	}
	if err = h.listen(); err != nil {
		return err
	}
	if err = h.join(); err != nil {
		return err
	}
	h.web.Handler, err = h.handler()
	return err
}

// join makes the hubs' server, with the backplane that the configuration names.
func (h *Host) join() (err error) {
	joining := h.options.Config
	if len(h.options.Hubs) == 0 {
		joining.RedisConnection = "" // there is nothing to share
	}
	if h.link, err = openClusterLink(joining, h.metrics, h.logger); err != nil {
		return err
	}
	h.health.checks = h.link.checks
	h.link.watch(&h.reloads, joining)
	options := signalr.ServerOptions{
		Backplane: h.link.backplane, Keys: h.link.keys, Logger: h.logger, Observer: h.metrics,
		MaximumConnections: h.options.Config.MaximumConnections,
	}
	if h.link.redis != nil {
		if h.peers, err = openPeers(joining, h.link, h.metrics, h.logger); err != nil {
			return err
		}
		options.Member = h.peers.member
	}
	if h.hubs, err = signalr.NewServer(options); err != nil {
		return err
	}
	h.drain = h.newDrain()
	if h.peers != nil {
		h.peers.serve(h.link.keys, survivePanics(h.logger, h.hubs.Forwarded()), h.drain)
		h.peers.member.Report(h.load)
	}
	return nil
}

func (h *Host) listen() (err error) {
	if h.listeners, err = listenAll(context.Background(), h.options.Config.URLs); err != nil {
		return err
	}
	if h.options.Config.MetricsAddress == "" {
		return nil
	}
	h.watch = newEndable(newServer(h.metricsHandler(), h.logger))
	h.observed, err = listenHostPort(context.Background(), "MetricsAddress", h.options.Config.MetricsAddress)
	return err
}

// Addresses are where clients reach the server, with the ports that were chosen.
func (h *Host) Addresses() []string { return addresses(h.listeners) }

// addresses names each address once, were it two sockets as localhost is.
func addresses(listeners []listener) []string {
	all := make([]string, 0, len(listeners))
	for _, listener := range listeners {
		all = append(all, listener.address)
	}
	return slices.Compact(all)
}

// Ready says why the server should get no clients now; nil if it may.
func (h *Host) Ready() error {
	if reason := h.health.ready(); reason != "" {
		return errors.New(reason)
	}
	return nil
}

// Close gives back the addresses of a host that is not run.
func (h *Host) Close() {
	closeAll(h.listeners)
	closeAll(h.observed)
	if h.hubs != nil {
		_ = h.hubs.Shutdown(context.Background()) // nobody is connected
	}
	if h.peers != nil {
		h.peers.close(context.Background())
	}
	if h.link != nil {
		_ = h.link.close() // there is an error to return already
	}
}

// Run serves until ctx ends. Then it stops being ready, sends all clients elsewhere within ShutdownTimeout, and returns
// nil if all were gone by then. It also ends, with an error, when serving fails.
func (h *Host) Run(ctx context.Context) error {
	h.announce()
	failed := make(chan error, len(h.listeners)+len(h.observed)+1)
	var serving sync.WaitGroup
	serve := func(server *endable, on listener) {
		serving.Go(func() {
			if err := serveOn(server.Server, on); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve %s: %w", on.address, err)
			}
		})
	}
	for _, listener := range h.listeners {
		serve(h.web, listener)
	}
	for _, listener := range h.observed {
		serve(h.watch, listener)
	}
	watching, stopWatching := context.WithCancel(context.Background())
	serving.Go(func() { h.reloads.run(watching) })
	serving.Go(func() { h.rebalance(watching) })
	if h.peers != nil {
		serve(h.peers.server, h.peers.listener)
	}
	var problem error
	select {
	case <-ctx.Done():
	case problem = <-failed:
	}
	problem = errors.Join(problem, h.shutdown())
	stopWatching()
	serving.Wait()
	return problem
}

func (h *Host) announce() {
	if h.options.Version != "" {
		h.logger.Info("starting", "version", h.options.Version)
	}
	if len(h.options.Hubs) > 0 && h.link.redis == nil {
		h.logger.Info("no RedisConnection: this server stands alone and keeps its messages in memory")
	}
	if c := h.options.Config; c.JWTKey != "" {
		h.logger.Info("clients are known by their tokens", "required", c.RequireAuthentication == nil || *c.RequireAuthentication)
	}
	for _, address := range h.Addresses() {
		h.logger.Info("listening", "address", address)
	}
	if h.peers != nil {
		h.logger.Info("listening for other servers", "address", h.peers.listener.address)
	}
	for _, address := range addresses(h.observed) {
		h.logger.Info("serving metrics", "address", address+"/metrics")
	}
}

// shutdown ends the server. It stops being ready first, so that new clients are sent elsewhere; the listeners stay open
// while the hubs end, because requests of connections that still live arrive until then.
func (h *Host) shutdown() error {
	started := time.Now()
	ctx, cancel := context.WithTimeoutCause(context.Background(), h.options.Config.ShutdownTimeout, errShutdownTimeout)
	defer cancel()
	h.logger.Info("shutting down", "connections", h.hubs.Connections(), "timeout", h.options.Config.ShutdownTimeout)
	h.drain.End(ctx)
	h.metrics.ShuttingDown()
	problem := h.hubs.Shutdown(ctx)
	problem = errors.Join(problem, h.web.end(ctx))
	if h.watch != nil {
		problem = errors.Join(problem, h.watch.end(ctx))
	}
	if h.peers != nil {
		problem = errors.Join(problem, h.peers.server.end(ctx))
		h.peers.close(ctx)
	}
	problem = errors.Join(problem, h.link.close())
	if problem == nil {
		h.logger.Info("shut down", "took", time.Since(started).Round(time.Millisecond))
	}
	return problem
}

var errShutdownTimeout = errors.New("ShutdownTimeout passed before all was done")
