package signalr

import (
	"testing"

	"github.com/chatcluster/chatcluster/server/signalr/protocol"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// What waits in the outbox is given up only when the maker that Resume returns is called.
func TestWhatTheHeartbeatTellsDuringAResumeIsToldAgain(t *testing.T) {
	options := HubOptions{Protocols: []protocol.Protocol{protocol.JSON{}}}
	c := &connection{hub: &Hub{options: options}, transport: &transport.Connection{}}
	c.sequence.received.Store(7)
	first := c.Resume()
	c.sequence.acknowledged.Store(7) // as the heartbeat does
	first(1)
	if told := c.sequence.acknowledged.Load(); told != 0 {
		t.Errorf("%d messages count as acknowledged on a socket to which nothing was written yet", told)
	}
}
