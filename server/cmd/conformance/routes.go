package main

import (
	"io"
	"net/http"
	"slices"

	"github.com/rs/cors"

	"github.com/chatcluster/chatcluster/server/chat"
	"github.com/chatcluster/chatcluster/server/host"
	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/authentication"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// maximumBroadcast bounds the body of POST /broadcast.
const maximumBroadcast = 1 << 20

// site is what is served: the hubs at paths of their own, and all the rest.
type site struct {
	settings settings
	access   *access
	mux      *http.ServeMux
	// ready says why the server should get no clients yet.
	ready func() error
}

func newSite(s settings) (*site, error) {
	access, err := newAccess(s.key, &Hub{})
	if err != nil {
		return nil, err
	}
	site := &site{settings: s, access: access, mux: http.NewServeMux()}
	site.mux.HandleFunc("GET /health", site.serveHealth)
	site.mux.HandleFunc("GET /token", access.serveToken)
	return site, nil
}

// hubs are served by the host. Further endpoints of the same hubs are added to the rest when it registers them.
func (s *site) hubs() []host.Hub {
	value := &Hub{} // shared by both hubs, as the reference shares what it counts
	return []host.Hub{
		{Name: hubName, Path: "/conformance", Value: value, Configure: s.configure(s.access.known, s.access.methods), Registered: s.addVariants},
		{Name: protectedHubName, Path: "/protected", Value: value, Configure: s.configure(s.access.required, s.access.methods)},
		{Name: chat.DefaultName, Path: chat.DefaultPath, Value: &chat.Hub{}, Configure: s.configure(s.access.known, nil)},
	}
}

// configure puts what the environment says in the place of what the host would do.
func (s *site) configure(who authentication.Bearer, methods func(*signalr.Context, string) bool) func(*signalr.HubOptions, *signalr.EndpointOptions) {
	return func(hub *signalr.HubOptions, endpoint *signalr.EndpointOptions) {
		*hub, *endpoint = s.settings.hub, s.endpoint()
		hub.UserID, hub.Authorize = authentication.UserID, methods
		endpoint.Authenticate = who.Authenticate
	}
}

func (s *site) endpoint() signalr.EndpointOptions {
	options := s.settings.endpoint
	options.AllowOrigin = func(_ *http.Request, origin string) bool { return slices.Contains(s.settings.origins, origin) }
	options.Authenticate = s.access.known.Authenticate
	return options
}

// addVariants serves the hub with other options at other paths.
func (s *site) addVariants(hub *signalr.Hub) {
	stateless, longPolling, none := s.endpoint(), s.endpoint(), s.endpoint()
	stateless.AllowStatefulReconnects = false
	longPolling.Transports = transport.LongPolling
	none.Transports = transport.None
	mount(s.mux, "/conformance-stateless", hub.Endpoint(stateless))
	mount(s.mux, "/conformance-longpolling", hub.Endpoint(longPolling))
	mount(s.mux, "/conformance-none", hub.Endpoint(none))
	s.mux.Handle("POST /broadcast", broadcast(hub))
}

// handler serves all but the hubs.
func (s *site) handler() http.Handler { return allowOrigins(s.settings.origins, s.mux) }

func (s *site) serveHealth(w http.ResponseWriter, _ *http.Request) {
	if err := s.ready(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "ok")
}

// mount serves an endpoint at a path and at the path of its negotiation.
func mount(mux *http.ServeMux, path string, endpoint http.Handler) {
	mux.Handle(path, endpoint)
	mux.Handle(path+"/negotiate", endpoint)
}

// broadcast sends the body to all clients, from outside a hub.
func broadcast(hub *signalr.Hub) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maximumBroadcast))
		if err != nil {
			http.Error(w, "the message is too long, or was not sent to its end", http.StatusBadRequest)
			return
		}
		if err := hub.Clients().All().Send(r.Context(), receive, string(text)); err != nil {
			http.Error(w, "the message was not accepted: "+err.Error(), http.StatusInternalServerError)
		}
	}
}

// allowOrigins lets pages of other origins call the server, with credentials.
func allowOrigins(origins []string, next http.Handler) http.Handler {
	return cors.New(cors.Options{
		AllowedOrigins:   origins,
		AllowedMethods:   []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete},
		AllowedHeaders:   []string{"*"},
		AllowCredentials: true,
	}).Handler(next)
}
