package redis

import (
	"sync"
	"time"
)

// subscriptions is the table of the channels that this process wants, and of how far Redis has confirmed them. It does
// no I/O: the subscriber asks it what to send (changes) and tells it what came back (confirm).
//
// Redis answers every channel of every SUBSCRIBE and UNSUBSCRIBE, in order. A channel is in the state that was asked for
// last once all its answers have come.
//
// The table has a part for each connection that subscribes. One is there from the beginning; place may put channels into
// others.
type subscriptions struct {
	*part
	observe func(channels int)

	// mutex guards everything below, and the fields of entries and parts.
	mutex   sync.Mutex
	entries map[string]*subscription
	wanted  int
	// place says to which part the channels of a slot belong, nil if to none at present.
	place func(slot int) *part
	// flowing are the parts over whose connections messages come now.
	flowing map[*part]struct{}
	// breaks counts how often messages may have come otherwise than to other processes: a connection was lost or made, or a
	// channel put elsewhere.
	breaks uint64
}

// part is what one connection has to subscribe.
type part struct {
	table *subscriptions
	// wake tells the subscriber that changes has something to tell.
	wake    chan struct{}
	changed []*subscription
	// process is the run of Redis that sends what comes now; empty while nothing can come, or if Redis does not tell.
	process string
	// asking wait for the next ping of catchUp, asked for the answer to the last one, which was sent at askedAt.
	asking, asked []*waiter
	askedAt       time.Time
	// slots are the channels by slot that Redis knows, or was asked to, over the present connection; nil where slots do not matter.
	// When many slots move, Redis says so of each.
	slots map[int]map[*subscription]struct{}
}

// subscription is one channel.
type subscription struct {
	channel string
	// slot is the channel's.
	slot int
	// part is the one it belongs to; nil while it belongs to none.
	part    *part
	owner   any
	deliver func(payload []byte)
	// wanted is what the process wants now.
	wanted bool
	// sent is what was asked of Redis last, over the present connection.
	sent bool
	// outstanding are the answers still to come over the present connection.
	outstanding int
	// listed: it is among the part's changed.
	listed  bool
	waiters []*waiter
}

// waiter waits for any number of channels to be confirmed.
type waiter struct {
	missing int
	done    chan struct{}
}

// handler is a channel and what to do with its messages.
type handler struct {
	channel string
	deliver func(payload []byte)
}

func newSubscriptions(observe func(channels int)) *subscriptions {
	s := &subscriptions{observe: observe, entries: make(map[string]*subscription), flowing: make(map[*part]struct{})}
	s.part = &part{table: s, wake: make(chan struct{}, 1)}
	s.place = func(int) *part { return s.part }
	return s
}

// newPart returns a part for the channels of some slots. None belongs to it yet.
func (s *subscriptions) newPart() *part {
	return &part{table: s, wake: make(chan struct{}, 1), slots: make(map[int]map[*subscription]struct{})}
}

func (s *subscription) confirmed() bool { return s.wanted && s.sent && s.outstanding == 0 }

// add wants channels for owner. The waiter is done when Redis has confirmed all of them.
func (s *subscriptions) add(owner any, handlers []handler) *waiter {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	waiting := &waiter{done: make(chan struct{})}
	for _, handler := range handlers {
		entry := s.entries[handler.channel]
		if entry == nil {
			slot := slotOf(handler.channel)
			entry = &subscription{channel: handler.channel, slot: slot, part: s.place(slot)}
			s.entries[handler.channel] = entry
		}
		entry.owner, entry.deliver = owner, handler.deliver
		s.want(entry, true)
		waiting.join(entry)
	}
	waiting.settle()
	return waiting
}

// await waits for channels that were added before, without adding any.
func (s *subscriptions) await(channels []string) *waiter {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	waiting := &waiter{done: make(chan struct{})}
	for _, channel := range channels {
		if entry := s.entries[channel]; entry != nil && entry.wanted {
			waiting.join(entry)
		}
	}
	waiting.settle()
	return waiting
}

// join and settle are called with the mutex held.
func (w *waiter) join(entry *subscription) {
	if !entry.confirmed() {
		entry.waiters = append(entry.waiters, w)
		w.missing++
	}
}

func (w *waiter) settle() {
	if w.missing == 0 {
		close(w.done)
	}
}

// leave gives up waiting for channels.
func (s *subscriptions) leave(waiting *waiter, channels []string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, channel := range channels {
		entry := s.entries[channel]
		if entry == nil {
			continue
		}
		for i, other := range entry.waiters {
			if other == waiting {
				entry.waiters = append(entry.waiters[:i], entry.waiters[i+1:]...)
				break
			}
		}
	}
}

// remove wants channels no more. Messages of theirs that still come are dropped.
func (s *subscriptions) remove(owner any, channels []string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, channel := range channels {
		if entry := s.entries[channel]; entry != nil && entry.owner == owner {
			s.want(entry, false)
		}
	}
}

// removeAll removes every channel of owner.
func (s *subscriptions) removeAll(owner any) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, entry := range s.entries {
		if entry.owner == owner {
			s.want(entry, false)
		}
	}
}

// want is called with the mutex held.
func (s *subscriptions) want(entry *subscription, wanted bool) {
	if entry.wanted == wanted {
		return
	}
	entry.wanted = wanted
	if wanted {
		s.wanted++
	} else {
		s.wanted--
	}
	s.observe(s.wanted)
	if !wanted && s.forgetIfIdle(entry) {
		return
	}
	s.list(entry)
}

