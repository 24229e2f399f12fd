package signalr

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// Context is a hub method's view of the connection that called it. As a context.Context it ends when the connection
// does, or when the client cancels the stream that the method sends. That does not take back what the method sends to
// other clients: a client may say something and leave.
type Context struct {
	context.Context
	connection *connection
	// slot gives the caller's place among its parallel calls to the next one; nil if the call has none.
	slot *slot
	// connecting is set in OnConnected, where clients cannot answer yet.
	connecting bool
}

// callerKey finds a Context below the contexts that were made from it.
type callerKey struct{}

// Value implements context.Context.
func (c *Context) Value(key any) any {
	if key == (callerKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// detached is a context for sending: that of a hub method without the end of the caller's connection.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx.Value(callerKey{}) == nil {
		return ctx, func() {}
	}
	free := context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(free, deadline)
	}
	return free, func() {}
}

// ConnectionID is the public id of the caller's connection.
func (c *Context) ConnectionID() string { return c.connection.id() }

// UserID is the caller's name as HubOptions.UserID gave it, "" for none.
func (c *Context) UserID() string { return c.connection.user }

// User is what the endpoint's Authenticate returned for the caller, nil without one.
func (c *Context) User() any { return c.connection.transport.Request().User }

// Request is the HTTP request that made the connection, or that last resumed it.
func (c *Context) Request() *Request { return c.connection.transport.Request() }

// Transport is the transport that the caller uses.
func (c *Context) Transport() transport.Kind { return c.connection.transport.Kind() }

// Items are the application's values for this connection. They live as long as it does.
func (c *Context) Items() *Items { return &c.connection.items }

// Abort ends the caller's connection. Its client is not invited to connect again.
func (c *Context) Abort() { c.connection.close(ending{}) }

// Clients are the clients of the hub, from the caller's point of view.
func (c *Context) Clients() CallerClients {
	return CallerClients{everyone: Clients{hub: c.connection.hub, context: c}, caller: c}
}

// Groups joins connections to groups and takes them out.
func (c *Context) Groups() Groups { return Groups{hub: c.connection.hub} }

// Items holds values of one connection by name. They are kept as JSON, because a connection can outlive the server that
// it began on. It is safe for concurrent use.
type Items struct {
	mu     sync.Mutex
	values map[string]json.RawMessage
}

// Set stores a value. It fails if the value cannot be written as JSON.
func (i *Items) Set(name string, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("keep item %s: %w", name, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.values == nil {
		i.values = make(map[string]json.RawMessage)
	}
	i.values[name] = encoded
	return nil
}

// Get reads a value into what into points to, and reports whether there is one.
func (i *Items) Get(name string, into any) (bool, error) {
	i.mu.Lock()
	encoded, ok := i.values[name]
	i.mu.Unlock()
	if !ok {
		return false, nil
	}
	if err := json.Unmarshal(encoded, into); err != nil {
		return true, fmt.Errorf("read item %s: %w", name, err)
	}
	return true, nil
}

// Delete removes a value if there is one.
func (i *Items) Delete(name string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.values, name)
}

// export returns the values, to be kept elsewhere.
func (i *Items) export() map[string][]byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	values := make(map[string][]byte, len(i.values))
	for name, value := range i.values {
		values[name] = value
	}
	return values
}

// restore takes over the values of a connection that was elsewhere.
func (i *Items) restore(values map[string][]byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.values = make(map[string]json.RawMessage, len(values))
	for name, value := range values {
		i.values[name] = slices.Clone(value)
	}
}
