package redis

import (
	"context"
	"time"
)

// catchUpShare is the share of SubscribeTimeout for which a client that connects waits for primaries that do not answer: a
// message that it may hear twice is better than none at all.
const catchUpShare = 10

// caughtUp is the payload of a ping whose answer comes behind all that Redis had sent over the connection.
const caughtUp = "caught up"

// catchUp returns a waiter that is done when everything has been delivered that Redis had sent before, over all connections
// but those that have not answered for patience.
//
// A client that connects anew may have heard a message at its former server that is still on its way here. Once the
// client's own channel is confirmed that message cannot come any more over the same connection, but over another it can,
// and the client would hear it twice. With streams Redis confirms nothing, and this server may read behind another.
func (s *subscriptions) catchUp(patience time.Duration) *waiter {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	waiting := &waiter{done: make(chan struct{})}
	for p := range s.flowing {
		if len(p.asked) > 0 && time.Since(p.askedAt) > patience {
			continue // else clients that come one after another would each wait for it
		}
		p.asking = append(p.asking, waiting)
		waiting.missing++
		signal(p.wake)
	}
	waiting.settle()
	return waiting
}

// wait waits no longer than patience, for a waiter that is nil not at all.
func (w *waiter) wait(ctx context.Context, patience time.Duration) {
	if w == nil {
		return
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-w.done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// ask tells whether to ping now. All who wait share one ping; who comes while it is on its way waits for the next.
func (p *part) ask() bool {
	p.table.mutex.Lock()
	defer p.table.mutex.Unlock()
	if len(p.asking) == 0 || len(p.asked) > 0 {
		return false
	}
	p.asked, p.asking, p.askedAt = p.asking, nil, time.Now()
	return true
}

// answered takes the answer to that ping.
func (p *part) answered() {
	p.table.mutex.Lock()
	defer p.table.mutex.Unlock()
	p.asked = satisfy(p.asked)
	if len(p.asking) > 0 {
		signal(p.wake)
	}
}

// flows says that messages come over this connection from now on, ebbs that none come any more.
func (p *part) flows() {
	p.table.mutex.Lock()
	defer p.table.mutex.Unlock()
	p.table.flowing[p] = struct{}{}
}

func (p *part) ebbs() {
	p.table.mutex.Lock()
	defer p.table.mutex.Unlock()
	delete(p.table.flowing, p)
	p.asked, p.asking = satisfy(p.asked), satisfy(p.asking)
}

// satisfy is called with the table's mutex held. It returns nobody.
func satisfy(waiters []*waiter) []*waiter {
	for _, waiting := range waiters {
		waiting.missing--
		waiting.settle()
	}
	return nil
}
