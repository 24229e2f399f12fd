package signalr

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/protocol"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// Hub is a registered hub. It is safe for concurrent use.
type Hub struct {
	name      string
	value     any
	methods   map[string]*method
	options   HubOptions
	server    *Server
	backplane backplane.Hub
	index     *index
	results   results
	fences    fences
	// detours are the ways through the backplane to single connections, for whoever sends to them from here.
	detours doors
	// departed are connections that have moved to other servers.
	departed departed
	log      *slog.Logger
	// pings are the encoded Ping of each protocol, in the order of options.Protocols: they never change.
	pings []*transport.Payload
	// closing is set when the server shuts down: no connection is opened any more.
	closing atomic.Bool
	// running counts what Shutdown waits for: dispatching, calls and the ends of connections.
	running sync.WaitGroup
}

func newHub(server *Server, name string, value any, options HubOptions) (*Hub, error) {
	options.setDefaults()
	if err := options.check(); err != nil {
		return nil, err
	}
	methods, err := methodsOf(value)
	if err != nil {
		return nil, err
	}
	hub := &Hub{
		name: name, value: value, methods: methods, options: options, server: server,
		index: newIndex(), log: server.options.Logger.With("hub", name),
	}
	for i := range options.Protocols {
		ping, err := hub.payload(i, protocol.Ping{})
		if err != nil {
			return nil, fmt.Errorf("encode a ping: %w", err)
		}
		hub.pings = append(hub.pings, ping)
	}
	opened, err := server.options.Backplane.Open(name, (*receiver)(hub))
	if err != nil {
		return nil, fmt.Errorf("open the backplane: %w", err)
	}
	hub.backplane, hub.index.backplane = opened, opened
	return hub, nil
}

// Name is the name that the hub was registered with.
func (h *Hub) Name() string { return h.name }

// Clients are the clients of the hub, for sending from outside a hub method.
func (h *Hub) Clients() Clients { return Clients{hub: h} }

// Groups joins connections to groups from outside a hub method.
func (h *Hub) Groups() Groups { return Groups{hub: h} }

// Connections is the number of clients of the hub on this server that have completed the handshake.
func (h *Hub) Connections() int {
	h.index.mu.RLock()
	defer h.index.mu.RUnlock()
	return len(h.index.everyone)
}

// Endpoint serves the hub over HTTP, to be mounted at a path and at all paths below it. A hub may have several.
func (h *Hub) Endpoint(options EndpointOptions) http.Handler {
	return h.server.manager.NewEndpoint(h.name, application{h}, options)
}

// application makes the hub's sessions.
type application struct{ hub *Hub }

// Connect implements transport.Application.
func (a application) Connect(connection *transport.Connection) transport.Session {
	return newConnection(a.hub, connection)
}

// Ping implements transport.Application.
func (a application) Ping(isBinary bool) *transport.Payload {
	for i, codec := range a.hub.options.Protocols {
		if codec.Binary() == isBinary {
			return a.hub.pings[i]
		}
	}
	return nil
}

// payload encodes a message for the clients that speak a protocol of the hub.
func (h *Hub) payload(protocolIndex int, message protocol.Message) (*transport.Payload, error) {
	codec := h.options.Protocols[protocolIndex]
	frame, err := codec.Append(nil, message)
	if err != nil {
		return nil, fmt.Errorf("encode a message of type %d: %w", message.Type(), err)
	}
	return transport.NewPayload(frame, codec.Binary()), nil
}

// isCounted tells which messages stateful reconnect numbers: those that mean something to the application.
func isCounted(kind protocol.Type) bool { return kind <= protocol.TypeCancelInvocation }

// encode makes an invocation of a client method in every protocol that clients of any server may speak.
func (h *Hub) encode(id, target string, arguments []any) (backplane.Message, error) {
	if arguments == nil {
		arguments = []any{}
	}
	invocation := &protocol.Invocation{ID: id, Target: target, Arguments: arguments}
	message := backplane.Message{InvocationID: id}
	for _, codec := range h.options.Protocols {
		frame, err := codec.Append(nil, invocation)
		if err != nil {
			return message, fmt.Errorf("encode a call of %s: %w", target, err)
		}
		message.Encodings = append(message.Encodings, backplane.Encoding{Protocol: codec.Name(), Frame: frame})
	}
	return message, nil
}

// publish sends a message to all clients of target. One for a single local client takes no detour.
func (h *Hub) publish(ctx context.Context, target backplane.Target, message backplane.Message) error {
	if target.Scope == backplane.ScopeConnection {
		return unlessClosed(h.toConnection(ctx, target.Name, message, func(*connection) error { return nil }))
	}
	return h.backplane.Publish(ctx, target, message)
}

// unlessClosed takes a client that has gone for one that does not exist: who sends to it has done nothing wrong.
func unlessClosed(err error) error {
	if errors.Is(err, transport.ErrConnectionClosed) {
		return nil
	}
	return err
}

// publishEach sends a message to all clients of each target. Clients of this server do not wait for those of them that read slowly,
// and nobody's message waits when publishEach returns: what its caller sends next comes behind it.
func (h *Hub) publishEach(ctx context.Context, targets []backplane.Target, message backplane.Message) []error {
	if len(targets) == 1 { // as of most messages: there is nobody to wait for
		return []error{h.publish(ctx, targets[0], message)}
	}
	problems := make([]error, len(targets))
	var slow, others []int // by their place in targets
	for i, target := range targets {
		c := h.localTarget(target)
		if c == nil {
			others = append(others, i)
		} else if sent, err := c.sendAtOnce(message); sent {
			problems[i] = unlessClosed(err)
		} else {
			slow = append(slow, i)
		}
	}
	var waiting sync.WaitGroup
	for _, i := range slow {
		waiting.Go(func() { problems[i] = h.publish(ctx, targets[i], message) })
	}
	for _, i := range others {
		problems[i] = h.publish(ctx, targets[i], message)
	}
	waiting.Wait()
	return problems
}

// localTarget is the connection of this server that is the whole of target, nil if there is none.
func (h *Hub) localTarget(target backplane.Target) *connection {
	if target.Scope != backplane.ScopeConnection {
		return nil
	}
	return h.index.find(target.Name)
}

// closeConnections says goodbye to all clients, with the invitation to connect again.
func (h *Hub) closeConnections() {
	h.closing.Store(true)
	for _, c := range h.index.snapshot() {
		c.sendElsewhere()
	}
}

// wait returns when nothing of the hub runs any more, or with the cause of ctx.
func (h *Hub) wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		h.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for calls of hub %s: %w", h.name, context.Cause(ctx))
	}
}
