// Package chat is the hub of the demo: what one client says, all clients hear, whichever server they are connected to.
package chat

import (
	"fmt"
	"net"
	"strconv"

	"github.com/chatcluster/chatcluster/server/signalr"
)

// DefaultName is the name under which the hub is known to the other servers: an ASP.NET Core class ChatHub without a
// namespace has the same.
const DefaultName = "ChatHub"

// DefaultPath is where clients expect the hub.
const DefaultPath = "/chatHub"

// Hub is the chat hub. Its zero value is ready for use.
type Hub struct {
	// ServerName is shown with every message that this server takes. Empty: "Server {port}", the port being that of the
	// address that the sender used, or 0 if the address has none.
	ServerName string
}

// SendMessage sends ReceiveMessage(user, message, server) to all clients of all servers.
func (h *Hub) SendMessage(ctx *signalr.Context, user, message string) error {
	return ctx.Clients().All().Send(ctx, "ReceiveMessage", user, message, h.serverName(ctx.Request().Host))
}

func (h *Hub) serverName(host string) string {
	if h.ServerName != "" {
		return h.ServerName
	}
	return fmt.Sprintf("Server %d", portOf(host))
}

// portOf returns the port of a Host header, 0 if it has none.
func portOf(host string) int {
	_, port, err := net.SplitHostPort(host)
	if err != nil {
		return 0
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return 0
	}
	return number
}
