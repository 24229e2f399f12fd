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

// Another server may send the same call to two clients, whatever its reason.
func TestACallThatComesTwiceIsOwedByTheLastClientThatWasAsked(t *testing.T) {
	answer := func(r *results) error { return r.complete("second", nil, &protocol.Completion{ID: "call"}) }
	leave := func(client string) func(*results) error {
		return func(r *results) error {
			r.connectionEnded(client)
			return nil
		}
	}
	move := func(client string) func(*results) error {
		return func(r *results) error {
			r.handOver(r.takeOwed(client))
			return nil
		}
	}
	for name, test := range map[string]struct {
		steps []func(*results) error
		// answered and lost are how often the second client's call is settled.
		answered, lost int
	}{
		"the second answers, both leave":       {[]func(*results) error{answer, leave("first"), leave("second")}, 1, 0},
		"the first leaves, the second answers": {[]func(*results) error{leave("first"), answer, leave("second")}, 1, 0},
		"both leave":                           {[]func(*results) error{leave("second"), leave("first")}, 0, 1},
		"the second answers, the first moves":  {[]func(*results) error{answer, move("first")}, 1, 0},
		"both move":                            {[]func(*results) error{move("second"), move("first")}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var r results
			answered, lost := 0, 0
			for _, client := range []string{"first", "second"} {
				r.expect("call", &pendingResult{connectionID: client, settle: func(_ protocol.Protocol, _ *protocol.Completion, err error) {
					switch {
					case client == "first":
						t.Error("the call of the first client is settled")
					case err == nil:
						answered++
					default:
						lost++
					}
				}})
			}
			if r.owes("first", "call") || !r.owes("second", "call") {
				t.Error("the call is not the second client's alone")
			}
			for _, step := range test.steps {
				if err := step(&r); err != nil {
					t.Error(err)
				}
			}
			if answered != test.answered || lost != test.lost {
				t.Errorf("answered %d times, lost %d times", answered, lost)
			}
			if len(r.pending) != 0 || len(r.owed) != 0 {
				t.Errorf("%d calls of %d clients are left", len(r.pending), len(r.owed))
			}
		})
	}
}
