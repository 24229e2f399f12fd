package transport

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// countingSink counts how often it is woken.
type countingSink struct{ woken int }

func (s *countingSink) wake() { s.woken++ }

func text(message string) *Payload { return NewPayload([]byte(message), false) }

func newOutbox(keep bool) *outbox {
	return &outbox{keep: keep, limits: outboxLimits{total: 1000, pause: 100, unacknowledged: 50}}
}

// drain takes everything that may be written now.
func drain(o *outbox, s sink) string {
	var all []string
	var next batch
	for o.take(s, &next) {
		if len(next.raw) > 0 {
			all = append(all, "raw:"+string(next.raw))
		}
		for _, payload := range next.messages {
			all = append(all, string(payload.Message()))
		}
		if next.last {
			all = append(all, "last")
		}
	}
	return strings.Join(all, " ")
}

func TestOutboxWakesItsSinkOnceUntilItRests(t *testing.T) {
	o, s := newOutbox(false), &countingSink{}
	o.attach(s)
	_ = o.send(text("a"))
	_ = o.send(text("b"))
	if s.woken != 1 {
		t.Errorf("woken %d times by two messages, want once", s.woken)
	}
	if got := drain(o, s); got != "a b" {
		t.Errorf("took %q, want a b", got)
	}
	_ = o.send(text("c"))
	if s.woken != 2 {
		t.Errorf("woken %d times in all, want again after it rested", s.woken)
	}
}

func TestOutboxHoldsMessagesBackUntilTheHandshakeResponse(t *testing.T) {
	o, s := newOutbox(false), &countingSink{}
	o.corked = true
	o.attach(s)
	_ = o.send(text("early"))
	o.sendRaw([]byte("pong"))
	if got := drain(o, s); got != "raw:pong" {
		t.Errorf("took %q before the handshake response, want control frames only", got)
	}
	o.uncork(text("{}"))
	if got := drain(o, s); got != "{} early" {
		t.Errorf("took %q, want the handshake response first", got)
	}
}

// Any client can send an Ack.
func TestOutboxIgnoresAnAcknowledgementFromAClientForWhichNothingIsKept(t *testing.T) {
	o, s := newOutbox(false), &countingSink{}
	o.limits.total = 10 * maximumBatch
	o.attach(s)
	for range 5 {
		_ = o.send(text(strings.Repeat("a", maximumBatch)))
	}
	var next batch
	taken := 0
	for ; o.take(s, &next); taken += len(next.messages) {
		o.acknowledge(1)
		o.acknowledge(int64(taken + 1))
	}
	if taken != 5 || o.waiting != 0 || o.kept != 0 {
		t.Errorf("took %d messages, %d bytes wait, %d are kept; want 5, 0 and 0", taken, o.waiting, o.kept)
	}
}

// Microsoft's JavaScript client does not count what comes together with it.
func TestTheHandshakeResponseOfAStatefulClientIsWrittenAlone(t *testing.T) {
	o, s := newOutbox(true), &countingSink{}
	o.corked = true
	o.attach(s)
	_ = o.send(text("a"))
	o.uncork(text("{}"))
	o.sendControl(text("ping"))
	var first batch
	if !o.take(s, &first) || len(first.messages) != 1 || string(first.messages[0].Message()) != "{}" {
		t.Errorf("the first write has %d messages", len(first.messages))
	}
	if got := drain(o, s); got != "ping a" {
		t.Errorf("took %q, want ping a", got)
	}
}

func TestOutboxEndsWithTheLastMessage(t *testing.T) {
	o, s := newOutbox(false), &countingSink{}
	o.attach(s)
	_ = o.send(text("a"))
	o.finish(text("close"))
	if err := o.send(text("late")); !errors.Is(err, ErrConnectionClosed) {
		t.Errorf("a message after the end: %v, want ErrConnectionClosed", err)
	}
	if got := drain(o, s); got != "a close last" {
		t.Errorf("took %q, want a close last", got)
	}
}

func TestOutboxRefusesWhatDoesNotFit(t *testing.T) {
	o := newOutbox(false)
	if err := o.send(text(strings.Repeat("x", 1000))); err != nil {
		t.Fatalf("a message of exactly the limit: %v", err)
	}
	if err := o.send(text("x")); !errors.Is(err, ErrSlowClient) {
		t.Errorf("a message beyond the limit: %v, want ErrSlowClient", err)
	}
}

func TestSendersThatCanWaitDoUntilThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, s := newOutbox(false), &countingSink{}
		o.attach(s)
		_ = o.send(text(strings.Repeat("x", 101)))
		sent := make(chan error)
		go func() { sent <- o.sendWhenRoom(context.Background(), text("patient")) }()
		synctest.Wait()
		select {
		case <-sent:
			t.Fatal("did not wait for room")
		default:
		}
		drain(o, s)
		if err := <-sent; err != nil {
			t.Errorf("after room was made: %v", err)
		}
		if got := drain(o, s); got != "patient" {
			t.Errorf("took %q, want patient", got)
		}
	})
}

func TestSenderThatWaitsGivesUpWithItsContext(t *testing.T) {
	o := newOutbox(false)
	_ = o.send(text(strings.Repeat("x", 101)))
	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("reason")
	cancel(reason)
	if err := o.sendWhenRoom(ctx, text("late")); !errors.Is(err, reason) {
		t.Errorf("got %v, want the cause of the context", err)
	}
}

func TestReconnectResendsWhatIsNotAcknowledged(t *testing.T) {
	o, s := newOutbox(true), &countingSink{}
	o.attach(s)
	for _, message := range []string{"1", "2", "3"} {
		_ = o.send(text(message))
	}
	drain(o, s)
	o.acknowledge(1)
	_ = o.send(text("4"))
	next := &countingSink{}
	o.detach(s)
	o.rewind(func(number int64) []*Payload {
		if number != 2 {
			t.Errorf("the first message to resend has number %d, want 2", number)
		}
		return []*Payload{text("sequence")}
	})
	o.attach(next)
	if got := drain(o, s); got != "" {
		t.Errorf("the old socket took %q", got)
	}
	if got := drain(o, next); got != "sequence 2 3 4" {
		t.Errorf("the new socket took %q, want sequence 2 3 4", got)
	}
}

func TestMessagesWaitForAcknowledgementsButControlMessagesDoNot(t *testing.T) {
	o, s := newOutbox(true), &countingSink{}
	o.attach(s)
	_ = o.send(text(strings.Repeat("x", 51)))
	_ = o.send(text("waits"))
	o.sendControl(text("ping"))
	if got, want := drain(o, s), "ping "+strings.Repeat("x", 51); got != want {
		t.Errorf("took %q, want %q", got, want)
	}
	o.acknowledge(1)
	if got := drain(o, s); got != "waits" {
		t.Errorf("took %q after the acknowledgement, want waits", got)
	}
}

// TestOutboxDeliversEveryMessageOnceInOrder drives an outbox of a stateful connection at random, with a client that
// drops repeats by number, as real clients do.
func TestOutboxDeliversEveryMessageOnceInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := newOutbox(true)
		o.limits = outboxLimits{total: 1 << 20, pause: 1 << 20, unacknowledged: rapid.IntRange(1, 40).Draw(t, "unacknowledged")}
		var s sink = &countingSink{}
		o.attach(s)
		var sent, received []byte
		var counter, highest int64 // of the client: number of the last message, highest number processed
		read := func() {
			var next batch
			for o.take(s, &next) {
				for _, payload := range next.messages {
					if number, isSequence := bytes.CutPrefix(payload.Message(), []byte("seq")); isSequence {
						counter = int64(number[0]) - 1
						continue
					}
					if counter++; counter > highest {
						highest = counter
						received = append(received, payload.Message()...)
					}
				}
			}
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				letter := byte('a' + len(sent)%26)
				sent = append(sent, letter)
				if err := o.send(text(string(letter))); err != nil {
					t.Fatal(err)
				}
			case 2:
				read()
			case 3:
				o.acknowledge(highest)
			case 4:
				var next batch
				if rapid.Bool().Draw(t, "lost in flight") {
					o.take(s, &next)
				}
				o.detach(s)
				o.rewind(func(number int64) []*Payload { return []*Payload{text("seq" + string([]byte{byte(number)}))} })
				s = &countingSink{}
				o.attach(s)
			}
		}
		for len(received) < len(sent) {
			before := len(received)
			read()
			o.acknowledge(highest)
			read()
			if len(received) == before {
				// What was taken and lost in flight comes again only after a reconnect.
				o.detach(s)
				o.rewind(func(number int64) []*Payload { return []*Payload{text("seq" + string([]byte{byte(number)}))} })
				s = &countingSink{}
				o.attach(s)
			}
		}
		if !bytes.Equal(received, sent) {
			t.Fatalf("received %q, want %q", received, sent)
		}
	})
}
