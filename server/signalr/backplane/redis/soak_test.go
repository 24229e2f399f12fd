package redis

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// soak publishes from two servers to all and to a group while a test does its worst to Redis, and then checks that a
// third server got what was accepted, once and in the order of its publisher, and what was not accepted at most once.
type soak struct {
	senders  []*soakSender
	receiver *tally
	stop     chan struct{}
	sending  sync.WaitGroup
}

// soakSender publishes "name/number" again and again.
type soakSender struct {
	name   string
	hub    backplane.Hub
	target backplane.Target

	// mutex guards what follows.
	mutex    sync.Mutex
	accepted map[int]bool
	sent     int
	failures []error
}

// tally is a hub that counts what it is delivered.
type tally struct {
	recorder
	// mutex guards what follows.
	mutex sync.Mutex
	seen  map[string][]int
}

func (y *tally) Deliver(_ backplane.Target, message backplane.Message) {
	name, text, _ := strings.Cut(string(message.Encodings[0].Frame), "/")
	number, _ := strconv.Atoi(text)
	y.mutex.Lock()
	defer y.mutex.Unlock()
	y.seen[name] = append(y.seen[name], number)
}

func (y *tally) count(name string) int {
	y.mutex.Lock()
	defer y.mutex.Unlock()
	return len(y.seen[name])
}

// startSoak starts four senders on two servers; connect makes a server.
func startSoak(t testing.TB, connect func(change func(*Options)) *Backplane) *soak {
	t.Helper()
	s := &soak{receiver: &tally{seen: make(map[string][]int)}, stop: make(chan struct{})}
	there := openHub(t, connect(nil), s.receiver)
	if err := there.Subscribe(testContext(t), toGroup("g")); err != nil {
		t.Fatal(err)
	}
	for server := range 2 {
		hub := openHub(t, connect(nil), newRecorderThatDrops())
		for _, target := range []backplane.Target{toAll, toGroup("g")} {
			sender := &soakSender{
				name: fmt.Sprintf("%d%s", server, target.Name), hub: hub, target: target, accepted: make(map[int]bool),
			}
			s.senders = append(s.senders, sender)
			s.sending.Go(func() { sender.run(t, s.stop) })
		}
	}
	t.Cleanup(s.end)
	return s
}

// dropper is a hub that keeps nothing.
type dropper struct{ recorder }

func (*dropper) Deliver(backplane.Target, backplane.Message) {}

func newRecorderThatDrops() *dropper { return &dropper{} }

func (s *soakSender) run(t testing.TB, stop <-chan struct{}) {
	for number := 1; ; number++ {
		select {
		case <-stop:
			return
		default:
		}
		s.mutex.Lock()
		s.sent = number
		s.mutex.Unlock()
		err := s.hub.Publish(t.Context(), s.target, textMessage(fmt.Sprintf("%s/%d", s.name, number)))
		s.mutex.Lock()
		if err == nil {
			s.accepted[number] = true
		} else {
			s.failures = append(s.failures, err)
		}
		s.mutex.Unlock()
	}
}

func (s *soakSender) acceptedCount() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return len(s.accepted)
}

// awaitProgress waits until every sender has so many more messages accepted and the receiver has got some of them.
func (s *soak) awaitProgress(t testing.TB, messages int) {
	t.Helper()
	for _, sender := range s.senders {
		accepted, received := sender.acceptedCount(), s.receiver.count(sender.name)
		eventuallyWithin(t, 2*time.Minute, "sender "+sender.name+" gets on", func() bool {
			return sender.acceptedCount() >= accepted+messages && s.receiver.count(sender.name) > received
		})
	}
}

func (s *soak) end() {
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
	s.sending.Wait()
}

// check ends the senders and compares.
func (s *soak) check(t testing.TB) (accepted, failed int) {
	t.Helper()
	s.end()
	for _, sender := range s.senders {
		// What comes last must come: then all before it has come or never will.
		var err error
		eventually(t, "a last message is accepted", func() bool {
			sender.sent++
			err = sender.hub.Publish(t.Context(), sender.target, textMessage(fmt.Sprintf("%s/%d", sender.name, sender.sent)))
			return err == nil
		})
		last := sender.sent
		sender.accepted[last] = true
		eventually(t, fmt.Sprintf("message %s/%d has come", sender.name, last), func() bool {
			s.receiver.mutex.Lock()
			defer s.receiver.mutex.Unlock()
			seen := s.receiver.seen[sender.name]
			return len(seen) > 0 && seen[len(seen)-1] == last
		})
		accepted, failed = accepted+len(sender.accepted), failed+len(sender.failures)
		s.receiver.compare(t, sender)
		for _, failure := range sender.failures {
			if !errors.Is(failure, backplane.ErrUnavailable) {
				t.Errorf("a call failed with %v", failure)
			}
		}
	}
	return accepted, failed
}

func (y *tally) compare(t testing.TB, sender *soakSender) {
	t.Helper()
	y.mutex.Lock()
	defer y.mutex.Unlock()
	got, last, lost, doubled, disordered := make(map[int]bool), 0, 0, 0, 0
	for _, number := range y.seen[sender.name] {
		if got[number] {
			doubled++
		} else if number < last {
			disordered++
		}
		got[number], last = true, number
	}
	for number := range sender.accepted {
		if !got[number] {
			lost++
		}
	}
	if lost+doubled+disordered > 0 {
		t.Errorf("sender %s: %d accepted, %d lost, %d doubled, %d out of order", sender.name, len(sender.accepted), lost, doubled, disordered)
	}
}
