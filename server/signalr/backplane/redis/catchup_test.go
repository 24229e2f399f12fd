package redis

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

func TestCatchingUpAsksEveryConnectionOnce(t *testing.T) {
	table := newSubscriptions(func(int) {})
	if !isDone(table.catchUp(time.Hour)) {
		t.Error("waits without a connection")
	}
	one, other := table.newPart(), table.newPart()
	one.flows()
	other.flows()
	first := table.catchUp(time.Hour)
	if !one.ask() || !other.ask() {
		t.Fatal("nobody is asked")
	}
	second := table.catchUp(time.Hour)
	if one.ask() {
		t.Error("asked again before the answer")
	}
	one.answered()
	if isDone(first) {
		t.Error("done before all have answered")
	}
	other.answered()
	if !isDone(first) || isDone(second) {
		t.Errorf("after the answers to the first: first %v, second %v", isDone(first), isDone(second))
	}
	if !one.ask() || one.ask() {
		t.Error("the second is not asked for once")
	}
	one.answered()
	other.ebbs() // nothing that was sent can come over it any more
	if !isDone(second) {
		t.Error("waits for a connection that has ended")
	}
}

func TestAConnectionThatDoesNotAnswerIsWaitedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newSubscriptions(func(int) {})
		quick, silent := table.newPart(), table.newPart()
		quick.flows()
		silent.flows()
		began := time.Now()
		waiting := table.catchUp(time.Second)
		quick.ask()
		silent.ask()
		quick.answered()
		waiting.wait(t.Context(), time.Second)
		if took := time.Since(began); took != time.Second {
			t.Errorf("the first waited for %s", took)
		}
		time.Sleep(time.Millisecond)
		next := table.catchUp(time.Second)
		quick.ask()
		quick.answered()
		if !isDone(next) {
			t.Error("the next waits for it again")
		}
		silent.answered() // it is back
		if waiting := table.catchUp(time.Second); isDone(waiting) {
			t.Error("it is not waited for though it answers")
		}
	})
}

// blocked is a receiver that a message to all holds up.
type blocked struct {
	*recorder
	entered, release chan struct{}
	// letGo closes release, once.
	letGo func()
}

func newBlocked() *blocked {
	release := make(chan struct{})
	return &blocked{newRecorder(), make(chan struct{}), release, sync.OnceFunc(func() { close(release) })}
}

func (b *blocked) Deliver(target backplane.Target, message backplane.Message) {
	if target == toAll {
		close(b.entered)
		<-b.release
	}
	b.recorder.Deliver(target, message)
}

// withPatience makes a client that connects wait for what is from before for longer than any test does.
func withPatience(o *Options) { o.SubscribeTimeout = catchUpShare * 4 * patience }

// connecting subscribes the channel of a client and returns what comes of it.
func connecting(t *testing.T, hub backplane.Hub, id string) (connected <-chan error) {
	t.Helper()
	result := make(chan error, 1)
	go func() { result <- hub.Subscribe(t.Context(), toConnection(id)) }()
	return result
}

// The confirmation of a client's own channel can overtake what another primary has sent before.
func TestAClientThatConnectsHearsNothingFromBefore(t *testing.T) {
	t.Parallel()
	servers := Servers{Addresses: strings.Split(redistest.StartCluster(t).Endpoints(), ",")}
	sender := openHub(t, startAt(t, servers, withSharded), newRecorder())
	plane := startAt(t, servers, both(withSharded, withPatience))
	receiver := newBlocked()
	hub := openHub(t, plane, receiver)
	t.Cleanup(receiver.letGo) // else the hub could not close
	carrier := plane.carrier.(*sharded)
	late, _, _ := carrier.serving("Chat:all")
	name := 0
	connection := func() string { return fmt.Sprint("c", name) }
	for linked := late; linked == late; name++ {
		linked, _, _ = carrier.serving("Chat:connection:" + fmt.Sprint("c", name+1))
	}
	publish(t, sender, toAll, "from before")
	receiveFrom(t, "the message from before", receiver.entered)

	connected := connecting(t, hub, connection())
	eventually(t, "the link that is late is asked", func() bool { return isAsked(late.part) })
	eventually(t, "the client's own channel is in place", func() bool {
		return isDone(plane.table.await([]string{"Chat:connection:" + connection()}))
	})
	select {
	case <-connected:
		t.Error("the client is connected while a message from before is still to come")
	default:
	}
	receiver.letGo()
	if err := receiveFrom(t, "the client is connected", connected); err != nil {
		t.Error(err)
	}
	receiver.expect(t, toAll, "from before")
}

func isAsked(p *part) bool {
	p.table.mutex.Lock()
	defer p.table.mutex.Unlock()
	return len(p.asked) > 0
}
