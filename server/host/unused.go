package host

import (
	"net"
	"net/http"
	"sync"
)

// unused are connections that have sent no request yet. Browsers open some in advance; http.Server.Shutdown waits for
// them for seconds, in case a request is on its way.
type unused struct {
	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
}

// watch follows the connections of a server.
func (u *unused) watch(server *http.Server) {
	u.open = map[net.Conn]struct{}{}
	server.ConnState = func(conn net.Conn, state http.ConnState) {
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
