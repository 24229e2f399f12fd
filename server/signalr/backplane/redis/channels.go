package redis

import (
	"strings"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// channels names the Redis channels of one hub on one server as Microsoft.AspNetCore.SignalR.StackExchangeRedis
// does: plain concatenation, case-sensitive, whatever characters a group or user has. prefix comes before every
// name without a separator, as StackExchange.Redis puts its ChannelPrefix.
type channels struct {
	prefix string
	hub    string
	server string
}

// target returns the channel of those who shall get a message.
func (c channels) target(target backplane.Target) string {
	switch target.Scope {
	case backplane.ScopeGroup:
		return c.prefix + c.hub + ":group:" + target.Name
	case backplane.ScopeUser:
		return c.prefix + c.hub + ":user:" + target.Name
	case backplane.ScopeConnection:
		return c.prefix + c.hub + ":connection:" + target.Name
	default:
		return c.prefix + c.hub + ":all"
	}
}

// groups returns the channel that carries group commands to all servers of the hub.
func (c channels) groups() string { return c.prefix + c.hub + ":internal:groups" }

// fences returns the channel that carries fences to all servers of the hub, where one fence cuts everything. ASP.NET Core
// servers do not listen to it.
func (c channels) fences() string { return c.prefix + c.hub + ":internal:fence" }

// acknowledgements returns the channel on which server is told that its group command was carried out.
func (c channels) acknowledgements(server string) string {
	return c.prefix + c.hub + ":internal:ack:" + server
}

// results returns the channel on which this server is sent the client results it asked for.
func (c channels) results() string { return c.prefix + c.returnAddress() }

// returnAddress is the name of the results channel as it travels in payloads: whoever answers puts its own prefix
// before it.
func (c channels) returnAddress() string { return c.hub + ":internal:return:" + c.server }

// serverOf returns the server that a return address belongs to.
func (c channels) serverOf(address string) (server string, known bool) {
	return strings.CutPrefix(address, c.hub+":internal:return:")
}

// returnTo returns the channel of an address that came in a payload.
func (c channels) returnTo(address string) string { return c.prefix + address }
