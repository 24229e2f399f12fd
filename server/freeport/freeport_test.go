package freeport

import (
	"net"
	"strconv"
	"testing"
)

func TestAPortCanBeListenedOnAndIsNotOneOfOutgoingConnections(t *testing.T) {
	port, err := Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if port < lowest || port > highest {
		t.Errorf("port %d", port)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
}
