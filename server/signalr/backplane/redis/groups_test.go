package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// member is a hub with one connection, which subscribes a group before it says that it joined.
func member(hub *backplane.Hub, connection string) func(context.Context, bool, string, string) (bool, error) {
	return func(ctx context.Context, add bool, connectionID, group string) (bool, error) {
		if connectionID != connection {
			return false, nil
		}
		if !add {
			(*hub).Unsubscribe(toGroup(group))
			return true, nil
		}
		return true, (*hub).Subscribe(ctx, toGroup(group))
	}
}

func TestGroupMembershipChangesOnTheServerThatHasTheConnection(t *testing.T) {
	address := startMini(t)
	there := newRecorder()
	var other backplane.Hub
	there.onGroup = member(&other, "c1")
	hub := openHub(t, startPlane(t, address, nil), newRecorder())
	other = openHub(t, startPlane(t, address, nil), there)
	openHub(t, startPlane(t, address, nil), newRecorder())

	if err := hub.AddToGroup(testContext(t), "c1", "g"); err != nil {
		t.Fatal(err)
	}
	// The member is subscribed as soon as the call returns.
	publish(t, hub, toGroup("g"), "in")
	there.expect(t, toGroup("g"), "in")
	if err := hub.RemoveFromGroup(testContext(t), "c1", "g"); err != nil {
		t.Fatal(err)
	}
	publish(t, hub, toGroup("g"), "out")
	publish(t, hub, toAll, "after")
	there.expect(t, toAll, "after")
}

// The server that the connection has left sends the command once more and does not wait for the other: the connection may have come
// back to it, and then the other's answer would lie behind this command.
func TestAGroupCommandForAConnectionThatHasMovedIsCarriedOutOnceByTheServerThatHasIt(t *testing.T) {
	address := startMini(t)
	former, present := newRecorder(), newRecorder()
	var formerSaw, presentSaw atomic.Int64
	former.onGroup = func(context.Context, bool, string, string) (bool, error) {
		if formerSaw.Add(1) == 1 {
			return false, backplane.ErrMoved
		}
		return false, nil
	}
	present.onGroup = func(context.Context, bool, string, string) (bool, error) {
		return presentSaw.Add(1) == 2, nil // the first lies before the move
	}
	hub := openHub(t, startPlane(t, address, nil), newRecorder())
	openHub(t, startPlane(t, address, nil), former)
	openHub(t, startPlane(t, address, nil), present)
	if err := hub.AddToGroup(testContext(t), "c1", "g"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both servers see the command twice", func() bool { return formerSaw.Load() == 2 && presentSaw.Load() == 2 })
}

func TestGroupCommandForAnUnknownConnectionTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, _ := (&bus{}).connect(t, func(o *Options) { o.AcknowledgeTimeout = time.Second })
		opened := openHub(t, plane, newRecorder())
		err := opened.AddToGroup(testContext(t), "nobody", "g")
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `"nobody": no server answered within 1s`) {
			t.Errorf("error %v", err)
		}
		if waiting := len(inside(opened).acknowledgements.waiting); waiting != 0 {
			t.Errorf("%d commands are still waited for", waiting)
		}
	})
}

func TestGroupCommandThatFailsIsNotAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var servers bus
		var log logBuffer
		there := newRecorder()
		there.onGroup = func(context.Context, bool, string, string) (bool, error) { return true, errors.New("cannot") }
		plane, _ := servers.connect(t, func(o *Options) { o.Logger = log.logger() })
		openHub(t, plane, there)
		plane, _ = servers.connect(t, func(o *Options) { o.AcknowledgeTimeout = time.Second })
		hub := openHub(t, plane, newRecorder())
		for range 3 {
			if err := hub.AddToGroup(testContext(t), "c1", "g"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
		}
		if count := strings.Count(log.String(), "could not carry out"); count != 1 {
			t.Errorf("%d lines:\n%s", count, &log)
		}
	})
}

func TestGroupCommandEndsWithTheCallersContext(t *testing.T) {
	hub := openHub(t, startPlane(t, startMini(t), nil), newRecorder())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := hub.AddToGroup(ctx, "c1", "g"); !errors.Is(err, context.Canceled) || errors.Is(err, backplane.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}

// A hub that takes its time to carry out a command delays neither messages nor commands for other connections, and the
// commands for one connection are carried out in order.
func TestSlowGroupCommandHoldsUpNothingElse(t *testing.T) {
	address := startMini(t)
	there := newRecorder()
	release := make(chan struct{})
	var order []string
	there.onGroup = func(_ context.Context, add bool, connectionID, group string) (bool, error) {
		if connectionID != "slow" {
			return true, nil
		}
		<-release
		order = append(order, fmt.Sprintf("%t %s", add, group))
		return true, nil
	}
	other := openHub(t, startPlane(t, address, nil), there)
	hub := openHub(t, startPlane(t, address, nil), newRecorder())
	commands := &inside(other).commands
	done := make(chan error, 4)
	for i, call := range []func() error{
		func() error { return hub.AddToGroup(testContext(t), "slow", "1") },
		func() error { return hub.RemoveFromGroup(testContext(t), "slow", "1") },
		func() error { return hub.AddToGroup(testContext(t), "slow", "2") },
	} {
		go func() { done <- call() }()
		eventually(t, "the command has arrived", func() bool {
			commands.mutex.Lock()
			defer commands.mutex.Unlock()
			return commands.count == i+1
		})
	}
	if err := hub.AddToGroup(testContext(t), "fast", "1"); err != nil {
		t.Error(err)
	}
	publish(t, hub, toAll, "hello")
	there.expect(t, toAll, "hello")
	close(release)
	for range 3 {
		if err := receiveFrom(t, "answer", done); err != nil {
			t.Error(err)
		}
	}
	if difference := cmp.Diff([]string{"true 1", "false 1", "true 2"}, order); difference != "" {
		t.Error(difference)
	}
}

func TestCommandQueueIsBounded(t *testing.T) {
	release := make(chan struct{})
	var ran atomic.Int64
	queue := commandQueue{run: func(groupCommand) {
		<-release
		ran.Add(1)
	}}
	for i := range maxGroupCommands {
		if !queue.add(groupCommand{connectionID: fmt.Sprint(i % 100)}) {
			t.Fatalf("command %d was refused", i)
		}
	}
	if queue.add(groupCommand{connectionID: "more"}) {
		t.Error("one too many was taken")
	}
	close(release)
	queue.close()
	if ran.Load() != maxGroupCommands || len(queue.waiting) != 0 || queue.count != 0 {
		t.Errorf("%d ran, %d and %d are left", ran.Load(), len(queue.waiting), queue.count)
	}
}
