// Package drain empties a server of its clients, because it ends or because somebody asks it to, and says how far that is.
package drain

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatcluster/chatcluster/server/cluster/balance"
)

// Count is how many clients a server has, but for those that were told to leave.
type Count struct {
	// Stateful and LongPolling are those that other servers can go on with, with stateful reconnect and by long polling; Movable
	// are those of them, and of Tunnelled, that can be sent away now.
	Stateful, LongPolling, Movable int
	// Stateless are those that have to begin anew.
	Stateless int
	// Tunnelled are sockets of connections that other servers own.
	Tunnelled int
}

// empty tells whether nothing is left to be done.
func (c Count) empty() bool { return c.Stateful+c.LongPolling+c.Stateless+c.Tunnelled == 0 }

// Clients are the clients of the server. Its methods return at once.
type Clients interface {
	Count() Count
	// SendAway makes clients come back at other servers, which go on with them. It returns how many.
	SendAway(most int) int
	// Tell tells clients that they shall begin anew: those that cannot be sent away, or with all set any. It returns how many.
	Tell(most int, all bool) int
}

// Observer is told what happens, for metrics. Its methods are called by one goroutine at a time.
type Observer interface {
	// Drained counts clients that were sent away or told to begin anew.
	Drained(sentAway, told int)
	// Remaining is who is left; the zero value when no drain is under way.
	Remaining(count Count)
}

// Options are the settings of a Runner. All fields but the durations are required.
type Options struct {
	// Delay, Period, Rate and Timeout are DrainDelay, DrainPeriod, DrainRate and ShutdownTimeout of the configuration.
	Delay, Period, Timeout time.Duration
	Rate                   int
	// Clients are to be sent elsewhere.
	Clients Clients
	// Takers asks how many other servers take clients now; it may take a second. nil if there are no others, ever.
	Takers func(ctx context.Context) int
	// Changed is told when the server begins to drain, and when that is taken back.
	Changed func(draining bool)
	// Observer is told what happens.
	Observer Observer
	// Logger gets what operators should know.
	Logger *slog.Logger
}

// Runner empties a server when it is told to: by End for good, by Start until Stop takes it back.
type Runner struct {
	options Options
	// changing makes Start, Stop and End take turns. It is taken before mu.
	changing sync.Mutex

	// mu guards what follows. Nothing is called while it is held.
	mu sync.Mutex
	// present is the drain that is under way, nil while the server serves.
	present *run
}

// run is one drain, from its beginning until the server has ended or it is taken back.
type run struct {
	began time.Time
	stop  context.CancelFunc
	// over is closed when a server that ends is empty or has no more time. work are the goroutines of the run.
	over chan struct{}
	work sync.WaitGroup
	// takers is how many other servers took clients when they were last asked.
	takers atomic.Int32

	// What follows is guarded by Runner.mu. ending is when the server was told to end, zero if it was not.
	ending time.Time
	// drained is set while nobody is left.
	drained bool

	// What follows belongs to the goroutine of the run. waited, last and busy are when there was a taker for the first time,
	// when clients were last sent away and when there last were any; they count from began.
	waited, last, busy time.Duration
	sentAway, told     int
	logged             time.Time
	late               bool
}

// step is how often is looked what is to be done, askInterval how often others are asked, logInterval how often is said how
// far it is.
const (
	step        = 50 * time.Millisecond
	askInterval = time.Second
	logInterval = 5 * time.Second
)

// New returns a Runner that does nothing yet.
func New(options Options) *Runner { return &Runner{options: options} }

// Start begins to empty the server, if it has not begun.
func (r *Runner) Start() {
	r.changing.Lock()
	defer r.changing.Unlock()
	r.start()
}

// start is called with changing held.
func (r *Runner) start() *run {
	r.mu.Lock()
	present := r.present
	if present != nil {
		r.mu.Unlock()
		return present
	}
	ctx, stop := context.WithCancel(context.Background())
	present = &run{began: time.Now(), stop: stop, over: make(chan struct{})}
	r.present = present
	r.mu.Unlock()
	r.options.Changed(true)
	r.options.Logger.Info("draining: no new clients are wanted", "drainDelay", r.options.Delay, "drainPeriod", r.options.Period,
		"timeout", r.options.Timeout)
	present.work.Go(func() { r.empty(ctx, present) })
	return present
}

// Stop takes Start back: the server takes clients again. It reports false, and does nothing, if the server is ending.
func (r *Runner) Stop() bool {
	r.changing.Lock()
	defer r.changing.Unlock()
	r.mu.Lock()
	present := r.present
	if present != nil && !present.ending.IsZero() {
		r.mu.Unlock()
		return false
	}
	r.present = nil
	r.mu.Unlock()
	if present != nil {
		present.end()
		r.options.Observer.Remaining(Count{})
		r.options.Changed(false)
		r.options.Logger.Info("the drain was taken back: clients are wanted again")
	}
	return true
}

