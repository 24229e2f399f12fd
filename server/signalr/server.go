// Package signalr serves hubs to the clients of ASP.NET Core SignalR. A hub is any Go value; its own exported methods
// whose first parameter is a *Context are what clients may call:
//
//	type Chat struct{}
//
//	func (Chat) SendMessage(ctx *signalr.Context, user, message string) error {
//		return ctx.Clients().All().Send(ctx, "ReceiveMessage", user, message)
//	}
//
//	server, err := signalr.NewServer(signalr.ServerOptions{})
//	hub, err := server.Hub("Chat", Chat{}, signalr.HubOptions{})
//	endpoint := hub.Endpoint(signalr.EndpointOptions{})
//	mux.Handle("/chat", endpoint)
//	mux.Handle("/chat/", endpoint)
package signalr

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// Server serves any number of hubs. It is safe for concurrent use.
type Server struct {
	options ServerOptions
	manager *transport.Manager
	// givingAway is set when other servers may have every connection, and this one takes none.
	givingAway atomic.Bool
	// departures counts the connections that have gone on at other servers.
	departures atomic.Int64

	// mu guards hubs and closed.
	mu     sync.Mutex
	hubs   []*Hub
	closed bool
}

// NewServer starts a server; Shutdown ends it.
func NewServer(options ServerOptions) (*Server, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Backplane == nil {
		options.Backplane = &backplane.Memory{}
	}
	if options.Keys == nil {
		keys, err := newKeys()
		if err != nil {
			return nil, err
		}
		options.Keys = keys
	}
	transports := transport.ManagerOptions{DisconnectTimeout: options.DisconnectTimeout, Tokens: tokens{options.Keys}}
	transports.MaximumConnections = options.MaximumConnections
	if options.Observer != nil {
		transports.Observer = options.Observer
	}
	if options.Member != nil {
		transports.Peers = options.Member
	}
	server := &Server{options: options, manager: transport.NewManager(transports)}
	if options.Member != nil {
		options.Member.OnLost(server.manager.Abandon)
		options.Member.OnMove((*giver)(server))
	}
	return server, nil
}

// Forwarded serves requests that other servers forward because their connections live here. It is for the peer listener
// alone: it believes what is said of the client.
func (s *Server) Forwarded() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.manager.ServeForwarded(w, r) {
			cluster.RejectForwarded(w)
		}
	})
}

// Hub registers a hub under the name that servers know it by: hubs of the same name on all servers of a backplane share
// their clients, with ASP.NET Core servers the full name of the hub's class. The value is used for all calls, many at a
// time. An error says which of its methods cannot be served: those with a parameter that nothing can be read into, with a result
// that is an error of a type of its own, or with a pointer as their receiver where the value is none.
//
// The value may have methods OnConnected(*Context) error and OnDisconnected(*Context, error): they are called when a
// connection has begun and ended. Any other signature is refused. If OnConnected fails, the connection ends and OnDisconnected is not called; its error
// is nil unless a fault ended the connection.
func (s *Server) Hub(name string, value any, options HubOptions) (*Hub, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrServerClosed
	}
	hub, err := newHub(s, name, value, options)
	if err != nil {
		return nil, fmt.Errorf("register hub %s: %w", name, err)
	}
	s.hubs = append(s.hubs, hub)
	return hub, nil
}

// Connections is the number of connections now, those that are still negotiating not counted.
func (s *Server) Connections() int { return s.manager.Connections() }

// Departed is how many connections have gone on at other servers since this one started: they were sent away, or given away,
// and left. Those that have just ended are not counted.
func (s *Server) Departed() int { return int(s.departures.Load()) }

// closeTimeout is how long clients get to read what was written before the end.
const closeTimeout = 5 * time.Second

// Shutdown ends all connections, inviting clients to connect again elsewhere, and waits for running calls and
// OnDisconnected until ctx ends; then what is left is cut, and the cause of ctx is returned. The server does not close
// its backplane.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	hubs := s.hubs
	s.mu.Unlock()
	for _, hub := range hubs {
		hub.closeConnections()
	}
	closing, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	s.manager.Shutdown(closing)
	problems := make([]error, 0, 2*len(hubs))
	for _, hub := range hubs {
		problems = append(problems, hub.wait(ctx))
	}
	for _, hub := range hubs {
		problems = append(problems, hub.backplane.Close())
	}
	return errors.Join(problems...)
}
