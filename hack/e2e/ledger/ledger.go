// Package ledger keeps the books of a chat: what was said, who should have heard it, who did, how often and when.
package ledger

import (
	"sync"
	"time"
)

// Ledger keeps the books of one phase of a test: from the message on that is said first. Its methods may be called by
// many at once. Times must come from one clock.
type Ledger struct {
	mu        sync.Mutex // guards what follows
	begin     time.Time
	recovered time.Time // zero until Recovered
	entries   int       // how many answers and deliveries were booked
	messages  map[string]*message
	order     []*message
	clients   map[string]*listener
}

// message is something that somebody said.
type message struct {
	at    time.Time
	state state
}

type state int

const (
	underway  state = iota // said, not yet answered
	confirmed              // the server has taken it: all must hear it
	failed                 // the call failed: nobody must hear it, but some may
)

// listener is a client and what it heard.
type listener struct {
	joined time.Time
	heard  map[string]int // how often, by message
	last   time.Time      // when it heard something last
	pause  time.Duration  // its longest time without hearing anything
}

// New returns the books of a phase that begins now.
func New(begin time.Time) *Ledger {
	return &Ledger{begin: begin, messages: map[string]*message{}, clients: map[string]*listener{}}
}

// Join says that a client hears all that is said from then on. A client that comes back has not joined again: it should
// have heard what was said while it was away.
func (l *Ledger) Join(client string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.clients[client] == nil {
		l.clients[client] = &listener{joined: at, heard: map[string]int{}, last: maxTime(at, l.begin)}
	}
}

// Recovered notes that what disturbed the chat is over and all clients are connected: nothing that is said from then on has
// an excuse for being lost.
func (l *Ledger) Recovered(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recovered = at
}

// Say notes a message before it is sent.
func (l *Ledger) Say(id string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := &message{at: at}
	l.messages[id] = m
	l.order = append(l.order, m)
}

// Answer notes that the call with which a message was sent has ended, and how.
func (l *Ledger) Answer(id string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries++
	m := l.messages[id]
	switch {
	case m == nil:
	case err != nil:
		m.state = failed
	default:
		m.state = confirmed
	}
}

// Hear notes that a client received a message.
func (l *Ledger) Hear(client, id string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.clients[client]
	if c == nil || l.messages[id] == nil {
		return // not of this phase
	}
	l.entries++
	c.heard[id]++
	c.pause = max(c.pause, at.Sub(c.last))
	c.last = maxTime(c.last, at)
}

// Report is what the books say.
type Report struct {
	// Said is how many messages the servers have taken, Failed how many calls failed.
	Said, Failed int
	// Expected is how many deliveries there should have been, Lost how many of them there were not, and Doubled how many
	// there were beside: the same message, the same client.
	Expected, Lost, Doubled int
	// LostLate is how many of those that were lost were said after Recovered.
	LostLate int
	// Pause is the longest time in which a client heard nothing while others spoke.
	Pause time.Duration
}

// Report adds up. Calls that are under way count as failed.
func (l *Ledger) Report() Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	var r Report
	for _, m := range l.messages {
		if m.state == confirmed {
			r.Said++
		} else {
			r.Failed++
		}
	}
	for _, c := range l.clients {
		r.Pause = max(r.Pause, l.pause(c))
		for id, m := range l.messages {
			times := c.heard[id]
			r.Doubled += max(0, times-1)
			if m.state == confirmed && !m.at.Before(c.joined) {
				r.Expected++
				if times == 0 {
					r.Lost++
					if l.late(m) {
						r.LostLate++
					}
				}
			}
		}
	}
	return r
}

func (l *Ledger) late(m *message) bool {
	return !l.recovered.IsZero() && !m.at.Before(l.recovered)
}

// pause is the longest pause of a client, the one at the end included: it lasts until something is said last.
func (l *Ledger) pause(c *listener) time.Duration {
	pause := c.pause
	for _, m := range l.order {
		if m.state == confirmed && m.at.After(c.last) {
			pause = max(pause, m.at.Sub(c.last))
		}
	}
	return pause
}

// Twice says of each client that heard messages more than once how many of them: whether one client heard everything twice,
// or all heard one message twice, are different faults.
func (l *Ledger) Twice() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := map[string]int{}
	for name, c := range l.clients {
		for id, times := range c.heard {
			if times > 1 && l.messages[id] != nil {
				found[name]++
			}
		}
	}
	return found
}

// Entries is how many answers and deliveries have been booked: as long as it grows, more may come.
func (l *Ledger) Entries() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries
}

// Settled tells whether no call is under way and everybody has heard all that was said.
func (l *Ledger) Settled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.messages {
		if m.state == underway {
			return false
		}
	}
	for _, c := range l.clients {
		for id, m := range l.messages {
			if m.state == confirmed && !m.at.Before(c.joined) && c.heard[id] == 0 {
				return false
			}
		}
	}
	return true
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
