package host

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
)

// endable is a server whose end does not wait for connections that have sent no request yet. Browsers open some in
// advance; http.Server.Shutdown waits for them for seconds, in case a request is on its way.
type endable struct {
	*http.Server
	unused unused
}

// newEndable follows the connections of a server that does not serve yet.
func newEndable(server *http.Server) *endable {
	e := &endable{Server: server, unused: unused{open: map[net.Conn]struct{}{}}}
	server.ConnState = e.unused.follow
	return e
}

// end lets requests end until ctx does, then cuts them.
func (e *endable) end(ctx context.Context) error {
	e.unused.close()
	if e.Shutdown(ctx) == nil {
		return nil
	}
	_ = e.Close()
	return fmt.Errorf("wait for requests to end: %w", context.Cause(ctx))
}

// unused are the connections without a request.
type unused struct {
	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
}

// follow is told what becomes of a connection.
func (u *unused) follow(conn net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(u.open, conn)
	case u.closed:
		_ = conn.Close()
	default:
		u.open[conn] = struct{}{}
	}
}

// close ends them, and those that come later.
func (u *unused) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for conn := range u.open {
		_ = conn.Close()
	}
}
