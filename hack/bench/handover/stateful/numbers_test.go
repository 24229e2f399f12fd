package stateful

import (
	"errors"
	"strings"
	"testing"

	"github.com/chatcluster/chatcluster/server/signalr/protocol"
)

func TestOutboxKeepsWhatIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	var o outbox
	if o.first() != 1 {
		t.Errorf("without messages a resend begins with %d", o.first())
	}
	for _, text := range []string{"one", "two", "three"} {
		if err := o.add([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		acknowledge, first int64
		kept               int
	}{{0, 1, 3}, {1, 2, 2}, {1, 2, 2}, {-5, 2, 2}, {3, 4, 0}, {9, 4, 0}} {
		o.acknowledge(step.acknowledge)
		if o.first() != step.first || len(o.kept) != step.kept {
			t.Errorf("after Ack %d a resend begins with %d and has %d messages, want %+v", step.acknowledge, o.first(), len(o.kept), step)
		}
	}
	if o.bytes != 0 {
		t.Errorf("%d bytes are kept without messages", o.bytes)
	}
	if err := o.add([]byte(strings.Repeat("x", maximumUnacknowledged+1))); !errors.Is(err, errFull) || o.last != 3 {
		t.Errorf("more than the limit: %v, last %d", err, o.last)
	}
}

func TestInboxDropsRepeatsAndWhatComesBeforeSequence(t *testing.T) {
	t.Parallel()
	var i inbox
	message, ping := &protocol.Invocation{}, protocol.Ping{}
	take := func(want bool, messages ...protocol.Message) {
		t.Helper()
		for _, m := range messages {
			if got := i.take(m); got != want {
				t.Errorf("message of type %d taken: %v", m.Type(), got)
			}
		}
	}
	take(true, message, ping, message, message)
	i.resume()
	take(false, message, ping)
	take(true, &protocol.Sequence{})
	if err := i.reset(2); err != nil {
		t.Fatal(err)
	}
	take(false, message, message)
	take(true, ping, message)
	if i.received != 4 {
		t.Errorf("received %d, want 4", i.received)
	}
	if err := i.reset(6); !errors.Is(err, errSequence) {
		t.Errorf("a Sequence beyond the next message: %v", err)
	}
}
