package stream

import (
	"slices"
	"sync/atomic"
	"time"
)

// Item is one message on its way into a stream.
type Item struct {
	Stream  string
	Channel string
	Payload []byte
	// Settle is called once: with nil when Redis has accepted the item, else with the reason why it never will. It must
	// return at once.
	Settle func(error)

	number uint64
	// turn is its place among all items of the outbox that were ever numbered.
	turn       uint64
	attempts   int
	acceptedAt time.Time
	settled    bool
	abandoned  atomic.Bool
}

// Number is the number of the item among those of its stream; 0 until Outbox.Next has returned it.
func (i *Item) Number() uint64 { return i.number }

// Abandon says that nobody waits for the item. It is dropped unless it was sent before. It may be called at any time.
func (i *Item) Abandon() { i.abandoned.Store(true) }

func (i *Item) settle(err error) {
	if !i.settled {
		i.settled = true
		i.Settle(err)
	}
}

// Outbox is what a publisher has to send, and what it keeps to send again. One batch at a time is on its way: after Next
// comes Accept, Refuse or Reconnect. It is not for concurrent use.
type Outbox struct {
	// limit bounds the payload bytes that are kept after Redis has accepted them.
	limit int
	// waiting were never sent, by stream. The streams that have some take turns: next is their order.
	waiting map[string][]*Item
	next    []string
	// kept were sent, oldest first. The first accepted of them are accepted and not yet safe.
	kept     []*Item
	accepted int
	bytes    int

	lastTurn  uint64
	last      map[string]uint64
	forgotten uint64
}

// NewOutbox returns an outbox that keeps about limit bytes.
func NewOutbox(limit int) *Outbox {
	return &Outbox{limit: limit, waiting: make(map[string][]*Item), last: make(map[string]uint64)}
}

// Add puts an item behind all others of its stream.
func (o *Outbox) Add(item *Item) {
	if len(o.waiting[item.Stream]) == 0 {
		o.next = append(o.next, item.Stream)
	}
	o.waiting[item.Stream] = append(o.waiting[item.Stream], item)
}

// Next returns the next items to send, in this order: those that must be sent again before those that are new. They are of one
// stream: Redis must accept all of them or none, and may refuse what is for another stream.
func (o *Outbox) Next(most, mostBytes int) []*Item {
	left := room{most, mostBytes}
	end := o.accepted
	for ; end < len(o.kept) && o.kept[end].Stream == o.kept[o.accepted].Stream && left.any(); end++ {
		o.kept[end].attempts++
		left.take(o.kept[end])
	}
	if end < len(o.kept) {
		return o.kept[o.accepted:end:end]
	}
	if end > o.accepted {
		o.release(o.kept[o.accepted].Stream, &left)
	}
	for len(o.kept) == o.accepted && len(o.next) > 0 && left.any() {
		o.release(o.next[0], &left)
	}
	end = len(o.kept)
	return o.kept[o.accepted:end:end]
}

// room is what a batch may still have.
type room struct{ items, bytes int }

func (r *room) any() bool { return r.items > 0 && r.bytes > 0 }

func (r *room) take(item *Item) {
	r.items--
	r.bytes -= len(item.Payload)
}

// release numbers the items of a stream that wait, while there is room. Those that go on to wait let other streams go first.
func (o *Outbox) release(name string, left *room) {
	waiting := o.waiting[name]
	if len(waiting) == 0 {
		return
	}
	for ; len(waiting) > 0 && left.any(); waiting = waiting[1:] {
		item := waiting[0]
		if item.abandoned.Load() {
			item.settle(nil)
			continue
		}
		o.number(item)
		left.take(item)
	}
	o.next = slices.DeleteFunc(o.next, func(other string) bool { return other == name })
	if len(waiting) == 0 {
		delete(o.waiting, name)
		return
	}
	o.waiting[name] = waiting
	o.next = append(o.next, name)
}

