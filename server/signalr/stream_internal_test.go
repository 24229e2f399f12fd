package signalr

import (
	"reflect"
	"testing"

	"github.com/chatcluster/chatcluster/server/signalr/protocol"
)

// A client may end a stream and give its id to another one before the call of the first has ended.
func TestTheEndOfACallLeavesAStreamThatHasTheSameIDByNow(t *testing.T) {
	c := &connection{hub: &Hub{options: HubOptions{MaximumStreamsPerClient: 10, StreamBufferCapacity: 1}}}
	begin := func() *invocation {
		call := &invocation{cancel: func() {}, method: &method{uploads: []reflect.Type{reflect.TypeFor[int]()}}}
		if err := c.streams.start(c, call, []string{"x"}); err != nil {
			t.Fatal(err)
		}
		return call
	}
	end := func() bool { return c.streams.complete(&protocol.Completion{ID: "x"}) }

	first := begin()
	if !end() {
		t.Fatal("the first stream is not there")
	}
	second := begin()
	c.streams.finish(first)
	if !end() {
		t.Error("the end of the first call has taken away the second one's stream")
	}
	third := begin()
	c.streams.remove(second.uploads[0]) // an item of the second could not be read
	c.streams.closeAll()
	select {
	case <-third.uploads[0].ended:
	default:
		t.Error("the third stream goes on after the end of its connection")
	}
}
