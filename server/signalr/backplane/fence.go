package backplane

import (
	"context"
	"errors"
)

// ErrNoOrder says that the carrier does not promise now that messages come to all servers in one order: nothing can be cut.
var ErrNoOrder = errors.New("there is no order of messages that all servers share")

// Domain names what puts the messages of a hub in the order in which one server gets them. Two servers with the same Domain
// get them in the same order; a Domain means nothing else.
type Domain string

// Fencer is a Hub whose flow of messages can be cut, so that a connection moves from one server to another without losing or
// doubling any: the old server delivers what comes before the fence, the new one what comes behind it.
//
// A cut is exact if, from before the new server's subscriptions are in place until after both have got the fence, both have
// the same Domain and neither's Generation changes. Otherwise the fence may lie in different places of what the two get, and
// the move must be given up.
type Fencer interface {
	// Domain returns the present Domain of this server, and an error that wraps ErrNoOrder where or while there is none.
	Domain(ctx context.Context) (Domain, error)
	// Generation changes whenever messages may not have come to this server as to others: its connection was lost or made
	// anew, or what it listens to is served by another. Within Receiver.Fenced it is that of the connection which brought
	// the fence. Numbers of two servers cannot be compared.
	Generation() uint64
	// Fence cuts the messages to targets, those to ScopeAll and the group commands, and returns when the carrier has accepted
	// it. All servers of the hub are told by Receiver.Fenced, this one included. Nothing is repeated: after an error the fence may
	// have come to some, or may come later, so another attempt takes another mark.
	Fence(ctx context.Context, mark string, targets ...Target) error
}

// fencesBefore is the key of a group command's place.
type fencesBefore struct{}

// WithFencesBefore returns the context with which a backplane calls Receiver.AddToGroup and Receiver.RemoveFromGroup.
func WithFencesBefore(ctx context.Context, fences uint64) context.Context {
	return context.WithValue(ctx, fencesBefore{}, fences)
}

// FencesBefore tells the place of a group command, given the context of its call: how many fences that cut group commands,
// those with ScopeEverything or ScopeCommands, the receiver had been handed when the command came. The call itself may be much later:
// a command lies before the receiver's third fence if this is less than 3.
func FencesBefore(ctx context.Context) uint64 {
	fences, _ := ctx.Value(fencesBefore{}).(uint64)
	return fences
}
