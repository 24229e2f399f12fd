package soak

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/metrics"
	"github.com/chatcluster/chatcluster/hack/bench/process"
)

// State is what all servers together hold at a moment.
type State struct {
	Connections, Goroutines int64
	// Heap is what is allocated and not yet collected, Resident the memory of the processes, both in bytes.
	Heap, Resident int64

	// collections is how often each server's garbage was collected, heaps what each has allocated.
	collections []float64
	heaps       []int64
}

// The metrics that a State is made of; all but the first are those of every Go program.
const (
	connectionsMetric = "signalr_server_active_connections"
	goroutinesMetric  = "go_goroutines"
	heapMetric        = "go_memstats_heap_alloc_bytes"
	collectionsMetric = "go_gc_duration_seconds_count"
)

// scraper reads the metrics of servers.
type scraper struct {
	urls []string
	pids []int
	// rest is Options.Rest.
	rest time.Duration
	http *http.Client
}

const scrapeTimeout = 30 * time.Second

func newScraper(o Options) *scraper {
	return &scraper{urls: o.Metrics, pids: o.PIDs, rest: o.Rest, http: &http.Client{Timeout: scrapeTimeout, Transport: &http.Transport{}}}
}

func (s *scraper) close() { s.http.CloseIdleConnections() }

// look asks all servers once.
func (s *scraper) look(ctx context.Context) (state State, err error) {
	for _, url := range s.urls {
		values, err := s.scrape(ctx, url)
		if err != nil {
			return State{}, fmt.Errorf("read the metrics at %s: %w", url, err)
		}
		state.Connections += int64(values[connectionsMetric])
		state.Goroutines += int64(values[goroutinesMetric])
		state.heaps = append(state.heaps, int64(values[heapMetric]))
		state.Heap += int64(values[heapMetric])
		state.collections = append(state.collections, values[collectionsMetric])
	}
	usage, err := process.ReadAll(s.pids)
	if err != nil && !errors.Is(err, process.ErrUnsupported) {
		return State{}, err
	}
	state.Resident = usage.Resident
	return state, nil
}

func (s *scraper) scrape(ctx context.Context, url string) (map[string]float64, error) {
	values, err := metrics.Read(ctx, s.http, url)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{connectionsMetric, goroutinesMetric, heapMetric, collectionsMetric} {
		if _, found := values[name]; !found {
			return nil, fmt.Errorf("there is no %s", name)
		}
	}
	return values, nil
}

const (
	// settleLimit is how long servers may take to notice that their clients have left.
	settleLimit = 5 * time.Minute
	settlePause = 50 * time.Millisecond
	// busyPause is the pause once only collections are waited for.
	busyPause = time.Millisecond
	// afterCollections is after how many collections the heap has only what is in use: what a finaliser or a pool holds
	// survives the first. The looks themselves make the garbage that brings them about.
	afterCollections = 2
)

// settled waits until the servers have no connections, no fewer goroutines than a while ago, and heaps that were collected.
// Servers that do not get there are an error. Goroutines and heaps are the least that were seen: servers look after Redis and each
// other all the time, and what comes and goes, as garbage does between two collections, is no leak.
func (s *scraper) settled(ctx context.Context) (State, error) {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	var first, last, least State
	var since time.Time
	for {
		state, err := s.look(ctx)
		switch {
		case ctx.Err() != nil:
			return last, fmt.Errorf("the servers do not come to rest within %s: %d connections and %d goroutines at last, %v collections of %v",
				settleLimit, last.Connections, last.Goroutines, last.collections, first.collections)
		case err != nil:
			return last, err
		case first.collections == nil || state.Connections > 0:
			first, least, since = state, state, time.Now()
		case state.Goroutines < least.Goroutines:
			since = time.Now()
		}
		last, least = state, least.lesser(state)
		switch {
		case time.Since(since) < s.rest:
			pause(ctx, settlePause)
		case collected(first, last):
			last.Goroutines, last.Heap = least.Goroutines, least.Heap
			return last, nil
		default:
			pause(ctx, busyPause)
		}
	}
}

// lesser is of two looks the lesser number of goroutines and the lesser heap of each server.
func (s State) lesser(other State) State {
	least := State{Goroutines: min(s.Goroutines, other.Goroutines), heaps: make([]int64, len(other.heaps))}
	for i, heap := range other.heaps {
		least.heaps[i] = min(heap, s.heaps[i])
		least.Heap += least.heaps[i]
	}
	return least
}

// collected tells whether each server's garbage was collected often enough between two looks.
func collected(first, last State) bool {
	for i, count := range last.collections {
		if count < first.collections[i]+afterCollections {
			return false
		}
	}
	return true
}

func pause(ctx context.Context, duration time.Duration) {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
