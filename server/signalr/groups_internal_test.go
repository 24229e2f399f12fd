package signalr

import (
	"errors"
	"testing"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

func TestAGroupCommandFromBeforeAMoveIsSentBehindIt(t *testing.T) {
	hub := &Hub{index: newIndex()}
	hub.departed.add("c", 2, 5)
	for place, want := range map[uint64]error{1: nil, 2: backplane.ErrMoved, 4: backplane.ErrMoved, 5: nil} {
		local, err := hub.command(backplane.WithFencesBefore(t.Context(), place), "c", func(*connection) (bool, error) {
			t.Error("a connection that is gone was acted on")
			return true, nil
		})
		if local || !errors.Is(err, want) {
			t.Errorf("a command behind %d fences gives %v, %v; want %v", place, local, err, want)
		}
	}
}
