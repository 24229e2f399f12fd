package redis

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// event is a message or a fence in the place where it came.
type event struct {
	publisher string
	number    int
	target    backplane.Target
	// mark is that of a fence; empty for a message.
	mark       string
	generation uint64
}

// witness is a server that writes down what comes.
type witness struct {
	backplane.Receiver
	sharded bool
	fencer  atomic.Pointer[backplane.Fencer]

	// mutex guards what follows.
	mutex sync.Mutex
	// lanes are what has one order: everything, or in sharded mode each channel.
	lanes    map[backplane.Target][]event
	messages int
	fences   map[string]int
}

func newWitness(mode Mode) *witness {
	return &witness{
		Receiver: newRecorder(), sharded: mode == ModeSharded,
		lanes: make(map[backplane.Target][]event), fences: make(map[string]int),
	}
}

func (w *witness) lane(target backplane.Target) backplane.Target {
	if w.sharded {
		return target
	}
	return everything
}

func (w *witness) Deliver(target backplane.Target, message backplane.Message) {
	came := event{target: target}
	if _, err := fmt.Sscan(string(message.Encodings[0].Frame), &came.publisher, &came.number); err != nil {
		return
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.lanes[w.lane(target)] = append(w.lanes[w.lane(target)], came)
	w.messages++
}

func (w *witness) Fenced(mark string, target backplane.Target) {
	came := event{mark: mark}
	if fencer := w.fencer.Load(); fencer != nil {
		came.generation = (*fencer).Generation()
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.lanes[target] = append(w.lanes[target], came)
	w.fences[mark]++
}

func (w *witness) count() int {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.messages
}

// saw tells whether a fence has cut all of targets, ScopeAll and the group commands.
func (w *witness) saw(mark string, targets int) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.sharded {
		return w.fences[mark] == targets+1
	}
	return w.fences[mark] == 1
}

// segments are the messages of a lane before the first fence, between fences, and behind the last.
func (w *witness) segments(lane backplane.Target) [][]event {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	parts := [][]event{nil}
	for _, came := range w.lanes[lane] {
		if came.mark != "" {
			parts = append(parts, nil)
			continue
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], came)
	}
	return parts
}

// open attaches the witness to a server.
func (w *witness) open(t *testing.T, plane *Backplane) backplane.Hub {
	t.Helper()
	hub := openHub(t, plane, w)
	if err := hub.Subscribe(testContext(t), cutTargets[1:]...); err != nil {
		t.Fatal(err)
	}
	fencer := hub.(backplane.Fencer)
	w.fencer.Store(&fencer)
	return hub
}

var cutTargets = []backplane.Target{toAll, toGroup("g"), toUser("u"), toConnection("c1")}

// publishers send numbered messages as fast as they can, until stop.
type publishers struct {
	t       *testing.T
	running sync.WaitGroup
	ended   chan struct{}
	// mutex guards sent: how many messages each has sent.
	mutex sync.Mutex
	sent  map[string]int
}

func newPublishers(t *testing.T) *publishers {
	p := &publishers{t: t, ended: make(chan struct{}), sent: make(map[string]int)}
	t.Cleanup(p.running.Wait) // those whom a test that has failed did not stop end with its context
	return p
}

func (p *publishers) start(name string, publish func(ctx context.Context, target backplane.Target, text string) error) {
	ctx := p.t.Context()
	p.running.Go(func() {
		for number := 0; ; number++ {
			select {
			case <-p.ended:
				p.mutex.Lock()
				p.sent[name] = number
				p.mutex.Unlock()
				return
			default:
			}
			if err := publish(ctx, cutTargets[number%len(cutTargets)], fmt.Sprint(name, " ", number)); err != nil {
				p.t.Errorf("%s: %v", name, err)
				return
			}
		}
	})
}

func (p *publishers) stop() (total int) {
	close(p.ended)
	p.running.Wait()
	for _, sent := range p.sent {
		total += sent
	}
	return total
}

func byHub(hub backplane.Hub) func(context.Context, backplane.Target, string) error {
	return func(ctx context.Context, target backplane.Target, text string) error {
		return hub.Publish(ctx, target, textMessage(text))
	}
}

// asReference publishes as an ASP.NET Core server does: by the slot of the channel, and without an extension.
func asReference(t *testing.T, owner func(channel string) *redistest.Server) func(context.Context, backplane.Target, string) error {
	t.Helper()
	clients := make(map[backplane.Target]*goredis.Client)
	names := channels{hub: "Chat"}
	for _, target := range cutTargets {
		clients[target] = owner(names.target(target)).Client(t, goredis.Options{})
	}
	return func(ctx context.Context, target backplane.Target, text string) error {
		return clients[target].Publish(ctx, names.target(target), encodeInvocation(textMessage(text), extension{})).Err()
	}
}

// faults are what a connection that moved at each fence would have suffered.
type faults struct{ lost, doubled, disordered int }

// faultsOf puts together the events that came to the owners, who take turns.
func faultsOf(owners [2]*witness, sent map[string]int) faults {
	var found faults
	seen := make(map[string]int)
	type line struct {
		publisher string
		target    backplane.Target
	}
	last := make(map[line]int)
	lanes := []backplane.Target{everything}
	if owners[0].sharded {
		lanes = cutTargets
	}
	for _, lane := range lanes {
		parts := [2][][]event{owners[0].segments(lane), owners[1].segments(lane)}
		for at := range min(len(parts[0]), len(parts[1])) {
			for _, came := range parts[at%2][at] {
				seen[fmt.Sprint(came.publisher, " ", came.number)]++
				of := line{came.publisher, came.target}
				if came.number < last[of] {
					found.disordered++
				}
				last[of] = max(last[of], came.number)
			}
		}
	}
	for publisher, count := range sent {
		for number := range count {
			times := seen[fmt.Sprint(publisher, " ", number)]
			found.doubled += max(times-1, 0)
			found.lost += max(1-times, 0)
		}
	}
	return found
}
