// Package backplane carries hub messages between the servers that share the clients of a hub. It defines what a
// hub needs from such a carrier; Memory serves one server alone, package redis any number of them.
package backplane

import (
	"context"
	"errors"
)

// The errors by which a hub decides what it tells its caller. Implementations wrap them with what was being done.
var (
	// ErrUnavailable: the carrier cannot be reached now, the message was not accepted.
	ErrUnavailable = errors.New("backplane is unavailable")
	// ErrConnectionNotFound: no server has the connection that a client result was asked of.
	ErrConnectionNotFound = errors.New("connection does not exist")
	// ErrClosed: the backplane has been closed.
	ErrClosed = errors.New("backplane is closed")
)

// Scope is the kind of audience of a message.
type Scope uint8

// The audiences that a message can have.
const (
	ScopeAll Scope = iota
	ScopeGroup
	ScopeUser
	ScopeConnection
	// ScopeCommands and ScopeEverything are no audiences: Receiver.Fenced gets them for a fence that cuts the group commands
	// of other servers, or these and all messages of the hub at once.
	ScopeCommands
	ScopeEverything
)

// Target is who gets a message: everyone (Name is empty), the members of the group Name, all connections of the
// user Name, or the connection with the id Name.
type Target struct {
	Scope Scope
	Name  string
}

// Encoding is one message as the protocol named Protocol frames it, ready to be sent to a client. Frame is shared
// and must not be changed.
type Encoding struct {
	Protocol string
	Frame    []byte
}

// Message is an invocation on its way to clients, encoded once for each protocol they may speak.
type Message struct {
	// Excluded are the ids of connections that shall not get it; honoured for ScopeAll and ScopeGroup.
	Excluded []string
	// Encodings hold the same invocation in each protocol.
	Encodings []Encoding
	// InvocationID and ReturnTo are set when the client's result is wanted, for ScopeConnection only: its completion goes to
	// Hub.Return with ReturnTo, an address that only the backplane understands.
	InvocationID string
	ReturnTo     string
}

// ErrMoved is a Receiver's answer to a group command that came when its connection was here, which has gone to another server since.
var ErrMoved = errors.New("connection has moved to another server")

// Receiver is a hub on one server as its backplane sees it. The backplane calls Deliver for one target strictly in
// the order of publishing, and never calls it concurrently for one hub; no method may block on the network.
type Receiver interface {
	// Deliver hands message to the local clients of target.
	Deliver(target Target, message Message)
	// AddToGroup and RemoveFromGroup act for another server on a connection that may be here; local tells whether
	// it is. They return once a message to the group reaches the connection, so they may call Hub.Subscribe and wait.
	// The backplane therefore calls them on a goroutine of their own, in order per connection. With ErrMoved it has to send the
	// same command once more, behind all that has come since: the server that has the connection then acts, and answers who asked.
	AddToGroup(ctx context.Context, connectionID, group string) (local bool, err error)
	RemoveFromGroup(ctx context.Context, connectionID, group string) (local bool, err error)
	// Complete hands over a completion that a client of another server sent for an invocation of this server:
	// frame is framed as in the named protocol.
	Complete(protocol string, frame []byte)
	// Fenced tells of a fence that some server asked for (Fencer.Fence), other servers' included. It is called as Deliver is, in
	// its place: what was published to target before the fence has been delivered, what is published behind it has not. Of the
	// group commands those from before the fence may still be to come; FencesBefore tells them from others.
	//
	// Where one order holds all messages together, it is called once, with ScopeEverything. Else it is called for each target
	// that the fence names, for ScopeAll and for ScopeCommands, in any order, and says nothing of others.
	Fenced(mark string, target Target)
}

// Hub is the backplane of one hub on one server. All methods may be called concurrently.
type Hub interface {
	// Publish sends message to target on all servers, this one included, and returns when the carrier has accepted it.
	Publish(ctx context.Context, target Target, message Message) error
	// Subscribe asks for the messages of targets and returns when no message published from now on can be missed. If a
	// connection is among them, it tries to let pass first what other servers have delivered already: a client that connects
	// anew would hear it again.
	// Every target is subscribed at most once at a time: the caller counts its local members. ScopeAll needs no
	// subscription of its own; Subscribe without targets waits until that one is in place.
	Subscribe(ctx context.Context, targets ...Target) error
	// Unsubscribe ends what Subscribe began. It does not wait.
	Unsubscribe(targets ...Target)
	// AddToGroup and RemoveFromGroup act on a connection of another server and return when that server has acted.
	AddToGroup(ctx context.Context, connectionID, group string) error
	RemoveFromGroup(ctx context.Context, connectionID, group string) error
	// NewInvocation returns an invocation id that is unique among all servers, and the ReturnTo for its message.
	NewInvocation() (id, returnTo string)
	// Return sends the completion of a client result, framed as in the named protocol, to the server that asked.
	Return(ctx context.Context, returnTo, protocol string, frame []byte) error
	// Close ends all subscriptions of this hub and waits for calls of its receiver to return.
	Close() error
}

// Backplane connects the hubs of one server with those of the others.
type Backplane interface {
	// Open attaches a hub. Hubs of the same name on all servers share their clients. It does not wait for the
	// carrier to be reachable.
	Open(name string, receiver Receiver) (Hub, error)
	// Close releases the carrier after all hubs have been closed.
	Close() error
}
