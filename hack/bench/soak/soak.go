// Package soak lets clients connect to hub servers, chat and leave for a long time, and tells whether the servers are
// afterwards as they were before.
package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/load"
)

const (
	// A cohort's stay is between these parts of Options.Stay, so that cohorts do not come and go in step.
	shortestStay, longestStay = 0.5, 1.5
	messageSize               = 64
	// cohortSenders is how many of a cohort's clients send.
	cohortSenders = 5
)

// Options says what a soak does. All fields but Each must be set.
type Options struct {
	// Hubs are the servers' chat hubs; clients are dealt to them in turn. Metrics are the URLs of their metrics.
	Hubs, Metrics []string
	// PIDs are the servers' processes on this machine, whose memory is looked at.
	PIDs []int
	// Cohorts is how many groups of clients there are at any time, CohortSize how many clients each has. A cohort
	// connects, chats and leaves as one, and the next takes its place.
	Cohorts, CohortSize int
	// Rate is how many messages a second each cohort sends. Every client of all cohorts gets each.
	Rate float64
	// Stay is how long a cohort chats, on average.
	Stay time.Duration
	// Warmup is how long the same is done before the servers are looked at first; Duration how long between the looks.
	Warmup, Duration time.Duration
	// Rest is for how long servers without clients must have shown no fewer goroutines before they are judged: longer than
	// they wait for the last words of a client.
	Rest time.Duration
	// Every is the time between two samples during the soak.
	Every time.Duration
	// Each gets every sample. It may be nil.
	Each func(Sample)
}

// Check returns an error that says what cannot be.
func (o Options) Check() error {
	switch {
	case len(o.Hubs) == 0 || len(o.Hubs) != len(o.Metrics) || len(o.Hubs) != len(o.PIDs):
		return errors.New("soak: as many metrics addresses and process ids as hubs are needed, at least one")
	case o.Cohorts < 1 || o.CohortSize < cohortSenders:
		return fmt.Errorf("soak: %d cohorts of %d clients: at least 1 of %d", o.Cohorts, o.CohortSize, cohortSenders)
	case o.Rate <= 0 || o.Stay <= 0 || o.Warmup <= 0 || o.Duration <= 0 || o.Rest <= 0 || o.Every <= 0:
		return errors.New("soak: rate and durations must be positive")
	}
	return nil
}

// Tally is what the clients of a soak did and got.
type Tally struct {
	// Opened is how many connections were opened, Broken how many of them ended before they left.
	Opened, Broken int64
	// Sent is how many messages were sent, Delivered how often one reached a client of its own cohort, Lost how often it
	// did not, Repeated how often it came again.
	Sent, Delivered, Lost, Repeated int64
}

// Sample is a look at the servers while clients come and go.
type Sample struct {
	// Elapsed is the time since the soak began, warm-up not included.
	Elapsed time.Duration
	State
	Tally
}

// Report is what a soak found.
type Report struct {
	// Before and After are the servers without clients; Samples what they were in between.
	Before, After State
	Samples       []Sample
	// Total is of all cohorts after the warm-up.
	Total Tally
}

// Run soaks the servers. Lost messages and memory that did not return are results, see Report.Check; an error is that a
// soak could not be done.
func Run(ctx context.Context, o Options) (Report, error) {
	if err := o.Check(); err != nil {
		return Report{}, err
	}
	s := &soak{options: o, scraper: newScraper(o)}
	defer s.scraper.close()
	var report Report
	if err := s.churn(ctx, o.Warmup); err != nil {
		return report, fmt.Errorf("warm-up: %w", err)
	}
	var err error
	if report.Before, err = s.scraper.settled(ctx); err != nil {
		return report, fmt.Errorf("before the soak: %w", err)
	}
	s.total = Tally{}
	sampling, stop := context.WithCancel(ctx)
	var sampler sync.WaitGroup
	sampler.Go(func() { report.Samples = s.sample(sampling, time.Now()) })
	err = s.churn(ctx, o.Duration)
	stop()
	sampler.Wait()
	report.Total = s.tally()
	if err != nil {
		return report, err
	}
	if report.After, err = s.scraper.settled(ctx); err != nil {
		return report, fmt.Errorf("after the soak: %w", err)
	}
	return report, nil
}

// soak is one run.
type soak struct {
	options Options
	scraper *scraper
	// mu guards total.
	mu    sync.Mutex
	total Tally
}

// churn lets cohorts come and go for a while, and returns when all have left.
func (s *soak) churn(ctx context.Context, duration time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	end := time.Now().Add(duration)
	var cohorts sync.WaitGroup
	for range s.options.Cohorts {
		cohorts.Go(func() {
			for turn := 0; ctx.Err() == nil && (turn == 0 || time.Until(end) > s.shortest()); turn++ {
				if err := s.cohort(ctx, time.Until(end), turn%2 == 0); err != nil {
					cancel(err)
				}
			}
		})
	}
	cohorts.Wait()
	return context.Cause(ctx)
}

// shortest is the shortest stay of a cohort.
func (s *soak) shortest() time.Duration { return time.Duration(float64(s.options.Stay) * shortestStay) }

// cohort lets clients connect, chat and leave, politely or as if their network went. It stays no longer than left, but
// for a moment.
func (s *soak) cohort(ctx context.Context, left time.Duration, polite bool) error {
	swarm, err := load.Connect(ctx, load.Options{URLs: s.options.Hubs, Connections: s.options.CohortSize})
	if err != nil {
		return err
	}
	leave := swarm.Drop
	if polite {
		leave = swarm.Close
	}
	defer leave()
	stay := time.Duration(float64(s.options.Stay) * (shortestStay + rand.Float64()*(longestStay-shortestStay))) // #nosec G404 -- no secret
	stay = max(min(stay, left), time.Duration(float64(time.Second)/s.options.Rate))
	result, err := swarm.Run(ctx, load.Workload{Senders: cohortSenders, Rate: s.options.Rate, Size: messageSize, Duration: stay})
	if err != nil {
		return err
	}
	s.add(Tally{
		Opened: int64(s.options.CohortSize), Broken: int64(result.Disconnected),
		Sent: result.Sent, Delivered: result.Delivered, Lost: result.Lost(), Repeated: result.Duplicated,
	})
	return nil
}

func (s *soak) add(t Tally) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total = s.total.plus(t)
}

func (s *soak) tally() Tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

func (t Tally) plus(other Tally) Tally {
	return Tally{
		Opened: t.Opened + other.Opened, Broken: t.Broken + other.Broken,
		Sent: t.Sent + other.Sent, Delivered: t.Delivered + other.Delivered,
		Lost: t.Lost + other.Lost, Repeated: t.Repeated + other.Repeated,
	}
}

// sample looks at the servers again and again until ctx ends. A look that fails is left out: the end of a server shows
// at the clients.
func (s *soak) sample(ctx context.Context, began time.Time) (samples []Sample) {
	ticker := time.NewTicker(s.options.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return samples
		case <-ticker.C:
		}
		state, err := s.scraper.look(ctx)
		if err != nil {
			continue
		}
		sample := Sample{Elapsed: time.Since(began), State: state, Tally: s.tally()}
		samples = append(samples, sample)
		if s.options.Each != nil {
			s.options.Each(sample)
		}
	}
}
