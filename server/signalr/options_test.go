package signalr_test

import (
	"testing"

	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/protocol"
)

func TestAHubHasABoundedNumberOfProtocols(t *testing.T) {
	server, err := signalr.NewServer(signalr.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Shutdown(t.Context()) }()
	five := []protocol.Protocol{protocol.JSON{}, protocol.JSON{}, protocol.JSON{}, protocol.JSON{}, protocol.MessagePack{}}
	if _, err := server.Hub("Test", newGate(), signalr.HubOptions{Protocols: five}); err == nil {
		t.Error("a message to a client of the fifth protocol would make the server panic")
	}
}
