package signalr_test

import (
	"iter"
	"strings"
	"testing"

	"github.com/chatcluster/chatcluster/server/signalr"
)

// collector is a hub whose method goes on when its stream has ended, until the test lets it end.
type collector struct{ ended, goOn chan struct{} }

func (h *collector) Collect(_ *signalr.Context, items iter.Seq2[int, error]) {
	for range items { // until the end
	}
	h.ended <- struct{}{}
	<-h.goOn
}

func TestAMethodCountsForItsStreamsUntilItReturns(t *testing.T) {
	hub := &collector{ended: make(chan struct{}), goOn: make(chan struct{})}
	_, address := startHub(t, hub, signalr.HubOptions{MaximumStreamsPerClient: 2}, signalr.EndpointOptions{})
	c := connect(t, address)
	for range 2 {
		c.send(`{"type":1,"target":"Collect","arguments":[],"streamIds":["s"]}`, `{"type":3,"invocationId":"s"}`)
		<-hub.ended
	}
	call := `{"type":1,"invocationId":"1","target":"Collect","arguments":[],"streamIds":["s"]}`
	c.send(call)
	answer, err := c.receive()
	if err != nil || !strings.HasPrefix(answer, `{"type":3,"invocationId":"1","error":`) {
		t.Errorf("the third call is answered %s, %v", answer, err)
	}
	close(hub.goOn)
}
