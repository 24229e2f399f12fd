package main

import (
	"io"
	"net/http"
	"slices"

	"github.com/rs/cors"

	"github.com/chatcluster/chatcluster/server/chat"
	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/authentication"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// maximumBroadcast bounds the body of POST /broadcast.
const maximumBroadcast = 1 << 20

// routes registers the hubs and returns what serves all paths.
func routes(server *signalr.Server, s settings) (http.Handler, error) {
	mux := http.NewServeMux()
	value := &Hub{} // shared by both hubs, as the reference shares what it counts
	access, err := newAccess(s.key, value)
	if err != nil {
		return nil, err
	}
	s.hub.UserID, s.hub.Authorize = authentication.UserID, access.methods
	s.endpoint.Authenticate = access.known.Authenticate
	hub, err := server.Hub(hubName, value, s.hub)
	if err != nil {
		return nil, err
	}
	protected, err := server.Hub(protectedHubName, value, s.hub)
	if err != nil {
		return nil, err
	}
	s.hub.Authorize = nil // the policies are those of the other hub
	chatHub, err := server.Hub(chat.DefaultName, &chat.Hub{}, s.hub)
	if err != nil {
		return nil, err
	}
	s.endpoint.AllowOrigin = func(_ *http.Request, origin string) bool { return slices.Contains(s.origins, origin) }
	stateless, longPolling, none, guarded := s.endpoint, s.endpoint, s.endpoint, s.endpoint
	stateless.AllowStatefulReconnects = false
	longPolling.Transports = transport.LongPolling
	none.Transports = transport.None
	guarded.Authenticate = access.required.Authenticate
	mount(mux, chat.DefaultPath, chatHub.Endpoint(s.endpoint))
	mount(mux, "/conformance", hub.Endpoint(s.endpoint))
	mount(mux, "/conformance-stateless", hub.Endpoint(stateless))
	mount(mux, "/conformance-longpolling", hub.Endpoint(longPolling))
	mount(mux, "/conformance-none", hub.Endpoint(none))
	mount(mux, "/protected", protected.Endpoint(guarded))
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	mux.HandleFunc("GET /token", access.serveToken)
	mux.Handle("POST /broadcast", broadcast(hub))
	return allowOrigins(s.origins, mux), nil
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
