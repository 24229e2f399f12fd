// Package book keeps the books of a chat in which every client hears everybody, while servers come and go: what was said,
// who heard it, how often, in which order and when. Messages are numbers, so that millions of deliveries fit. It does no
// I/O; times must come from one clock.
package book

import (
	"sync"
	"time"
)

// Book is the account of a run in phases, of which one is open at a time. Its methods may be called by many at once.
type Book struct {
	clients []account

	mu       sync.RWMutex // guards what follows; accounts have locks of their own, taken after this one
	messages []message    // by number
	phases   []period
}

// message is something that was said.
type message struct {
	sender int
	at     time.Time
	state  state
	reason string // why the call failed
}

type state int

const (
	underway  state = iota // no answer yet
	confirmed              // the server has taken it: all must hear it
	failed                 // nobody must hear it, but some may
)

// period is a phase: what is said from first on, up to that of the next phase.
type period struct {
	name         string
	first        int
	begin, event time.Time
}

// account is what one client went through.
type account struct {
	mu     sync.Mutex // guards what follows
	heard  []uint8    // how often, by message
	latest []int32    // number of the newest message heard, plus 1, by sender
	last   time.Time  // when something was heard last
	there  bool       // it has a session
	phases []experience
}

// experience is what a client went through in one phase.
type experience struct {
	doubled, disordered int
	sockets, closes     int
	pause               time.Duration
	back                time.Time // when its last new session began
}

// New returns empty books for so many clients.
func New(clients int) *Book {
	b := &Book{clients: make([]account, clients)}
	for i := range b.clients {
		b.clients[i].latest = make([]int32, clients)
	}
	return b
}

// Begin opens a phase. What is said from now on belongs to it, and what happens to clients.
func (b *Book) Begin(name string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.phases = append(b.phases, period{name: name, first: len(b.messages), begin: at, event: at})
	for i := range b.clients {
		c := &b.clients[i]
		c.mu.Lock()
		c.phases = append(c.phases, experience{})
		c.last = at
		c.mu.Unlock()
	}
}

// Event notes when the disturbance of the open phase happened, from which Report counts the time until clients are back.
func (b *Book) Event(at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.phases[len(b.phases)-1].event = at
}

// Say notes a message that is about to be sent and returns its number.
func (b *Book) Say(sender int, at time.Time) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.messages = append(b.messages, message{sender: sender, at: at})
	return len(b.messages) - 1
}

// Answer notes how the call ended with which a message was sent.
func (b *Book) Answer(number int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if number < 0 || number >= len(b.messages) || b.messages[number].state != underway {
		return
	}
	m := &b.messages[number]
	if m.state = confirmed; err != nil {
		m.state, m.reason = failed, err.Error()
	}
}

// Hear notes that a client received a message.
func (b *Book) Hear(client, sender, number int, at time.Time) {
	if sender < 0 || sender >= len(b.clients) || number < 0 {
		return
	}
	c := &b.clients[client]
	c.mu.Lock()
	defer c.mu.Unlock()
	if grow := number + 1 - len(c.heard); grow > 0 {
		c.heard = append(c.heard, make([]uint8, grow)...)
	}
	c.heard[number]++
	if len(c.phases) == 0 {
		return
	}
	now := &c.phases[len(c.phases)-1]
	switch {
	case c.heard[number] > 1:
		now.doubled++
	case int32(number) < c.latest[sender]:
		now.disordered++
	default:
		c.latest[sender] = int32(number) + 1
	}
	now.pause = max(now.pause, at.Sub(c.last))
	if at.After(c.last) {
		c.last = at
	}
}

// Join notes that a client has a new session.
func (b *Book) Join(client int, at time.Time) {
	b.experience(client, func(c *account, now *experience) {
		c.there = true
		now.back = at
	})
}

// Leave notes that a client lost its session: an application would have seen a close.
func (b *Book) Leave(client int) {
	b.experience(client, func(c *account, now *experience) {
		c.there = false
		now.closes++
	})
}

// EndSocket notes that a client lost a socket that its session may outlive.
func (b *Book) EndSocket(client int) {
	b.experience(client, func(_ *account, now *experience) { now.sockets++ })
}

func (b *Book) experience(client int, note func(*account, *experience)) {
	c := &b.clients[client]
	c.mu.Lock()
	defer c.mu.Unlock()
	now := &experience{} // before the first phase nothing counts
	if len(c.phases) > 0 {
		now = &c.phases[len(c.phases)-1]
	}
	note(c, now)
}

// There tells whether a client has a session now.
func (b *Book) There(client int) bool {
	c := &b.clients[client]
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.there
}

// Away is how many clients have no session now.
func (b *Book) Away() int {
	away := 0
	for i := range b.clients {
		if !b.There(i) {
			away++
		}
	}
	return away
}
