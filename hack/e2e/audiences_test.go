package e2e

import (
	"context"
	"testing"

	"github.com/chatcluster/chatcluster/hack/e2e/crowd"
)

// audience is a kind of client. No transport needs sticky sessions: each request of a client may reach another hub server.
type audience struct {
	transport string
	stateful  bool
}

func (a audience) String() string {
	if a.stateful {
		return a.transport + ", stateful reconnect"
	}
	return a.transport
}

func audiences() []audience {
	return []audience{
		{transport: "WebSockets", stateful: true},
		{transport: "ServerSentEvents"},
		{transport: "LongPolling"},
	}
}

// testAudiences lets each kind of client go through what concerns connections. Clients by WebSockets without stateful
// reconnect are those of the other disturbances.
func (c *chat) testAudiences(t *testing.T) {
	t.Helper()
	size := 10
	if c.full {
		size = 50
	}
	for _, a := range audiences() {
		t.Run(a.String(), func(t *testing.T) {
			people := c.gather(t, crowd.Options{URL: c.url(t, "/chatHub"), JavaScript: size, Transport: a.transport, Stateful: a.stateful})
			defer people.Stop()
			c.disturbAll(t, people, a.String(), c.disturbancesOfConnections())
		})
	}
}

// disturbancesOfConnections are those that depend on how clients connect.
func (c *chat) disturbancesOfConnections() []disturbance {
	return []disturbance{
		{name: "scaled from 3 to 2", do: func(ctx context.Context) error { return c.scale(ctx, 2) }},
		{name: "scaled from 2 to 3", promise: unnoticed, do: func(ctx context.Context) error { return c.scale(ctx, 3) }},
		{name: "image changed", full: true, do: c.roll},
		{name: "hub server killed", do: c.killHub},
	}
}
