package stream

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func add(o *Outbox, text string) (item *Item, settled chan error) {
	settled = make(chan error, 2)
	item = &Item{Stream: "s", Payload: []byte(text), Settle: func(err error) { settled <- err }}
	o.Add(item)
	return item, settled
}

func TestAbandonedItemTakesNoNumber(t *testing.T) {
	o := NewOutbox(100)
	gone, _ := add(o, "gone")
	gone.Abandon()
	stays, _ := add(o, "stays")
	if batch := o.Next(10, 100); len(batch) != 1 || batch[0] != stays || stays.Number() != 1 {
		t.Errorf("batch %v", batch)
	}
}

func TestItemThatWasSentIsSentAgainAlthoughAbandoned(t *testing.T) {
	o := NewOutbox(100)
	item, _ := add(o, "x")
	o.Next(10, 100)
	item.Abandon()
	o.Reconnect(false)
	if batch := o.Next(10, 100); len(batch) != 1 || batch[0].Number() != 1 {
		t.Errorf("batch %v", batch)
	}
}

func TestRefusedItemFailsAndGivesItsNumberBack(t *testing.T) {
	o := NewOutbox(100)
	_, first := add(o, "first")
	sent := o.Next(10, 100)
	o.Reconnect(false)
	_, second := add(o, "second")
	refusal := errors.New("out of memory")
	o.Refuse(o.Next(10, 100), refusal)
	if err := <-second; !errors.Is(err, refusal) || len(first) != 0 {
		t.Errorf("second %v, first settled %d times", err, len(first))
	}
	third, _ := add(o, "third")
	if batch := o.Next(10, 100); len(batch) != 2 || batch[0] != sent[0] || third.Number() != 2 {
		t.Errorf("batch of %d, third is number %d", len(batch), third.Number())
	}
}

// texts are the payloads of a batch.
func texts(batch []*Item) string {
	var all []string
	for _, item := range batch {
		all = append(all, string(item.Payload))
	}
	return strings.Join(all, " ")
}

// Redis may refuse what is for one stream and take what is for another, in one transaction.
func TestABatchIsOfOneStreamAndStreamsTakeTurns(t *testing.T) {
	fill := func(names ...string) (*Outbox, map[string]error) {
		o, settled := NewOutbox(100), map[string]error{}
		for _, name := range names {
			o.Add(&Item{Stream: name[:1], Payload: []byte(name), Settle: func(err error) { settled[name] = err }})
		}
		return o, settled
	}
	expect := func(t *testing.T, o *Outbox, want string) []*Item {
		t.Helper()
		batch := o.Next(2, 100)
		if got := texts(batch); got != want {
			t.Errorf("the batch is %q, want %q", got, want)
		}
		return batch
	}
	t.Run("new items", func(t *testing.T) {
		o, _ := fill("a1", "b1", "a2", "a3", "c1", "b2")
		for _, want := range []string{"a1 a2", "b1 b2", "c1", "a3", ""} {
			o.Accept(expect(t, o, want), time.Now())
		}
		if !o.Idle() {
			t.Error("something is left")
		}
	})
	t.Run("items that are sent again", func(t *testing.T) {
		o, _ := fill("a1", "a2", "b1", "b2")
		for range 2 {
			o.Accept(o.Next(1, 100), time.Now()) // a1, b1
		}
		o.Reconnect(true)
		for _, want := range []string{"a1", "b1 b2", "a2"} {
			o.Accept(expect(t, o, want), time.Now())
		}
	})
	t.Run("a stream that Redis refuses", func(t *testing.T) {
		o, settled := fill("a1", "b1", "b2")
		refusal := errors.New("wrong type")
		if stay := o.Refuse(expect(t, o, "a1"), refusal); stay != 0 {
			t.Errorf("%d items stay", stay)
		}
		batch := expect(t, o, "b1 b2")
		o.Accept(batch, time.Now())
		if !errors.Is(settled["a1"], refusal) || settled["b1"] != nil || settled["b2"] != nil || batch[1].Number() != 2 {
			t.Errorf("settled %v, the last has the number %d", settled, batch[1].Number())
		}
	})
	t.Run("items that Redis will never take", func(t *testing.T) {
		o, settled := fill("a1", "b1", "a2", "b2")
		o.Accept(o.Next(1, 100), time.Now()) // a1
		expect(t, o, "b1 b2")
		o.Reconnect(true)
		expect(t, o, "a1")
		o.Reconnect(false)
		refusal := errors.New("wrong type")
		batch := expect(t, o, "a1")
		o.GiveUp(batch[:o.Refuse(batch, refusal)], refusal)
		o.Accept(expect(t, o, "b1 b2"), time.Now())
		if last := expect(t, o, "a2"); last[0].Number() != 2 {
			t.Errorf("the number of what may be in the stream is used again: %d", last[0].Number())
		}
		if _, forgotten := o.Kept(); forgotten != 1 || settled["a1"] != nil || o.bytes != 6 {
			t.Errorf("%d forgotten, %d bytes kept, settled %v", forgotten, o.bytes, settled)
		}
	})
	t.Run("abandoned items", func(t *testing.T) {
		o, _ := fill("a1", "b1")
		o.waiting["a"][0].Abandon()
		expect(t, o, "b1")
	})
	t.Run("the end", func(t *testing.T) {
		o, settled := fill("a1", "b1")
		o.Fail(errLate)
		if len(settled) != 2 || !errors.Is(settled["a1"], errLate) || !errors.Is(settled["b1"], errLate) || !o.Idle() {
			t.Errorf("settled %v", settled)
		}
	})
}

