package signalr

import (
	"context"
	"errors"
	"fmt"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// Clients chooses clients of a hub, on all servers. It is safe for concurrent use.
type Clients struct {
	hub     *Hub
	context *Context
}

// everyone is Clients under a name that, as a field, does not hide the method Clients.
type everyone = Clients

// CallerClients chooses clients of a hub from the point of view of one of them: all that Clients offers, and more.
type CallerClients struct {
	everyone
	caller *Context
}

// Audience is a choice of clients.
type Audience struct {
	hub      *Hub
	targets  []backplane.Target
	excluded []string
}

// Client is one client.
type Client struct {
	hub     *Hub
	id      string
	context *Context
}

// All is everyone.
func (c Clients) All() Audience { return c.AllExcept() }

// AllExcept is everyone but the connections with the given ids.
func (c Clients) AllExcept(connectionIDs ...string) Audience {
	return Audience{hub: c.hub, targets: []backplane.Target{{Scope: backplane.ScopeAll}}, excluded: connectionIDs}
}

// Client is the connection with that id; if there is none, nobody.
func (c Clients) Client(connectionID string) Client {
	return Client{hub: c.hub, id: connectionID, context: c.context}
}

// Clients are the connections with the given ids.
func (c Clients) Clients(connectionIDs ...string) Audience {
	return c.named(backplane.ScopeConnection, connectionIDs)
}

// Group is the members of a group. Group names are case-sensitive.
func (c Clients) Group(name string) Audience { return c.GroupExcept(name) }

// GroupExcept is the members of a group but the connections with the given ids.
func (c Clients) GroupExcept(name string, connectionIDs ...string) Audience {
	audience := c.named(backplane.ScopeGroup, []string{name})
	audience.excluded = connectionIDs
	return audience
}

// Groups are the members of several groups; who is in two of them gets a message twice.
func (c Clients) Groups(names ...string) Audience { return c.named(backplane.ScopeGroup, names) }

// User is all connections of a user.
func (c Clients) User(userID string) Audience { return c.Users(userID) }

// Users are all connections of several users.
func (c Clients) Users(userIDs ...string) Audience { return c.named(backplane.ScopeUser, userIDs) }

// Caller is the calling client.
func (c CallerClients) Caller() Client { return c.Client(c.caller.ConnectionID()) }

// Others is everyone but the caller.
func (c CallerClients) Others() Audience { return c.AllExcept(c.caller.ConnectionID()) }

// OthersInGroup is the members of a group but the caller.
func (c CallerClients) OthersInGroup(name string) Audience {
	return c.GroupExcept(name, c.caller.ConnectionID())
}

func (c Clients) named(scope backplane.Scope, names []string) Audience {
	targets := make([]backplane.Target, 0, len(names))
	for _, name := range names {
		if name != "" { // nobody has the empty name; on Redis it would be a channel of its own
			targets = append(targets, backplane.Target{Scope: scope, Name: name})
		}
	}
	return Audience{hub: c.hub, targets: targets}
}

// Send calls a method on the clients, without waiting for them. It returns when the backplane has the message. Its error
// says that the message cannot be encoded or, wrapping backplane.ErrUnavailable, that it was not accepted. For Clients it waits as
// Client.Send does; the faster ones of them do not wait for the slower ones.
func (a Audience) Send(ctx context.Context, method string, arguments ...any) error {
	message, err := a.hub.encode("", method, arguments)
	if err != nil {
		return err
	}
	message.Excluded = a.excluded
	ctx, cancel := detached(ctx)
	defer cancel()
	var problems []error
	for _, err := range a.hub.publishEach(ctx, a.targets, message) {
		if err != nil {
			problems = append(problems, fmt.Errorf("send %s: %w", method, err))
		}
	}
	return errors.Join(problems...)
}

// Send calls a method on the client, without waiting for it. To a client of this server the message goes directly; if it
// reads slowly, Send waits until it has caught up.
func (c Client) Send(ctx context.Context, method string, arguments ...any) error {
	return Audience{hub: c.hub, targets: []backplane.Target{{Scope: backplane.ScopeConnection, Name: c.id}}}.Send(ctx, method, arguments...)
}

// Invoke calls a method on the client and reads what it returns into result, a pointer, or nil if that does not matter.
// It waits until the client answers, its connection ends or ctx does. Errors: *HubError with the client's error text,
// ErrConnectionNotFound, ErrConnectionLost, or the end of ctx. It cannot be used in OnConnected.
func (c Client) Invoke(ctx context.Context, result any, method string, arguments ...any) error {
	if c.context != nil {
		if c.context.connecting {
			return invalidOperation("Client results inside OnConnectedAsync Hub methods are not allowed.")
		}
		c.context.slot.release() // else a caller that may make one call at a time could not answer
	}
	return c.hub.invokeClient(ctx, c.id, result, method, arguments)
}
