package signalr

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// countingBackplane counts what is published, and can do nothing else.
type countingBackplane struct {
	backplane.Hub
	published int
}

func (c *countingBackplane) Publish(context.Context, backplane.Target, backplane.Message) error {
	c.published++
	return nil
}

func nothingBefore(*connection) error { return nil }

// What it sends now would come behind what others hand over directly to the connection that is here.
func TestWhoDidNotFindAConnectionLooksAgainWhenItHasComeMeanwhile(t *testing.T) {
	plane := &countingBackplane{}
	hub := &Hub{index: newIndex(), backplane: plane}
	send := func(found *connection) (again bool) {
		t.Helper()
		again, err := hub.roundabout(t.Context(), "", found, backplane.Message{}, nothingBefore)
		if err != nil {
			t.Fatal(err)
		}
		return again
	}
	if send(nil) || plane.published != 1 {
		t.Fatalf("a message to a connection that is elsewhere was published %d times, want once", plane.published)
	}
	c := &connection{hub: hub, transport: &transport.Connection{}}
	hub.index.mu.Lock()
	hub.index.list(c)
	hub.index.mu.Unlock()
	c.transport.Divert(true)
	if !send(nil) || plane.published != 1 {
		t.Errorf("published %d times, want that the connection is looked for again", plane.published-1)
	}
	if send(c) || plane.published != 2 {
		t.Errorf("a message to a connection that is here and diverted was published %d times, want once", plane.published-1)
	}
	c.transport.Divert(false)
	if !send(c) || plane.published != 2 {
		t.Error("a message to a connection to which others hand theirs directly by now was published behind them")
	}
	if len(hub.detours.used) != 0 {
		t.Errorf("%d doors are left", len(hub.detours.used))
	}
}

func TestTheWayRoundIsClosedOnlyWhenAllWhoTookItHaveSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane := &countingBackplane{}
		hub := &Hub{index: newIndex(), backplane: plane}
		goOn, publishedBefore := make(chan struct{}), -1
		go func() {
			_, _ = hub.roundabout(t.Context(), "c", nil, backplane.Message{}, func(*connection) error {
				<-goOn
				return nil
			})
		}()
		synctest.Wait()
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			if err := hub.detours.close(t.Context(), "c"); err != nil {
				t.Error(err)
			}
			publishedBefore = plane.published
		}()
		synctest.Wait()
		late := make(chan bool)
		go func() {
			again, err := hub.roundabout(t.Context(), "c", nil, backplane.Message{}, nothingBefore)
			late <- again && err == nil
		}()
		synctest.Wait()
		if again, err := hub.roundabout(t.Context(), "another", nil, backplane.Message{}, nothingBefore); again || err != nil {
			t.Errorf("the way to another connection: %v, %v", again, err)
		}
		close(goOn)
		<-closed
		if publishedBefore != 2 {
			t.Errorf("%d messages were published when the way was closed, want the one to another connection and the one that was on it", publishedBefore)
		}
		hub.detours.open("c")
		if !<-late {
			t.Error("who came to a closed way did not look again when it was open")
		}
		synctest.Wait()
		if plane.published != 2 || len(hub.detours.used) != 0 {
			t.Errorf("%d messages were published and %d doors are left, want 2 and none", plane.published, len(hub.detours.used))
		}
	})
}
