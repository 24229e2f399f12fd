// Package freeport finds ports for servers that are told their port before they start, or that come back at the one they had.
package freeport

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports to choose from lie below those that systems give to outgoing connections, lest one of them takes the port of
// a server that does not listen yet, or is down for a moment.
const (
	lowest  = 10_240
	highest = 32_767
	tries   = 1000
)

// Find returns a port of 127.0.0.1 that nothing has now.
func Find(ctx context.Context) (int, error) {
	var problem error
	for range tries {
		port := lowest + rand.IntN(highest-lowest) // #nosec G404 -- nobody gains by guessing it
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, listener.Close()
		}
		problem = err
	}
	return 0, fmt.Errorf("find a free port: %w", problem)
}
