package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/chatcluster/chatcluster/server/host/config"
)

// listener is a socket of one address of the configuration.
type listener struct {
	net.Listener
	tls bool
	// address is what clients use to reach it, with the port that was chosen.
	address string
}

// listenAll opens all addresses, or none.
func listenAll(ctx context.Context, addresses []config.Address) ([]listener, error) {
	var all []listener
	for _, address := range addresses {
		opened, err := listen(ctx, address)
		if err != nil {
			closeAll(all)
			return nil, config.Problem("Urls", "%w", &AddressError{address.String(), err})
		}
		all = append(all, opened...)
	}
	return all, nil
}

func closeAll(listeners []listener) {
	for _, listener := range listeners {
		_ = listener.Close()
	}
}

// listen opens one address. The name localhost is both loopback addresses: browsers and Node try either first.
func listen(ctx context.Context, address config.Address) ([]listener, error) {
	if address.Host != "localhost" {
		opened, err := listenOn(ctx, address, address.Host, address.Port)
		return []listener{opened}, err
	}
	four, err := listenOn(ctx, address, "127.0.0.1", address.Port)
	if err != nil {
		return nil, err
	}
	six, err := listenOn(ctx, address, "::1", portOf(four))
	switch {
	case err == nil:
		return []listener{four, six}, nil
	case errors.Is(err, syscall.EADDRINUSE) && address.Port != 0:
		_ = four.Close()
		return nil, err
	}
	return []listener{four}, nil // a machine without IPv6
}

func listenOn(ctx context.Context, address config.Address, host string, port int) (listener, error) {
	socket, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return listener{}, err
	}
	address.Port = portOf(socket)
	return listener{Listener: socket, tls: address.TLS, address: address.String()}, nil
}

// portOf is the port of a TCP socket.
func portOf(socket net.Listener) int {
	address, ok := socket.Addr().(*net.TCPAddr)
	if !ok {
		return 0
	}
	return address.Port
}

// AddressError says why an address cannot be listened on, and what to do.
type AddressError struct {
	// Address is the address as it was configured.
	Address string
	// Err is what the operating system said.
	Err error
}

// Unwrap returns what the operating system said.
func (e *AddressError) Unwrap() error { return e.Err }

// Error implements error.
func (e *AddressError) Error() string { return e.Address + " " + e.explain() }

func (e *AddressError) explain() string {
	lookup, unknown := errors.AsType[*net.DNSError](e.Err)
	switch {
	case errors.Is(e.Err, syscall.EADDRINUSE):
		return "is in use by another program; end that one or choose another port"
	case errors.Is(e.Err, syscall.EACCES):
		return "may not be used by this user; choose a port from 1024 up"
	case errors.Is(e.Err, syscall.EADDRNOTAVAIL):
		return "is no address of this machine; choose localhost, * for all addresses, or one that it has"
	case unknown:
		return fmt.Sprintf("names a host that cannot be found (%s); choose localhost, or * for all addresses", lookup.Err)
	}
	return fmt.Sprintf("cannot be listened on: %v", e.Err)
}
