package book

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func at(milliseconds int) time.Time { return time.UnixMilli(int64(1_000_000 + milliseconds)) }

// chat is a book of clients that are all there, in its first phase.
func chat(clients int) *Book {
	b := New(clients)
	for i := range clients {
		b.Join(i, at(-1))
	}
	b.Begin("first", at(0))
	return b
}

// say lets a client say something that the listeners hear at once, and returns the number.
func say(b *Book, sender int, when time.Time, listeners ...int) int {
	number := b.Say(sender, when)
	b.Answer(number, nil)
	for _, i := range listeners {
		b.Hear(i, sender, number, when)
	}
	return number
}

func TestReportCountsWhatBecameOfAPhase(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		story   func(*Book)
		want    Report
		settled bool
	}{
		"all heard": {
			func(b *Book) { say(b, 0, at(10), 0, 1) },
			Report{Said: 1, Received: 2, Pause: 10 * time.Millisecond}, true,
		},
		"one did not hear": {
			func(b *Book) { say(b, 0, at(10), 0) },
			Report{Said: 1, Received: 1, Lost: 1, LostByUnaware: 1, Pause: 10 * time.Millisecond}, false,
		},
		"heard twice": {
			func(b *Book) { b.Hear(1, 0, say(b, 0, at(10), 0, 1), at(20)) },
			Report{Said: 1, Received: 2, Doubled: 1, Pause: 10 * time.Millisecond}, true,
		},
		"heard in another order than one sender said it": {
			func(b *Book) {
				first, second := say(b, 0, at(10), 0), say(b, 0, at(10), 0)
				b.Hear(1, 0, second, at(11))
				b.Hear(1, 0, first, at(11))
			},
			Report{Said: 2, Received: 4, Disordered: 1, Pause: 11 * time.Millisecond}, true,
		},
		"the order of two senders does not matter": {
			func(b *Book) {
				first, second := say(b, 0, at(10), 0), say(b, 1, at(10), 0)
				b.Hear(1, 1, second, at(11))
				b.Hear(1, 0, first, at(11))
			},
			Report{Said: 2, Received: 4, Pause: 11 * time.Millisecond}, true,
		},
		"a failed call is no loss, even if some heard it": {
			func(b *Book) {
				number := b.Say(0, at(10))
				b.Hear(0, 0, number, at(10))
				b.Answer(number, errors.New("gone"))
				b.Answer(number, nil) // too late
			},
			Report{Failed: 1, Reasons: map[string]int{"gone": 1}, Received: 1, Pause: 10 * time.Millisecond}, true,
		},
		"a call that is not answered has failed, and is not settled": {
			func(b *Book) { b.Say(0, at(10)) },
			Report{Failed: 1, Reasons: map[string]int{"no answer": 1}}, false,
		},
		"the pause at the end lasts until the last word": {
			func(b *Book) {
				say(b, 0, at(10), 0, 1)
				say(b, 0, at(500), 0)
			},
			Report{Said: 2, Received: 3, Lost: 1, LostByUnaware: 1, Pause: 490 * time.Millisecond}, false,
		},
		"who saw a close counts from the event until it is back": {
			func(b *Book) {
				b.Event(at(100))
				b.Leave(1)
				say(b, 0, at(200), 0)
				b.Join(1, at(400))
				say(b, 0, at(400), 0, 1)
			},
			Report{
				Said: 2, Received: 3, Lost: 1, Pause: 400 * time.Millisecond, Closed: 1, Back: 300 * time.Millisecond,
			}, false,
		},
		"who is not back is away": {
			func(b *Book) {
				b.EndSocket(1)
				b.Leave(1)
			},
			Report{Sockets: 1, Closed: 1, Away: 1}, true,
		},
		"what nobody can have said does not count": {
			func(b *Book) {
				b.Hear(0, 9, 0, at(1))
				b.Hear(0, 0, -1, at(1))
				b.Answer(7, nil)
			},
			Report{}, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := chat(2)
			test.story(b)
			want := test.want
			want.Name, want.Clients = "first", 2
			if want.Reasons == nil {
				want.Reasons = map[string]int{}
			}
			got := b.Report(0, nil)
			got.Back = max(got.Back, 0)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("report differs (-want +got):\n%s", diff)
			}
			if settled, _ := b.Settled(); settled != test.settled {
				t.Errorf("settled is %v, want %v", settled, test.settled)
			}
		})
	}
}

func TestPhasesAndClientsAreToldApart(t *testing.T) {
	t.Parallel()
	b := chat(3)
	early := say(b, 0, at(10), 0, 1, 2)
	b.Begin("second", at(1000))
	say(b, 2, at(1010), 0, 1)
	b.Hear(0, 0, early, at(1020)) // a repeat counts when it comes
	b.EndSocket(2)
	first, second := b.Report(0, nil), b.Report(1, nil)
	if first.Received != 3 || first.Lost+first.Doubled+first.Sockets != 0 || first.Pause != 10*time.Millisecond {
		t.Errorf("first phase: %+v", first)
	}
	if second.Received != 2 || second.Lost != 1 || second.Doubled != 1 || second.Sockets != 1 {
		t.Errorf("second phase: %+v", second)
	}
	others := b.Report(1, func(client int) bool { return client != 2 })
	if others.Clients != 2 || others.Lost != 0 || others.Sockets != 0 || others.Doubled != 1 || others.Said != 0 {
		t.Errorf("clients but the last: %+v", others)
	}
}

func TestAwayCountsClientsWithoutASession(t *testing.T) {
	t.Parallel()
	b := New(2)
	if b.Away() != 2 || b.There(0) {
		t.Errorf("%d are away before anybody came", b.Away())
	}
	b.Join(0, at(0))
	b.Begin("first", at(1))
	b.Join(1, at(2))
	b.Leave(1)
	b.Join(1, at(3))
	if b.Away() != 0 || !b.There(1) {
		t.Errorf("%d are away when all have come", b.Away())
	}
}

func TestProgressShowsThatSomethingStillComes(t *testing.T) {
	t.Parallel()
	b := chat(2)
	number := b.Say(0, at(1))
	_, before := b.Settled()
	b.Answer(number, nil)
	_, answered := b.Settled()
	b.Hear(0, 0, number, at(2))
	_, heard := b.Settled()
	if before == answered || answered == heard {
		t.Errorf("progress is %d, %d, %d", before, answered, heard)
	}
}