// list is called with the mutex held.
func (s *subscriptions) list(entry *subscription) {
	if entry.part == nil {
		return
	}
	if !entry.listed {
		entry.listed = true
		entry.part.changed = append(entry.part.changed, entry)
	}
	signal(entry.part.wake)
}

// forgetIfIdle drops a channel that neither the process wants nor Redis knows. A listed one is still referred to and is
// dropped by changes. It is called with the mutex held.
func (s *subscriptions) forgetIfIdle(entry *subscription) bool {
	if entry.wanted || entry.sent || entry.outstanding > 0 || entry.listed {
		return false
	}
	delete(s.entries, entry.channel)
	return true
}

// restart is called when a new connection is there, to which Redis has not subscribed anything yet.
func (p *part) restart() {
	s := p.table
	s.mutex.Lock()
	defer s.mutex.Unlock()
	clear(p.slots)
	for _, entry := range s.entries {
		if entry.part != p {
			continue
		}
		entry.sent, entry.outstanding = false, 0
		if !s.forgetIfIdle(entry) {
			s.list(entry)
		}
	}
}

// hears is called when what comes is from process from now on, other than before; nothing comes if it is empty.
func (p *part) hears(process string) {
	p.table.mutex.Lock()
	defer p.table.mutex.Unlock()
	p.table.breaks++
	p.process = process
}

// source returns the run of Redis that sends what comes now, if it is known.
func (p *part) source() string {
	p.table.mutex.Lock()
	defer p.table.mutex.Unlock()
	return p.process
}

// generation returns breaks.
func (s *subscriptions) generation() uint64 {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.breaks
}

// misplaced is called when Redis has said that this connection's server does not serve slot. What was asked of it there
// is void; it is asked again when the table is arranged anew.
func (p *part) misplaced(slot int) {
	p.table.mutex.Lock()
	defer p.table.mutex.Unlock()
	p.table.breaks++
	for entry := range p.slots[slot] {
		p.void(entry)
	}
}

// ousted is called when Redis has ended a subscription, as it does with each one of a slot that moves.
func (p *part) ousted(channel string) {
	p.table.mutex.Lock()
	defer p.table.mutex.Unlock()
	p.table.breaks++
	if entry := p.table.entries[channel]; entry != nil && entry.part == p {
		p.void(entry)
	}
}

// void makes a channel one of which nothing was asked. It is called with the mutex held.
func (p *part) void(entry *subscription) {
	entry.sent, entry.outstanding = false, 0
	p.sort(entry)
	p.table.forgetIfIdle(entry)
}

// sort puts a channel of the part where it belongs in slots. It is called with the mutex held.
func (p *part) sort(entry *subscription) {
	if p.slots == nil {
		return
	}
	known := p.slots[entry.slot]
	switch {
	case !entry.sent && entry.outstanding == 0:
		delete(known, entry)
		if len(known) == 0 {
			delete(p.slots, entry.slot)
		}
	case known == nil:
		p.slots[entry.slot] = map[*subscription]struct{}{entry: {}}
	default:
		known[entry] = struct{}{}
	}
}

// arrange puts every channel where place says from now on, and lists those that are not subscribed there.
func (s *subscriptions) arrange(place func(slot int) *part) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.place = place
	for _, entry := range s.entries {
		if belongs := place(entry.slot); belongs != entry.part {
			s.breaks++
			entry.sent, entry.outstanding, entry.listed = false, 0, false
			if entry.part != nil {
				entry.part.sort(entry)
			}
			entry.part = belongs
		}
		if !s.forgetIfIdle(entry) && entry.wanted != entry.sent {
			s.list(entry)
		}
	}
}

// changes returns the channels to subscribe and to unsubscribe now. The caller sends both or gives up the connection.
// A channel that was removed and added again meanwhile is in neither.
func (p *part) changes() (subscribe, unsubscribe []string) {
	s := p.table
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, entry := range p.changed {
		if entry.part != p { // it was put elsewhere
			continue
		}
		entry.listed = false
		if entry.wanted == entry.sent {
			s.forgetIfIdle(entry)
			continue
		}
		entry.sent = entry.wanted
		entry.outstanding++
		p.sort(entry)
		if entry.wanted {
			subscribe = append(subscribe, entry.channel)
		} else {
			unsubscribe = append(unsubscribe, entry.channel)
		}
	}
	p.changed = nil
	return subscribe, unsubscribe
}

// confirm takes Redis's answer about one channel. It reports false if none was expected.
func (p *part) confirm(channel string) (expected bool) {
	s := p.table
	s.mutex.Lock()
	defer s.mutex.Unlock()
	entry := s.entries[channel]
	if entry == nil || entry.part != p || entry.outstanding == 0 {
		return false
	}
	entry.outstanding--
	p.sort(entry)
	if s.forgetIfIdle(entry) || !entry.confirmed() {
		return true
	}
	entry.waiters = satisfy(entry.waiters)
	return true
}

// handler returns what to do with a message of channel, nil when it is not wanted (any more).
func (s *subscriptions) handler(channel string) func(payload []byte) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if entry := s.entries[channel]; entry != nil && entry.wanted {
		return entry.deliver
	}
	return nil
}
