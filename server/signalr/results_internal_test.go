package signalr

import (
	"errors"
	"strconv"
	"testing"

	"github.com/chatcluster/chatcluster/server/signalr/protocol"
)

func TestCallsThatAClientNeverAnswersAreBounded(t *testing.T) {
	var r results
	lost := 0
	owe := func(client string, number int) bool {
		return r.expect(client+strconv.Itoa(number), &pendingResult{
			connectionID: client,
			settle: func(_ protocol.Protocol, _ *protocol.Completion, err error) {
				if errors.Is(err, ErrConnectionLost) {
					lost++
				}
			},
		})
	}
	for number := range maximumOwed {
		if !owe("silent", number) {
			t.Fatalf("call %d was refused", number)
		}
	}
	if owe("silent", maximumOwed) {
		t.Error("there is no bound")
	}
	if !owe("other", 0) {
		t.Error("another client is bounded too")
	}
	r.forget("silent0")
	if !owe("silent", maximumOwed) {
		t.Error("a call that nobody awaits any more still counts")
	}
	if err := r.complete("silent", nil, &protocol.Completion{ID: "silent1"}); err != nil {
		t.Error(err)
	}
	r.connectionEnded("silent")
	if lost != maximumOwed-1 {
		t.Errorf("%d calls were settled when the client left, want %d", lost, maximumOwed-1)
	}
	if len(r.pending) != 1 || len(r.owed) != 1 {
		t.Errorf("%d calls of %d clients are left, want those of the other client", len(r.pending), len(r.owed))
	}
}
