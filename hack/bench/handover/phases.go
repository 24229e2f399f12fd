package handover

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	// shortLead is how long clients talk before an event, longLead where it must be known which server each belongs to:
	// every client has to say something meanwhile.
	shortLead = 2 * time.Second
	// balanceTimeout is how long servers may take until they have about as many clients each.
	balanceTimeout = 40 * time.Second
	balancePause   = 200 * time.Millisecond
	// A server may have so many times the mean, and so many clients more, for all to count as balanced.
	balanceFactor, balanceSlack = 1.07, 2
)

// phase is a part of the trial.
type phase struct {
	name string
	lead time.Duration
	goal goal
	// through is the goal of clients whose sockets alone go through the server that the phase is about.
	through goal
	// disturb does what the phase is about and returns when it is over.
	disturb func(context.Context, *trial) error
	// after, if not nil, prepares for what follows, while nobody talks.
	after func(context.Context, *trial) error
}

// The phases that there are, by what Options.Phases calls them, in order.
const (
	Quiet    = "quiet"
	Update   = "update"
	ScaleIn  = "scale-in"
	ScaleOut = "scale-out"
	Kill     = "kill"
	Stop     = "stop"
	Redis    = "redis"
)

// AllPhases are the names of all phases, in order.
func AllPhases() []string { return []string{Quiet, Update, ScaleIn, ScaleOut, Kill, Stop, Redis} }

// plan returns the phases of a trial.
func plan(o Options) []phase {
	// All speak once in this time, and some twice.
	round := time.Duration(o.Raw+o.JavaScript) * time.Second / time.Duration(o.Rate)
	longLead := shortLead + 2*round
	known := map[string]phase{
		Quiet: {name: "quiet", goal: unnoticed, disturb: func(ctx context.Context, _ *trial) error {
			pause(ctx, o.Quiet)
			return nil
		}},
		Update:   {name: "rolling update", lead: shortLead, goal: unnoticed, disturb: rollingUpdate},
		ScaleIn:  {name: fmt.Sprintf("scale-in %d to %d", o.Servers, o.Servers-1), lead: shortLead, goal: unnoticed, disturb: scaleIn, after: fill},
		ScaleOut: {name: fmt.Sprintf("scale-out %d to %d", o.Servers-1, o.Servers), lead: shortLead, goal: unnoticed, disturb: scaleOut},
		Kill:     {name: "kill -9 of one", lead: longLead, goal: soonBack, disturb: killOne, after: fill},
		Stop:     {name: fmt.Sprintf("SIGSTOP of one for %v", o.Pause), lead: longLead, goal: kept, through: kept, disturb: stopOne},
		Redis: {name: "Redis restarted", lead: shortLead, goal: kept, disturb: func(ctx context.Context, t *trial) error {
			return t.site.restartRedis(ctx)
		}},
	}
	var chosen []phase
	for _, name := range AllPhases() {
		if !slices.Contains(o.Phases, name) {
			continue
		}
		p := known[name]
		if name == ScaleIn && slices.Contains(o.Phases, ScaleOut) {
			p.after = nil // what follows fills the place
		}
		chosen = append(chosen, p)
	}
	if len(chosen) > 0 {
		chosen[len(chosen)-1].after = nil // nothing follows
	}
	return chosen
}

// rollingUpdate replaces each server, as a Deployment does with one pod more and none less: the new one first.
func rollingUpdate(ctx context.Context, t *trial) error {
	for _, old := range t.site.servers() {
		if _, err := t.site.add(ctx); err != nil {
			return err
		}
		if err := t.site.retire(ctx, old); err != nil {
			return err
		}
	}
	return t.note(ctx, "servers have")
}

// scaleIn retires the server with the fewest clients.
func scaleIn(ctx context.Context, t *trial) error {
	ranked, err := t.ranked(ctx)
	if err != nil {
		return err
	}
	if err := t.site.retire(ctx, ranked[0]); err != nil {
		return err
	}
	return t.note(ctx, "servers have")
}

// scaleOut adds a server and waits until the others have given it its share.
func scaleOut(ctx context.Context, t *trial) error {
	if _, err := t.site.add(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := t.balanced(ctx); err != nil {
		return err
	}
	return t.note(ctx, fmt.Sprintf("after %v servers have", time.Since(began).Round(lookPause)))
}

// ranked are the servers, the one with the fewest clients first.
func (t *trial) ranked(ctx context.Context) ([]*server, error) {
	counts, err := t.site.connections(ctx)
	if err != nil {
		return nil, err
	}
	all := t.site.servers()
	slices.SortFunc(all, func(a, b *server) int { return counts[a.name] - counts[b.name] })
	return all, nil
}

// killOne ends the server with the most clients without a word and waits until the balancer has noticed.
func killOne(ctx context.Context, t *trial) error {
	ranked, err := t.ranked(ctx)
	if err != nil {
		return err
	}
	victim := ranked[len(ranked)-1]
	t.concern(victim)
	victim.place.server = nil
	killed := time.Now()
	victim.Kill()
	if err := t.site.balancer.Await(ctx, victim.place.name, false); err != nil {
		return err
	}
	t.noticed = time.Since(killed)
	t.outcome.note("kill -9: the balancer noticed after %v", t.noticed.Round(lookPause/10))
	return nil
}

// fill starts a server in the place of one that is gone.
func fill(ctx context.Context, t *trial) error {
	if _, err := t.site.add(ctx); err != nil {
		return err
	}
	return t.balanced(ctx)
}

// stopOne pauses the server with the most clients.
func stopOne(ctx context.Context, t *trial) error {
	ranked, err := t.ranked(ctx)
	if err != nil {
		return err
	}
	stopped := ranked[len(ranked)-1]
	t.concern(stopped)
	if err := stopped.Pause(); err != nil {
		return err
	}
	pause(ctx, t.options.Pause)
	if err := stopped.Resume(); err != nil {
		return err
	}
	return t.site.balancer.Await(ctx, stopped.place.name, true)
}

// balanced waits until all servers have about as many clients, or some time has passed.
func (t *trial) balanced(ctx context.Context) error {
	for end := time.Now().Add(balanceTimeout); time.Now().Before(end) && ctx.Err() == nil; pause(ctx, balancePause) {
		counts, err := t.site.connections(ctx)
		if err != nil {
			return err
		}
		if even(counts) {
			return nil
		}
	}
	return ctx.Err()
}

// even tells whether nobody has much more than the mean.
func even(counts map[string]int) bool {
	total, most := 0, 0
	for _, count := range counts {
		total += count
		most = max(most, count)
	}
	return float64(most) <= float64(total)/float64(len(counts))*balanceFactor+balanceSlack
}

// note says in the outcome how many connections each server has.
func (t *trial) note(ctx context.Context, words string) error {
	counts, err := t.site.connections(ctx)
	if err != nil {
		return err
	}
	var each []int
	for _, count := range counts {
		each = append(each, count)
	}
	slices.Sort(each)
	phase := t.outcome.phase
	t.outcome.note("%s: %s %v connections", phase, words, each)
	return nil
}