func (o *Outbox) number(item *Item) {
	o.last[item.Stream]++
	o.lastTurn++
	item.number, item.turn, item.attempts = o.last[item.Stream], o.lastTurn, 1
	o.kept = append(o.kept, item)
	o.bytes += len(item.Payload)
}

// Accept says that Redis has taken all of batch.
func (o *Outbox) Accept(batch []*Item, now time.Time) {
	for _, item := range batch {
		item.acceptedAt = now
		item.settle(nil)
	}
	o.accepted += len(batch)
	for o.bytes > o.limit && o.accepted > 0 {
		o.drop(1)
		o.forgotten++
	}
}

// Refuse says that Redis has taken nothing of batch now. New items fail with err and give back their numbers, lest readers miss
// them; those that were sent before may be in the stream already and stay. It returns how many do.
func (o *Outbox) Refuse(batch []*Item, err error) (stay int) {
	fresh := len(batch)
	for fresh > 0 && batch[fresh-1].attempts == 1 {
		fresh--
	}
	for _, item := range batch[fresh:] {
		o.last[item.Stream]--
		o.bytes -= len(item.Payload)
		item.settle(err)
	}
	if fresh < len(batch) { // then batch is the end of what is kept
		o.kept = o.kept[:o.accepted+fresh]
	}
	return fresh
}

// GiveUp says that Redis will never take these items, which stayed when it refused them: all others would wait behind them. Their
// numbers are not used again, because they may be in the stream.
func (o *Outbox) GiveUp(items []*Item, err error) {
	for _, item := range items {
		o.bytes -= len(item.Payload)
		if item.settled {
			o.forgotten++
		}
		item.settle(err)
	}
	o.kept = slices.Delete(o.kept, o.accepted, o.accepted+len(items))
}

// Reconnect says that the connection is a new one, and whether Redis may have forgotten what it had accepted.
func (o *Outbox) Reconnect(forgetful bool) {
	if forgetful {
		o.accepted = 0
	}
}

// Accepted returns the turn of the last item that Redis has accepted and that is not yet safe, 0 if there is none.
func (o *Outbox) Accepted() (turn uint64) {
	if o.accepted == 0 {
		return 0
	}
	return o.kept[o.accepted-1].turn
}

// Safe says that Redis will not forget the accepted items up to turn.
func (o *Outbox) Safe(turn uint64) {
	o.dropWhile(func(item *Item) bool { return item.turn <= turn })
}

// SafeBefore says the same of those that were accepted before then.
func (o *Outbox) SafeBefore(then time.Time) {
	o.dropWhile(func(item *Item) bool { return item.acceptedAt.Before(then) })
}

func (o *Outbox) dropWhile(safe func(*Item) bool) {
	count := 0
	for count < o.accepted && safe(o.kept[count]) {
		count++
	}
	o.drop(count)
}

// drop forgets the oldest of the accepted.
func (o *Outbox) drop(count int) {
	for _, item := range o.kept[:count] {
		o.bytes -= len(item.Payload)
	}
	clear(o.kept[:count])
	o.kept = o.kept[count:]
	o.accepted -= count
	if len(o.kept) == 0 {
		o.kept = nil
	}
}

// Kept returns how many items Redis has accepted that are not yet safe, and how many had to be given up before they were.
func (o *Outbox) Kept() (unsafe int, forgotten uint64) { return o.accepted, o.forgotten }

// Idle tells whether there is nothing to send.
func (o *Outbox) Idle() bool { return o.accepted == len(o.kept) && len(o.next) == 0 }

// Fail settles all that Redis has not accepted with err, and forgets it.
func (o *Outbox) Fail(err error) {
	for _, item := range o.kept[o.accepted:] {
		item.settle(err)
	}
	for _, name := range o.next {
		for _, item := range o.waiting[name] {
			item.settle(err)
		}
	}
	o.kept, o.next = o.kept[:o.accepted], nil
	clear(o.waiting)
}
