package book

import (
	"time"
)

// Report is what became of a phase, for some or all of the clients.
type Report struct {
	// Name is the phase's.
	Name string
	// Clients is how many clients it is about.
	Clients int
	// Said is how many of their calls the servers have taken, Failed how many failed or were never answered.
	Said, Failed int
	// Reasons are why calls failed, and how often each.
	Reasons map[string]int
	// Received is how many different messages reached them, Lost how many did not that should have, Doubled how many came
	// again, Disordered how many after a later one of the same sender.
	Received, Lost, Doubled, Disordered int
	// LostByUnaware is how many of the lost ones belong to clients that saw no close.
	LostByUnaware int
	// Pause is the longest time in which one of them heard nothing.
	Pause time.Duration
	// Sockets is how many sockets ended, Closed how many clients saw a close.
	Sockets, Closed int
	// Back is the time from the event until the last of those had a session again, Away how many have none.
	Back time.Duration
	Away int
}

// Report adds up a phase for the clients that are chosen; nil chooses all.
func (b *Book) Report(phase int, chosen func(client int) bool) Report {
	b.mu.RLock()
	defer b.mu.RUnlock()
	period, said := b.phases[phase], b.said(phase)
	r := Report{Name: period.name, Reasons: map[string]int{}}
	var due []int // numbers of the messages that all must hear
	for i, m := range said {
		if m.state == confirmed {
			due = append(due, period.first+i)
		}
		if chosen == nil || chosen(m.sender) {
			r.call(m)
		}
	}
	for i := range b.clients {
		if chosen == nil || chosen(i) {
			b.clients[i].addTo(&r, phase, period, due, said)
		}
	}
	return r
}

// call counts how a call ended.
func (r *Report) call(m message) {
	switch m.state {
	case confirmed:
		r.Said++
	case failed:
		r.Failed++
		r.Reasons[m.reason]++
	case underway:
		r.Failed++
		r.Reasons["no answer"]++
	}
}

// said are the messages of a phase.
func (b *Book) said(phase int) []message {
	end := len(b.messages)
	if phase+1 < len(b.phases) {
		end = b.phases[phase+1].first
	}
	return b.messages[b.phases[phase].first:end]
}

// addTo adds what a client went through. Its messages are those from period.first on.
func (c *account) addTo(r *Report, phase int, period period, due []int, said []message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	went, lost := c.phases[phase], 0
	for _, number := range due {
		if number >= len(c.heard) || c.heard[number] == 0 {
			lost++
		}
	}
	for number := period.first; number < min(period.first+len(said), len(c.heard)); number++ {
		if c.heard[number] > 0 {
			r.Received++
		}
	}
	r.Clients++
	r.Lost += lost
	r.Doubled += went.doubled
	r.Disordered += went.disordered
	r.Sockets += went.sockets
	r.Pause = max(r.Pause, went.pause)
	if phase == len(c.phases)-1 {
		r.Pause = max(r.Pause, silence(c.last, said))
		if !c.there {
			r.Away++
		}
	}
	if went.closes == 0 {
		r.LostByUnaware += lost
		return
	}
	r.Closed++
	r.Back = max(r.Back, went.back.Sub(period.event))
}

// silence is how long others have spoken since a client heard something last.
func silence(last time.Time, said []message) (longest time.Duration) {
	for i := len(said) - 1; i >= 0; i-- {
		if said[i].state == confirmed {
			return max(0, said[i].at.Sub(last))
		}
	}
	return 0
}

// Settled tells whether all calls of the open phase are answered and everybody has heard what was said. progress changes
// as long as something still arrives.
func (b *Book) Settled() (settled bool, progress int) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	phase := len(b.phases) - 1
	first, said := b.phases[phase].first, b.said(phase)
	settled = true
	for _, m := range said {
		if m.state == underway {
			settled = false
		} else {
			progress++
		}
	}
	for i := range b.clients {
		c := &b.clients[i]
		c.mu.Lock()
		for number := range said {
			switch at := first + number; {
			case at < len(c.heard) && c.heard[at] > 0:
				progress++
			case said[number].state == confirmed:
				settled = false
			}
		}
		c.mu.Unlock()
	}
	return settled, progress
}
