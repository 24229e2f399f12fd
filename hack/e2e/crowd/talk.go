package crowd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/chatcluster/chatcluster/hack/e2e/ledger"
)

const (
	// quiet is how long nothing may arrive before what is missing counts as lost.
	quiet = 10 * time.Second
	// calm is how long no client may come or go before a disturbance counts as over.
	calm = 3 * time.Second
)

// Outcome is what became of a phase.
type Outcome struct {
	ledger.Report
	// Clients is the size of the crowd, Reconnects how often one of them came back.
	Clients, Reconnects int
	// Servers are the names of those that took messages.
	Servers []string
	// Twice is how many messages each client heard more than once, of those that did.
	Twice map[string]int
	// Took is how long the disturbance lasted.
	Took time.Duration
}

// Talk lets the crowd speak, rate messages a second, while disturb goes on and until all clients are connected again
// afterwards and stay so; then it waits for what is still on its way and reports. An error is the disturbance's.
func (c *Crowd) Talk(ctx context.Context, rate int, disturb func(context.Context) error) (Outcome, error) {
	current := c.begin()
	reconnects := c.reconnects.Load()
	speaking, stop := context.WithCancel(ctx)
	spoken := make(chan struct{})
	go func() {
		defer close(spoken)
		c.speak(speaking, current, rate)
	}()
	begin := time.Now()
	err := disturb(ctx)
	took := time.Since(begin)
	if err == nil {
		if err = c.AwaitCalm(ctx, calm); err == nil {
			current.books.Recovered(time.Now())
			err = c.hearOut(ctx, rate)
		}
	}
	stop()
	<-spoken
	c.settle(ctx, current)
	return c.end(current, took, int(c.reconnects.Load()-reconnects)), err
}

// hearOut lets the crowd speak a little longer, so that a pause at the end has an end.
func (c *Crowd) hearOut(ctx context.Context, rate int) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(max(time.Second, 20*time.Second/time.Duration(rate))):
		return nil
	}
}

// RollCall lets each client say one thing and returns what became of it: the names of all servers that have clients
// are among its Servers.
func (c *Crowd) RollCall(ctx context.Context) Outcome {
	current := c.begin()
	for i, speaker := range c.speakers {
		c.say(ctx, current, speaker, i)
	}
	c.settle(ctx, current)
	return c.end(current, 0, 0)
}

func (c *Crowd) begin() *phase {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	current := &phase{name: "phase " + strconv.Itoa(c.next), books: ledger.New(time.Now()), servers: map[string]int{}}
	c.phases[current.name] = current
	for client := range c.joined {
		current.books.Join(client, time.Now())
	}
	return current
}

// speak lets the speakers take turns until ctx ends.
func (c *Crowd) speak(ctx context.Context, current *phase, rate int) {
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.say(context.WithoutCancel(ctx), current, c.speakers[i%len(c.speakers)], i)
		}
	}
}

// say lets one client say something, if it is connected: an application does not call while it is not.
func (c *Crowd) say(ctx context.Context, current *phase, speaker speaker, number int) {
	c.mu.Lock()
	connected := c.joined[speaker.name()]
	c.mu.Unlock()
	if !connected {
		return
	}
	text := fmt.Sprintf("%s/%s/%d", current.name, speaker.name(), number)
	current.books.Say(text, time.Now())
	speaker.say(ctx, text)
}

// settle waits until everything that was said has arrived, or until nothing more comes.
func (c *Crowd) settle(ctx context.Context, current *phase) {
	last, since := current.books.Entries(), time.Now()
	for time.Since(since) < quiet && ctx.Err() == nil {
		now := current.books.Entries()
		switch {
		case now != last: // adding up is dear: only when nothing came for a moment
			last, since = now, time.Now()
		case current.books.Settled():
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (c *Crowd) end(current *phase, took time.Duration, reconnects int) Outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.phases, current.name)
	return Outcome{
		Report: current.books.Report(), Clients: c.Size(), Reconnects: reconnects,
		Servers: slices.Sorted(maps.Keys(current.servers)), Twice: current.books.Twice(), Took: took,
	}
}
