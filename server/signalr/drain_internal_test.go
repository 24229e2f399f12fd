package signalr

import (
	"testing"

	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// Its transport is not complete yet, so that ending it would end the process.
func TestAConnectionThatIsArrivingIsNotSentElsewhere(t *testing.T) {
	hub := &Hub{index: newIndex()}
	c := &connection{hub: hub, transport: &transport.Connection{}, arrival: &arrival{decided: make(chan struct{})}}
	hub.index.mu.Lock()
	hub.index.list(c)
	hub.index.mu.Unlock()
	hub.closeConnections()
	if c.leaving() {
		t.Error("it was sent elsewhere")
	}
	close(c.arrival.decided)
	if c.arriving() {
		t.Error("it is still arriving when it is here")
	}
}

func TestFewerLeaveWhileManyAreUnderway(t *testing.T) {
	for _, test := range []struct{ most, underway, want int }{
		{10, 0, 10},
		{400, 0, maximumUnderway},
		{400, maximumUnderway - 1, 1},
		{400, maximumUnderway, 0},
		{400, maximumUnderway + 7, 0},
		{0, 0, 0},
	} {
		if got := mayLeave(test.most, test.underway); got != test.want {
			t.Errorf("with %d under way, %d of %d may leave, want %d", test.underway, got, test.most, test.want)
		}
	}
}