func TestItemIsSettledOnceHoweverOftenItIsAccepted(t *testing.T) {
	o := NewOutbox(100)
	_, settled := add(o, "x")
	o.Accept(o.Next(1, 100), time.Now())
	o.Reconnect(true)
	if _, kept := o.Kept(); kept != 0 {
		t.Error("forgotten")
	}
	o.Accept(o.Next(1, 100), time.Now())
	if len(settled) != 1 {
		t.Errorf("settled %d times", len(settled))
	}
}

func TestKeptBytesAreBoundedAndCounted(t *testing.T) {
	o := NewOutbox(10)
	for range 5 {
		add(o, "1234")
	}
	o.Accept(o.Next(10, 100), time.Now())
	if unsafe, forgotten := o.Kept(); unsafe != 2 || forgotten != 3 {
		t.Errorf("%d are kept, %d forgotten", unsafe, forgotten)
	}
}

func TestSafeIsForgottenByTurnAndByTime(t *testing.T) {
	o := NewOutbox(100)
	start := time.Now()
	for at := range 4 {
		add(o, "x")
		o.Accept(o.Next(10, 100), start.Add(time.Duration(at)*time.Second))
	}
	o.Safe(2)
	if unsafe, _ := o.Kept(); unsafe != 2 {
		t.Errorf("%d are kept", unsafe)
	}
	o.SafeBefore(start.Add(3 * time.Second))
	if unsafe, _ := o.Kept(); unsafe != 1 || o.Accepted() != 4 {
		t.Errorf("%d are kept, up to %d", unsafe, o.Accepted())
	}
}

func TestFailSettlesAllThatRedisDoesNotHave(t *testing.T) {
	o := NewOutbox(100)
	_, accepted := add(o, "accepted")
	o.Accept(o.Next(1, 100), time.Now())
	_, sent := add(o, "sent")
	o.Next(1, 100)
	_, waiting := add(o, "waiting")
	o.Fail(errLate)
	if err := <-accepted; err != nil {
		t.Error(err)
	}
	for _, settled := range []chan error{sent, waiting} {
		if err := <-settled; !errors.Is(err, errLate) {
			t.Error(err)
		}
	}
}

func TestIDs(t *testing.T) {
	for _, text := range []string{"0-0", "1700000000000-7", "18446744073709551615-18446744073709551615"} {
		if id, err := ParseID(text); err != nil || id.String() != text {
			t.Errorf("%s became %s, %v", text, id, err)
		}
	}
	for _, text := range []string{"", "1", "-", "1-", "-1", "a-1", "1-b", "1-2-3"} {
		if _, err := ParseID(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	id := ID{1000, 5}
	if !(ID{999, 9}).Before(id) || !(ID{1000, 4}).Before(id) || id.Before(id) || (id.Earlier(time.Hour) != ID{}) {
		t.Error("the order is wrong")
	}
}
