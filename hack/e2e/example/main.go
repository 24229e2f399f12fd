// Chat is a whole chat server, at http://localhost:5000/chat.
package main

import (
	"os"

	"github.com/chatcluster/chatcluster/server/host"
	"github.com/chatcluster/chatcluster/server/signalr"
)

// Chat is a hub. Its own exported methods that take a *signalr.Context first are what clients may call.
type Chat struct{}

func (Chat) SendMessage(ctx *signalr.Context, user, message string) error {
	return ctx.Clients().All().Send(ctx, "ReceiveMessage", user, message)
}

func (Chat) Join(ctx *signalr.Context, room string) error {
	return ctx.Groups().Add(ctx, ctx.ConnectionID(), room)
}

func main() {
	os.Exit(host.Main(host.Program{
		Name: "chat",
		Hubs: func(*host.Settings) ([]host.Hub, error) {
			return []host.Hub{{Name: "Chat", Path: "/chat", Value: Chat{}}}, nil
		},
	}, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
