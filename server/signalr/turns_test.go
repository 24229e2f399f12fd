package signalr

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// awayBackplane lets subscriptions wait until it is back, and gives each up after a while.
type awayBackplane struct {
	silentBackplane
	back chan struct{}
}

const awayPatience = 10 * time.Second

func (a *awayBackplane) Subscribe(ctx context.Context, _ ...backplane.Target) error {
	select {
	case <-a.back:
		return nil
	case <-time.After(awayPatience):
		return fmt.Errorf("not confirmed: %w", backplane.ErrUnavailable)
	case <-ctx.Done():
		return fmt.Errorf("subscribe: %w", context.Cause(ctx))
	}
}

// caller is somebody who changes the members of a group or user.
type caller struct {
	// comes is when, and patience for how long it has time, 0 for as long as it takes.
	comes, patience time.Duration
	change          func(ctx context.Context, x *index, c *connection) error
	// waits is how long that takes, fails what it ends with.
	waits time.Duration
	fails error
}

// Those who change the members of the same group take turns. While the backplane is away they do not wait for it one after
// another.
func TestWhoWaitsForATurnWaitsNoLongerThanForTheBackplane(t *testing.T) {
	join := func(ctx context.Context, x *index, c *connection) error {
		_, err := x.join(ctx, c, "g")
		return err
	}
	part := func(ctx context.Context, x *index, c *connection) error { return x.part(ctx, c, "g") }
	add := func(ctx context.Context, x *index, c *connection) error { return x.add(ctx, c) }
	expect := func(ctx context.Context, x *index, c *connection) error { return x.expect(ctx, c, []string{"f", "g"}) }
	const second = time.Second
	unavailable, ended := backplane.ErrUnavailable, context.DeadlineExceeded
	for name, test := range map[string]struct {
		// back is when the backplane is, 0 for never.
		back    time.Duration
		callers []caller
	}{
		"joins that come together": {0, []caller{
			{0, 0, join, 10 * second, unavailable}, {0, 0, join, 10 * second, unavailable},
			{0, 0, join, 10 * second, unavailable}, {0, 0, join, 10 * second, unavailable},
		}},
		"joins that come one after another": {0, []caller{
			{0, 0, join, 10 * second, unavailable}, {1 * second, 0, join, 10 * second, unavailable},
			{2 * second, 0, join, 10 * second, unavailable}, {9 * second, 0, join, 10 * second, unavailable},
		}},
		"a caller that has no more time": {0, []caller{
			{0, 0, join, 10 * second, unavailable}, {1 * second, 3 * second, join, 3 * second, ended},
			{2 * second, 0, join, 10 * second, unavailable},
		}},
		"one that leaves the group, which asks nobody": {0, []caller{
			{0, 0, join, 10 * second, unavailable}, {1 * second, 0, part, 9 * second, nil},
			{2 * second, 0, join, 10 * second, unavailable},
		}},
		"one that leaves the group and has no more time": {0, []caller{
			{0, 0, join, 10 * second, unavailable}, {1 * second, 3 * second, part, 3 * second, ended},
		}},
		"a backplane that comes back": {12 * second, []caller{
			{0, 0, join, 10 * second, unavailable}, {5 * second, 0, join, 7 * second, nil}, {6 * second, 0, join, 6 * second, nil},
		}},
		"connections of one user": {0, []caller{
			{0, 0, add, 10 * second, unavailable}, {1 * second, 0, add, 10 * second, unavailable},
			{2 * second, 4 * second, add, 4 * second, ended},
		}},
		"connections that come from other servers": {0, []caller{
			{0, 0, join, 10 * second, unavailable}, {1 * second, 0, expect, 10 * second, unavailable},
			{2 * second, 0, expect, 10 * second, unavailable}, {3 * second, 2 * second, expect, 2 * second, ended},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plane := &awayBackplane{back: make(chan struct{})}
				x, c := newIndex(), &connection{transport: new(transport.Connection), user: "u"}
				x.backplane, x.connections[c.id()] = plane, c
				if test.back > 0 {
					time.AfterFunc(test.back, func() { close(plane.back) })
				}
				var calls sync.WaitGroup
				for number, caller := range test.callers {
					calls.Go(func() {
						time.Sleep(caller.comes)
						ctx := t.Context()
						if caller.patience > 0 {
							limited, cancel := context.WithTimeout(ctx, caller.patience)
							defer cancel()
							ctx = limited
						}
						began := time.Now()
						err := caller.change(ctx, x, c)
						if waited := time.Since(began); waited != caller.waits || !errors.Is(err, caller.fails) {
							t.Errorf("number %d waited %v: %v", number, waited, err)
						}
					})
				}
				calls.Wait()
				if len(x.turns.queues) > 0 {
					t.Errorf("the queues are left: %v", x.turns.queues)
				}
			})
		})
	}
}

func TestWhoseTimeEndsWhenItsTurnComesTellsTheNextWhatThoseBeforeHaveMetWith(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 { // either may be seen first
		queues, target := &turns{}, backplane.Target{Scope: backplane.ScopeGroup, Name: "g"}
		first := queues.await(target)
		second := queues.queue(target)
		first.lastFailure = &failure{err: backplane.ErrUnavailable, waited: time.Second}
		first.end()
		late := &turn{turns: queues}
		err := late.wait(ended, second)
		last := queues.queue(target)
		late.end()
		if last.lastFailure != first.lastFailure {
			t.Fatalf("the next one learns %v after %v", last.lastFailure, err)
		}
	}
}
