// Package pipetest is a network within the process, for tests: it needs no sockets, and its time may be that of testing/synctest.
package pipetest

import (
	"context"
	"net"
	"sync"
)

// Network is a listener, and what connects to it. It may be used by many at a time.
type Network struct {
	accepted chan net.Conn
	closed   chan struct{}
	closing  sync.Once
}

// New returns a network on which nobody is connected.
func New() *Network { return &Network{accepted: make(chan net.Conn), closed: make(chan struct{})} }

// Accept implements net.Listener. After Close its error is net.ErrClosed.
func (n *Network) Accept() (net.Conn, error) {
	select {
	case conn := <-n.accepted:
		return conn, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It may be called more than once. Connections stay.
func (n *Network) Close() error {
	n.closing.Do(func() { close(n.closed) })
	return nil
}

// Addr implements net.Listener.
func (*Network) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "pipe"} }

// Dial connects to the listener, whatever the address: it is a DialContext of http.Transport. It waits for Accept, until ctx ends or,
// with net.ErrClosed, the network is closed.
func (n *Network) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case n.accepted <- far:
		return near, nil
	case <-n.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
