package transport

import (
	"cmp"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// EndpointOptions are the settings of one endpoint. A zero value means the default, which is that of ASP.NET Core
// where it has the setting.
type EndpointOptions struct {
	// Transports are offered to clients. Default All; None offers nothing.
	Transports Kind
	// MinimumProtocolVersion is the lowest version of the negotiation that is served. Default 0.
	MinimumProtocolVersion int
	// AllowStatefulReconnects grants stateful reconnect to the clients that ask for it. Default false.
	AllowStatefulReconnects bool
	// TransportSendTimeout is how long one write may take before the connection is dropped. Default 10 s.
	TransportSendTimeout time.Duration
	// CloseTimeout is how long a WebSocket waits for the client's close frame after its own. Default 5 s.
	CloseTimeout time.Duration
	// PollTimeout is how long a poll waits for something to send. Default 90 s.
	PollTimeout time.Duration
	// TransportMaxBufferSize is how many bytes may wait for a client before senders that can wait do. Default 64 KiB.
	TransportMaxBufferSize int
	// OutboundBufferSize is how many bytes may wait for a client at all: one that falls further behind loses its
	// connection. Default 1 MiB.
	OutboundBufferSize int
	// StatefulReconnectBufferSize is how many bytes are sent without the client's acknowledgement when stateful
	// reconnect is on. Default 100,000.
	StatefulReconnectBufferSize int
	// AllowOrigin decides whether a browser page of that origin may open a WebSocket. Default: only pages of the
	// endpoint's own host.
	AllowOrigin func(r *http.Request, origin string) bool
	// Authenticate looks at every request of the endpoint. It returns the user, kept with the connection, or answers the
	// request itself and returns false. Default: everybody may. A user with a method Identity() string is told from others:
	// a connection serves requests of its own user only.
	Authenticate func(w http.ResponseWriter, r *http.Request) (user any, ok bool)
}

func (o *EndpointOptions) setDefaults() {
	o.Transports = cmp.Or(o.Transports, All)
	o.TransportSendTimeout = cmp.Or(o.TransportSendTimeout, 10*time.Second)
	o.CloseTimeout = cmp.Or(o.CloseTimeout, 5*time.Second)
	o.PollTimeout = cmp.Or(o.PollTimeout, 90*time.Second)
	o.TransportMaxBufferSize = cmp.Or(o.TransportMaxBufferSize, 64*1024)
	o.OutboundBufferSize = cmp.Or(o.OutboundBufferSize, 1024*1024)
	o.StatefulReconnectBufferSize = cmp.Or(o.StatefulReconnectBufferSize, 100_000)
}

func (o *EndpointOptions) outboxLimits() outboxLimits {
	return outboxLimits{total: o.OutboundBufferSize, pause: o.TransportMaxBufferSize, unacknowledged: o.StatefulReconnectBufferSize}
}

// Endpoint serves one hub at one path: the path itself and path + "/negotiate".
type Endpoint struct {
	manager     *Manager
	hub         string
	application Application
	options     EndpointOptions
}

// NewEndpoint returns an endpoint of the hub with that name, whose tokens are of no use for other hubs.
func (m *Manager) NewEndpoint(hub string, application Application, options EndpointOptions) *Endpoint {
	options.setDefaults()
	return &Endpoint{manager: m, hub: hub, application: application, options: options}
}

// ServeHTTP answers all requests of the endpoint's connections, as section "Transports" of TransportProtocols.md says.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, ok := e.authenticate(w, r)
	if !ok {
		return
	}
	query := r.URL.Query()
	exchange := &exchange{endpoint: e, writer: w, request: r, query: query, user: user}
	switch {
	case IsNegotiation(r.URL.Path):
		exchange.negotiate()
	case isEventStream(r):
		exchange.serveEvents()
	case r.Method == http.MethodGet && isWebSocketUpgrade(r):
		exchange.serveWebSocket()
	case r.Method == http.MethodGet:
		exchange.servePoll()
	case r.Method == http.MethodPost:
		exchange.servePost()
	case r.Method == http.MethodDelete:
		exchange.serveDelete()
	default:
		exchange.respond(http.StatusMethodNotAllowed, "")
	}
}

