package signalr_test

import (
	"iter"
	"strings"
	"testing"
	"time"

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

// told is a result that is told to the client when the test lets it.
type told struct{ encoding, goOn chan struct{} }

func (r told) MarshalJSON() ([]byte, error) {
	r.encoding <- struct{}{}
	<-r.goOn
	return []byte("1"), nil
}

// teller is a hub whose method returns told when its stream has ended.
type teller struct{ told }

func (h *teller) Tell(_ *signalr.Context, items iter.Seq2[int, error]) told {
	for range items { // until the end
	}
	return h.told
}

func TestTheIDAndTheRoomOfAStreamAreFreeBeforeItsEndIsTold(t *testing.T) {
	hub := &teller{told{encoding: make(chan struct{}), goOn: make(chan struct{})}}
	_, address := startHub(t, hub, signalr.HubOptions{MaximumStreamsPerClient: 1}, signalr.EndpointOptions{})
	c := connect(t, address)
	for range 2 {
		c.send(`{"type":1,"invocationId":"1","target":"Tell","arguments":[],"streamIds":["s"]}`, `{"type":3,"invocationId":"s"}`)
		select {
		case <-hub.encoding:
		case <-time.After(patience):
			t.Fatal("the call is not answered with its result")
		}
	}
	close(hub.goOn)
	for range 2 {
		c.expect(`{"type":3,"invocationId":"1","result":1}`)
	}
}
