package main

import (
	"strings"

	"github.com/chatcluster/chatcluster/server/signalr"
)

// receive is the client method that most of the hub's messages call.
const receive = "Receive"

// Broadcast sends to all.
func (*Hub) Broadcast(ctx *signalr.Context, message string) error {
	return ctx.Clients().All().Send(ctx, receive, message)
}

// BroadcastExcept sends to all but some connections.
func (*Hub) BroadcastExcept(ctx *signalr.Context, connectionIDs []string, message string) error {
	return ctx.Clients().AllExcept(connectionIDs...).Send(ctx, receive, message)
}

// BroadcastOthers sends to all but the caller.
func (*Hub) BroadcastOthers(ctx *signalr.Context, message string) error {
	return ctx.Clients().Others().Send(ctx, receive, message)
}

// BroadcastComplex sends a structured value to all.
func (*Hub) BroadcastComplex(ctx *signalr.Context, value *Complex) error {
	return ctx.Clients().All().Send(ctx, "ReceiveComplex", value)
}

// SendCaller sends to the caller.
func (*Hub) SendCaller(ctx *signalr.Context, message string) error {
	return ctx.Clients().Caller().Send(ctx, receive, message)
}

// SendClient sends to one connection.
func (*Hub) SendClient(ctx *signalr.Context, connectionID, message string) error {
	return ctx.Clients().Client(connectionID).Send(ctx, receive, message)
}

// SendClients sends to some connections.
func (*Hub) SendClients(ctx *signalr.Context, connectionIDs []string, message string) error {
	return ctx.Clients().Clients(connectionIDs...).Send(ctx, receive, message)
}

// SendGroup sends to the members of a group.
func (*Hub) SendGroup(ctx *signalr.Context, group, message string) error {
	return ctx.Clients().Group(group).Send(ctx, receive, message)
}

// SendGroups sends to the members of several groups.
func (*Hub) SendGroups(ctx *signalr.Context, groups []string, message string) error {
	return ctx.Clients().Groups(groups...).Send(ctx, receive, message)
}

// SendGroupExcept sends to the members of a group but some.
func (*Hub) SendGroupExcept(ctx *signalr.Context, group string, connectionIDs []string, message string) error {
	return ctx.Clients().GroupExcept(group, connectionIDs...).Send(ctx, receive, message)
}

// SendOthersInGroup sends to the members of a group but the caller.
func (*Hub) SendOthersInGroup(ctx *signalr.Context, group, message string) error {
	return ctx.Clients().OthersInGroup(group).Send(ctx, receive, message)
}

// SendUser sends to all connections of a user.
func (*Hub) SendUser(ctx *signalr.Context, userID, message string) error {
	return ctx.Clients().User(userID).Send(ctx, receive, message)
}

// SendUsers sends to all connections of several users.
func (*Hub) SendUsers(ctx *signalr.Context, userIDs []string, message string) error {
	return ctx.Clients().Users(userIDs...).Send(ctx, receive, message)
}

// JoinGroup makes the caller a member of a group.
func (*Hub) JoinGroup(ctx *signalr.Context, group string) error {
	return ctx.Groups().Add(ctx, ctx.ConnectionID(), group)
}

// LeaveGroup takes the caller out of a group.
func (*Hub) LeaveGroup(ctx *signalr.Context, group string) error {
	return ctx.Groups().Remove(ctx, ctx.ConnectionID(), group)
}

// JoinGroupFor makes any connection, on any server, a member of a group.
func (*Hub) JoinGroupFor(ctx *signalr.Context, connectionID, group string) error {
	return ctx.Groups().Add(ctx, connectionID, group)
}

// LeaveGroupFor takes any connection, on any server, out of a group.
func (*Hub) LeaveGroupFor(ctx *signalr.Context, connectionID, group string) error {
	return ctx.Groups().Remove(ctx, connectionID, group)
}

// Flood sends many messages of that many bytes to the caller, as fast as it takes them.
func (*Hub) Flood(ctx *signalr.Context, count, bytes int32) error {
	text := strings.Repeat("x", int(bytes))
	for i := range count {
		if err := ctx.Clients().Caller().Send(ctx, "Flood", i, text); err != nil {
			return err
		}
	}
	return nil
}