// IsNegotiation tells the path of a negotiation from that of a connection. Case and a slash at the end do not matter, as in the
// routing of ASP.NET Core.
func IsNegotiation(path string) bool {
	return strings.HasSuffix(strings.ToLower(strings.TrimSuffix(path, "/")), "/negotiate")
}

func (e *Endpoint) authenticate(w http.ResponseWriter, r *http.Request) (any, bool) {
	if e.options.Authenticate == nil {
		return nil, true
	}
	return e.options.Authenticate(w, r)
}

// exchange is one HTTP request of an endpoint and its response.
type exchange struct {
	endpoint *Endpoint
	writer   http.ResponseWriter
	request  *http.Request
	query    url.Values
	user     any
}

// The bodies with which requests are refused, as ASP.NET Core words them.
const (
	bodyIDRequired      = "Connection ID required"
	bodyUnknownID       = "No Connection with that ID"
	bodyOtherTransport  = "Cannot change transports mid-connection"
	bodyNoPost          = "POST requests are not allowed for WebSocket connections."
	bodyNoDelete        = "Cannot terminate this connection using the DELETE endpoint."
	bodyNotSupportedEnd = " transport not supported by this end point type"
	// What follows the reference does not have.
	bodyFull = "The server has as many connections as it may have. Try again later."
)

// respond answers with a short text.
func (x *exchange) respond(status int, body string) {
	x.writer.Header().Set("Content-Type", "text/plain")
	x.writer.WriteHeader(status)
	_, _ = io.WriteString(x.writer, body)
}

// connection finds the connection that the query names, or answers the request and returns nil.
func (x *exchange) connection() *Connection {
	token, ok := queryValue(x.query, "id")
	if !ok || token == "" {
		x.respond(http.StatusBadRequest, bodyIDRequired)
		return nil
	}
	connection, ended := x.endpoint.manager.known(token)
	if connection == nil && !ended {
		if connection = x.locate(token); connection == nil {
			return nil
		}
	}
	// Who has a token of another hub or of another user shall not even learn that it is one.
	if connection == nil || connection.endpoint.hub != x.endpoint.hub || IdentityOf(connection.Request().User) != IdentityOf(x.user) {
		x.refuseUnknown()
		return nil
	}
	return x.settled(connection, token)
}

func (x *exchange) refuseUnknown() { x.respond(http.StatusNotFound, bodyUnknownID) }

// retryAfter is how many seconds a client shall wait that comes to a server which is full.
const retryAfter = "5"

// refuseFull answers who would be one connection too many.
func (x *exchange) refuseFull() {
	x.endpoint.manager.options.Observer.Refused(LimitConnections)
	x.writer.Header().Set("Retry-After", retryAfter)
	x.respond(http.StatusServiceUnavailable, bodyFull)
}

// IdentityOf names the user whom Authenticate returned, "" if it returned none or does not tell users apart.
func IdentityOf(user any) string {
	if named, ok := user.(interface{ Identity() string }); ok {
		return named.Identity()
	}
	return ""
}

// bind makes kind the connection's transport, or answers the request and returns false.
func (x *exchange) bind(connection *Connection, kind Kind) bool {
	if !x.endpoint.options.Transports.Has(kind) {
		x.respond(http.StatusNotFound, kind.String()+bodyNotSupportedEnd)
		return false
	}
	connection.mu.Lock()
	free := connection.kind == 0
	same := connection.kind == kind
	if free {
		connection.kind = kind
		connection.started = time.Now()
	}
	connection.mu.Unlock()
	if free {
		if kind != WebSockets {
			connection.DisableStateful()
		}
		x.endpoint.manager.options.Observer.ConnectionStarted(kind)
	}
	if !free && !same {
		x.respond(http.StatusBadRequest, bodyOtherTransport)
	}
	return free || same
}

func accepts(r *http.Request, mediaType string) bool {
	for _, value := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(value, ",") {
			if parsed, _, err := mime.ParseMediaType(part); err == nil && parsed == mediaType {
				return true
			}
		}
	}
	return false
}
