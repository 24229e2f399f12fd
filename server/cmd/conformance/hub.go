package main

import (
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/chatcluster/chatcluster/server/signalr"
)

// hubName and protectedHubName are the names of the same hubs on ASP.NET Core servers.
const (
	hubName          = "ConformanceHub"
	protectedHubName = "ProtectedHub"
)

// Hub has one method for each behaviour of the protocol that a client can observe. Its zero value is ready for use.
type Hub struct {
	connects atomic.Int64
	// ended maps the ids of ended connections to the text of what ended them, "" for a clean end. It is never emptied:
	// the server lives as long as a test.
	ended sync.Map
}

// OnConnected fails if the query has throwOnConnect, and greets the caller with Welcome if it has welcome.
func (h *Hub) OnConnected(ctx *signalr.Context) error {
	query := ctx.Request().URL.Query()
	if _, found := lookUp(query, "throwOnConnect"); found {
		return errors.New("no entry")
	}
	h.connects.Add(1)
	if greeting, found := lookUp(query, "welcome"); found {
		return ctx.Clients().Caller().Send(ctx, "Welcome", greeting)
	}
	return nil
}

// OnDisconnected remembers how the connection ended, for Disconnected.
func (h *Hub) OnDisconnected(ctx *signalr.Context, cause error) {
	text := ""
	if cause != nil {
		text = cause.Error()
	}
	h.ended.Store(ctx.ConnectionID(), text)
}

// ConnectionID returns the caller's connection id.
func (*Hub) ConnectionID(ctx *signalr.Context) string { return ctx.ConnectionID() }

// UserID returns the caller's user id, null for an anonymous caller.
func (*Hub) UserID(ctx *signalr.Context) *string {
	if user := ctx.UserID(); user != "" {
		return &user
	}
	return nil
}

// Transport returns the name of the caller's transport.
func (*Hub) Transport(ctx *signalr.Context) string { return ctx.Transport().String() }

// Query returns the first value of a query parameter of the request that made the connection, null without one.
func (*Hub) Query(ctx *signalr.Context, name string) *string {
	if value, found := lookUp(ctx.Request().URL.Query(), name); found {
		return &value
	}
	return nil
}

// Header returns the first value of a header of that request, null without one.
func (*Hub) Header(ctx *signalr.Context, name string) *string {
	if strings.EqualFold(name, "Host") { // net/http keeps it apart from the others
		return &ctx.Request().Host
	}
	if values := ctx.Request().Header.Values(name); len(values) > 0 {
		return &values[0]
	}
	return nil
}

// Connects returns how many connections this server has accepted.
func (h *Hub) Connects(*signalr.Context) int64 { return h.connects.Load() }

// Disconnected returns null while a connection lives, then the text of what ended it, "" for a clean end.
func (h *Hub) Disconnected(_ *signalr.Context, connectionID string) *string {
	value, found := h.ended.Load(connectionID)
	if !found {
		return nil
	}
	text, _ := value.(string)
	return &text
}

// Abort ends the caller's connection.
func (*Hub) Abort(ctx *signalr.Context) { ctx.Abort() }

// lookUp finds a query parameter without regard to case, as ASP.NET Core does.
func lookUp(query url.Values, name string) (value string, found bool) {
	for key, values := range query {
		if strings.EqualFold(key, name) && len(values) > 0 {
			return values[0], true
		}
	}
	return "", false
}