// End empties the server for good. It returns when nobody is left, when there is no more time for that, or when ctx ends.
func (r *Runner) End(ctx context.Context) {
	r.changing.Lock()
	present := r.start()
	r.mu.Lock()
	present.ending = time.Now()
	r.mu.Unlock()
	r.changing.Unlock()
	select {
	case <-present.over:
	case <-ctx.Done():
	}
	present.end()
}

func (p *run) end() {
	p.stop()
	p.work.Wait()
}

// empty is the goroutine of a run.
func (r *Runner) empty(ctx context.Context, p *run) {
	if r.options.Takers != nil {
		p.takers.Store(int32(r.options.Takers(ctx)))
		p.work.Go(func() { r.ask(ctx, p) })
	}
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if r.step(p) {
			close(p.over)
			return
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// ask keeps the number of takers up to date.
func (r *Runner) ask(ctx context.Context, p *run) {
	ticker := time.NewTicker(askInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			p.takers.Store(int32(r.options.Takers(ctx)))
		}
	}
}

// step does what is due. It reports whether a server that ends is done.
func (r *Runner) step(p *run) (over bool) {
	now := time.Since(p.began)
	count := r.options.Clients.Count()
	if !count.empty() {
		p.busy = now
	}
	plan, ending := r.plan(p)
	takers := int(p.takers.Load())
	if takers > 0 && p.waited == 0 {
		p.waited = now
	}
	due := plan.Next(balance.Scene{
		Now: now, Last: p.last, Takers: takers, Waited: p.waited, Stateful: count.Stateful + count.LongPolling, Movable: count.Movable,
		Stateless: count.Stateless, Told: p.told,
	})
	r.do(p, due, now, plan.Deadline)
	r.report(p, count)
	drained := count.empty() && now >= plan.Delay && now-p.busy >= r.quiet()
	r.mu.Lock()
	p.drained = drained
	r.mu.Unlock()
	return ending && (drained || now >= plan.Deadline+reserve(r.options.Timeout)/2 || due.TellAll && count.Stateful+count.Stateless+count.LongPolling == 0)
}

func (r *Runner) do(p *run, due balance.Step, now, deadline time.Duration) {
	sentAway, told := 0, 0
	if due.SendAway > 0 {
		sentAway = r.options.Clients.SendAway(due.SendAway)
		p.last = now
	}
	if due.Tell > 0 {
		told = r.options.Clients.Tell(due.Tell, due.TellAll)
	}
	p.sentAway, p.told = p.sentAway+sentAway, p.told+told
	r.options.Observer.Drained(sentAway, told)
	if told > 0 && now >= deadline && !p.late {
		p.late = true
		r.options.Logger.Warn("draining takes too long: all clients that are still here were told to begin anew", "clients", told)
	}
}

// plan is what the run goes by now: the server may have been told meanwhile that it ends.
func (r *Runner) plan(p *run) (plan balance.Goodbye, ending bool) {
	r.mu.Lock()
	ended := p.ending
	r.mu.Unlock()
	plan = balance.Goodbye{Delay: r.options.Delay, Period: r.options.Period, Rate: r.options.Rate, Stays: ended.IsZero()}
	plan.Deadline = p.deadline(ended, Budget(r.options.Timeout)).Sub(p.began)
	if r.options.Delay > 0 && r.options.Takers != nil {
		plan.Patience = max(0, plan.Deadline-plan.Delay-plan.Period)
	}
	return plan, !ended.IsZero()
}

// deadline counts from when the server was told to end, or to drain if it was not.
func (p *run) deadline(ended time.Time, timeout time.Duration) time.Time {
	if ended.IsZero() {
		return p.began.Add(timeout)
	}
	return ended.Add(timeout)
}

// quiet is how long nobody must have come: load balancers may not have noticed yet. Who stands alone need not wait for them
// a second time.
func (r *Runner) quiet() time.Duration {
	if r.options.Takers == nil {
		return 0
	}
	return r.options.Delay
}

func (r *Runner) report(p *run, count Count) {
	r.options.Observer.Remaining(count)
	if now := time.Now(); now.Sub(p.logged) >= logInterval {
		p.logged = now
		r.options.Logger.Info("draining", "stateful", count.Stateful, "stateless", count.Stateless, "longPolling", count.LongPolling,
			"tunnelled", count.Tunnelled, "sentAway", p.sentAway, "told", p.told, "takers", p.takers.Load())
	}
}
