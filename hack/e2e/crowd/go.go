package crowd

import (
	"context"
	"time"

	"github.com/chatcluster/chatcluster/server/chat/client"
)

const (
	dialTimeout = 10 * time.Second
	sayTimeout  = 30 * time.Second
	retryDelay  = 500 * time.Millisecond
)

// goClient is a client in Go that always comes back.
type goClient struct {
	crowd     *Crowd
	id        string
	connected chan struct{}
	current   currentClient
}

func (g *goClient) name() string { return g.id }

// run keeps the client connected until ctx ends.
func (g *goClient) run(ctx context.Context) {
	for again := false; ctx.Err() == nil; {
		connection, err := g.dial(ctx)
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(retryDelay):
			}
			continue
		}
		g.current.set(connection)
		g.crowd.join(g.id, again)
		again = true
		select {
		case <-connection.Done():
			g.crowd.leave(g.id)
		case <-ctx.Done():
		}
		connection.Close()
	}
}

func (g *goClient) dial(ctx context.Context) (*client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return client.Dial(ctx, g.crowd.options.URL, client.Options{OnMessage: func(message client.Message) {
		g.crowd.hear(g.id, message.Text, message.Server, time.Now())
	}})
}

func (g *goClient) say(ctx context.Context, text string) {
	connection := g.current.get()
	g.crowd.clients.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, sayTimeout)
		defer cancel()
		g.crowd.answer(text, connection.Send(ctx, g.id, text))
	})
}
