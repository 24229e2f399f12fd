// Package handover tries whether clients notice that the servers behind a balancer without affinity are rolled, scaled,
// paused and killed: real processes, raw clients and Microsoft's JavaScript clients, who all talk and listen meanwhile.
package handover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options say what a trial is made of.
type Options struct {
	// Servers is how many hub servers there are when nothing happens; at least 3.
	Servers int
	// Raw and JavaScript are how many clients there are of each kind.
	Raw, JavaScript int
	// Rate is how many words a second are said, by one client after the other; all hear each.
	Rate int
	// Phases are the names of those that are tried; AllPhases has them all.
	Phases []string
	// Quiet is how long the clients talk undisturbed, Pause how long a server is stopped.
	Quiet, Pause time.Duration
	// HAProxy and RedisServer are programs.
	HAProxy, RedisServer string
	// ServerFlags are given to each hub server, too.
	ServerFlags []string
	// Root is the repository, JavaScriptFolder hack/clients/javascript in it.
	Root, JavaScriptFolder string
	// LogFolder, if not empty, gets the output of all programs, a file each.
	LogFolder string
	// Log is told how it goes.
	Log io.Writer
}

// Check returns an error that says what cannot be.
func (o Options) Check() error {
	switch {
	case o.Servers < leastServers:
		return fmt.Errorf("handover: %d servers: at least %d are needed", o.Servers, leastServers)
	case o.Raw < 0 || o.JavaScript < 0 || o.Raw+o.JavaScript < 1 || o.Rate < 1:
		return errors.New("handover: clients and rate must be positive")
	case len(o.Phases) == 0 || !subset(o.Phases, AllPhases()):
		return fmt.Errorf("handover: phases are some of %s", strings.Join(AllPhases(), ", "))
	case o.Quiet <= 0 || o.Pause <= 0:
		return errors.New("handover: durations must be positive")
	}
	return nil
}

func subset(names, of []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(of, name) })
}

const (
	leastServers = 3
	// tail is how long clients talk after a disturbance, so that a pause at its end has an end.
	tail = 2 * time.Second
	// returnTimeout is how long clients without a session may take to have one again.
	returnTimeout = time.Minute
)

// trial is one run.
type trial struct {
	options Options
	site    *site
	crowd   *crowd
	outcome *Outcome

	// Of the phase under way.
	concerns *concerns     // whom the event is about; nil if it is about all
	noticed  time.Duration // from the event until the balancer knew
}

// Run tries all phases and returns what the clients saw. An error says that the trial could not be done.
func Run(ctx context.Context, o Options) (*Outcome, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	site, err := build(ctx, o)
	if err != nil {
		return nil, err
	}
	defer site.close()
	log, err := site.log("clients")
	if err != nil {
		return nil, err
	}
	crowd, err := gather(ctx, "http://"+site.balancer.Address+"/chatHub", o, log)
	if err != nil {
		return nil, errors.Join(err, site.failure())
	}
	defer crowd.disperse()
	t := &trial{options: o, site: site, crowd: crowd, outcome: &Outcome{}}
	for number, phase := range plan(o) {
		if err := t.run(ctx, number, phase); err != nil {
			return t.outcome, errors.Join(fmt.Errorf("%s: %w", phase.name, err), site.failure())
		}
	}
	return t.outcome, nil
}

// run goes through a phase: talk, disturb, wait until all are back, hear out, count.
func (t *trial) run(ctx context.Context, number int, p phase) error {
	t.concerns, t.noticed, t.outcome.phase = nil, 0, p.name
	_, _ = fmt.Fprintf(t.options.Log, "%s %s\n", time.Now().Format(time.TimeOnly), p.name)
	t.crowd.books.Begin(p.name, time.Now())
	talking, stop := context.WithCancel(ctx)
	defer stop()
	var talk sync.WaitGroup
	talk.Go(func() { t.crowd.talk(talking, t.options.Rate) })
	pause(ctx, p.lead)
	began := time.Now()
	t.crowd.books.Event(began)
	err := p.disturb(ctx, t)
	if err == nil {
		err = t.allBack(ctx)
	}
	took := time.Since(began)
	if err == nil {
		pause(ctx, tail)
	}
	stop()
	talk.Wait()
	if err != nil || ctx.Err() != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	t.crowd.settle(ctx)
	if err := t.crowd.failure(); err != nil {
		return err
	}
	t.count(number, p, took)
	if p.after == nil {
		return nil
	}
	return p.after(ctx, t)
}

// allBack waits for clients without a session. Those that do not come back are no error: they are counted.
func (t *trial) allBack(ctx context.Context) error {
	waiting, cancel := context.WithTimeoutCause(ctx, returnTimeout, errNotBack)
	defer cancel()
	if err := t.crowd.awaitAll(waiting); !errors.Is(err, errNotBack) {
		return err
	}
	return nil
}

var errNotBack = fmt.Errorf("not within %v", returnTimeout)

// concerns are the clients whom an event at one server is about.
type concerns struct {
	owned, passing map[int]bool
}

// concern notes that the event is about a server: its clients, and those whose sockets go through it to another one, are told
// from all others.
func (t *trial) concern(s *server) {
	t.concerns = &concerns{owned: map[int]bool{}, passing: map[int]bool{}}
	for client := range t.crowd.owners {
		switch {
		case t.crowd.owner(client) == s.name:
			t.concerns.owned[client] = true
		case t.crowd.front(client) == s.place.name:
			t.concerns.passing[client] = true
		}
	}
	t.crowd.books.Event(time.Now())
}

// count adds the rows of a phase to the outcome.
func (t *trial) count(number int, p phase, took time.Duration) {
	add := func(who string, goal goal, chosen func(int) bool) {
		row := Row{Phase: p.name, Who: who, Took: took, Noticed: t.noticed, Report: t.crowd.books.Report(number, chosen), goal: goal}
		t.outcome.Rows = append(t.outcome.Rows, row)
		_, _ = fmt.Fprintf(t.options.Log, "  %v\n", row)
	}
	c := t.concerns
	if c == nil {
		add("all", p.goal, nil)
		return
	}
	add("its clients", p.goal, func(client int) bool { return c.owned[client] })
	if len(c.passing) > 0 {
		add("through it", p.through, func(client int) bool { return c.passing[client] })
	}
	add("all others", unnoticed, func(client int) bool { return !c.owned[client] && !c.passing[client] })
}

func pause(ctx context.Context, duration time.Duration) {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
