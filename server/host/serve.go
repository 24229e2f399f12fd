package host

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/authentication"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// The limits of a request. There is none for writing a response: server-sent events and polls take as long as they
// take, and the transports watch each write.
const (
	readHeaderTimeout = 10 * time.Second
	// readTimeout is for the body too. Hubs read bodies in their own time, and say so; this is for all others, above all
	// those that nobody reads: net/http waits for their end before it answers, however long that takes.
	readTimeout       = 30 * time.Second
	idleTimeout       = 2 * time.Minute
	maximumHeaderSize = 32 << 10
)

func newServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ErrorLog: httpErrors(logger),
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maximumHeaderSize,
	}
}

// webServer is the server of hubs and health checks, without its handler.
func (h *Host) webServer() (*endable, error) {
	server := newEndable(newServer(nil, h.logger))
	if h.options.Config.TLSCertificateFile == "" {
		return server, nil
	}
	pair, err := loadCertificate(h.options.Config.TLSCertificateFile, h.options.Config.TLSKeyFile, &h.reloads)
	if err != nil {
		return nil, config.Problem("TlsCertificateFile", "%v; allowed are a certificate and its private key in PEM files", err)
	}
	server.TLSConfig = pair.config()
	return server, nil
}

func serveOn(server *http.Server, on listener) error {
	if on.tls {
		return server.ServeTLS(on, "", "")
	}
	return server.Serve(on)
}

// handler puts together all that answers requests, the outermost first: who the client is, the path, the hub.
func (h *Host) handler() (http.Handler, error) {
	routes := &routes{exact: map[string]http.Handler{}, rest: h.options.Handler}
	if routes.rest == nil {
		routes.rest = http.NotFoundHandler()
	}
	if err := h.mount(routes); err != nil {
		return nil, err
	}
	public := forwarded(h.options.Config.TrustedProxies, stripPathBase(h.options.Config.PathBase, routes))
	return survivePanics(h.logger, h.lettingGo(public)), nil
}

func (h *Host) mount(routes *routes) error {
	if err := routes.add(healthPath, http.HandlerFunc(h.health.serveAlive)); err != nil {
		return err
	}
	if err := routes.add(readyPath, http.HandlerFunc(h.health.serveReady)); err != nil {
		return err
	}
	origins := newOrigins(h.options.Config.CORSOrigins, h.logger)
	limit := newNegotiationLimit(h.options.Config.MaximumNegotiationsPerMinute, h.metrics)
	bearer, err := h.authenticate()
	if err != nil {
		return err
	}
	for _, hub := range h.options.Hubs {
		if err := h.mountHub(routes, hub, origins, limit, bearer); err != nil {
			return err
		}
	}
	return nil
}

// mountHub serves a hub at its path and at the path of its negotiation.
func (h *Host) mountHub(routes *routes, hub Hub, origins *origins, limit *negotiationLimit, bearer *authentication.Bearer) error {
	hubOptions, endpointOptions := h.hubOptions(), h.endpointOptions()
	endpointOptions.AllowOrigin = origins.allow
	h.identify(bearer, &hubOptions, &endpointOptions)
	if hub.Configure != nil {
		hub.Configure(&hubOptions, &endpointOptions)
	}
	registered, err := h.hubs.Hub(hub.Name, hub.Value, hubOptions)
	if err != nil {
		return err
	}
	if hub.Registered != nil {
		hub.Registered(registered)
	}
	endpoint := origins.handler(limit.handler(h.link.gate(registered.Endpoint(endpointOptions))))
	if err := routes.add(hub.Path, endpoint); err != nil {
		return err
	}
	return routes.add(hub.Path+"/negotiate", endpoint)
}

func (h *Host) hubOptions() signalr.HubOptions {
	c := h.options.Config
	return signalr.HubOptions{
		HandshakeTimeout:                    c.HandshakeTimeout,
		KeepAliveInterval:                   c.KeepAliveInterval,
		ClientTimeoutInterval:               c.ClientTimeoutInterval,
		MaximumReceiveMessageSize:           int(c.MaximumReceiveMessageSize),
		EnableDetailedErrors:                c.EnableDetailedErrors,
		MaximumParallelInvocationsPerClient: c.MaximumParallelInvocationsPerClient,
		StreamBufferCapacity:                c.StreamBufferCapacity,
		MaximumMessagesPerSecond:            c.MaximumMessagesPerSecond,
		MessageBurst:                        c.MessageBurst,
		MaximumStreamsPerClient:             c.MaximumStreamsPerClient,
	}
}

func (h *Host) endpointOptions() signalr.EndpointOptions {
	c := h.options.Config
	return signalr.EndpointOptions{
		Transports:                  transports(c.Transports),
		AllowStatefulReconnects:     c.AllowStatefulReconnects,
		TransportSendTimeout:        c.TransportSendTimeout,
		PollTimeout:                 c.LongPollingPollTimeout,
		OutboundBufferSize:          int(c.OutboundBufferSize),
		StatefulReconnectBufferSize: int(c.StatefulReconnectBufferSize),
	}
}

func transports(names []string) transport.Kind {
	kinds := map[string]transport.Kind{
		config.WebSockets: transport.WebSockets, config.ServerSentEvents: transport.ServerSentEvents, config.LongPolling: transport.LongPolling,
	}
	var set transport.Kind
	for _, name := range names {
		set |= kinds[name]
	}
	return set
}

// metricsHandler serves the metrics, and health beside them for those who may reach this port only.
func (h *Host) metricsHandler() http.Handler {
	routes := &routes{exact: map[string]http.Handler{
		"/metrics": h.metrics.Handler(),
		healthPath: http.HandlerFunc(h.health.serveAlive),
		readyPath:  http.HandlerFunc(h.health.serveReady),
	}, rest: http.NotFoundHandler()}
	return survivePanics(h.logger, routes)
}

// listenHostPort opens an address that is given without a scheme.
func listenHostPort(ctx context.Context, key, hostPort string) ([]listener, error) {
	host, port, err := splitHostPort(key, hostPort)
	if err != nil {
		return nil, err
	}
	opened, err := listen(ctx, config.Address{Host: host, Port: port})
	if err != nil {
		return nil, config.Problem(key, "%w", &AddressError{hostPort, err})
	}
	return opened, nil
}

// splitHostPort parses the value of a key. The hosts * and + mean all addresses, as in Urls, and become empty.
func splitHostPort(key, hostPort string) (host string, port int, err error) {
	host, digits, err := net.SplitHostPort(hostPort)
	if err != nil {
		return "", 0, config.Problem(key, "%v", err)
	}
	number, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return "", 0, config.Problem(key, "%v", err)
	}
	if host == "*" || host == "+" {
		host = ""
	}
	return host, int(number), nil
}
