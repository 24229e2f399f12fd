package redis

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func isDone(waiting *waiter) bool {
	select {
	case <-waiting.done:
		return true
	default:
		return false
	}
}

func handlers(channels ...string) []handler {
	result := make([]handler, len(channels))
	for i, channel := range channels {
		result[i] = handler{channel, func([]byte) {}}
	}
	return result
}

func expectChanges(t *testing.T, table *subscriptions, subscribe, unsubscribe []string) {
	t.Helper()
	gotSubscribe, gotUnsubscribe := table.changes()
	if !slices.Equal(gotSubscribe, subscribe) || !slices.Equal(gotUnsubscribe, unsubscribe) {
		t.Fatalf("changes are %v and %v, want %v and %v", gotSubscribe, gotUnsubscribe, subscribe, unsubscribe)
	}
}

func TestWaiterIsDoneWhenAllChannelsAreConfirmed(t *testing.T) {
	table := newSubscriptions(func(int) {})
	waiting := table.add(1, handlers("a", "b"))
	expectChanges(t, table, []string{"a", "b"}, nil)
	table.confirm("a")
	if isDone(waiting) {
		t.Fatal("done before b was confirmed")
	}
	table.confirm("b")
	if !isDone(waiting) {
		t.Fatal("not done")
	}
	if !isDone(table.add(1, handlers("a"))) {
		t.Error("a confirmed channel is waited for")
	}
}

// Redis's answer to the first SUBSCRIBE must not count for the second.
func TestConfirmationOfAnEarlierSubscribeDoesNotCount(t *testing.T) {
	table := newSubscriptions(func(int) {})
	table.add(1, handlers("a"))
	expectChanges(t, table, []string{"a"}, nil)
	table.remove(1, []string{"a"})
	expectChanges(t, table, nil, []string{"a"})
	waiting := table.add(1, handlers("a"))
	expectChanges(t, table, []string{"a"}, nil)
	for answer := range 2 {
		table.confirm("a")
		if isDone(waiting) {
			t.Fatalf("done after answer %d of 3", answer+1)
		}
	}
	table.confirm("a")
	if !isDone(waiting) {
		t.Error("not done after the last answer")
	}
}

func TestRemovedAndAddedAgainSendsNothing(t *testing.T) {
	table := newSubscriptions(func(int) {})
	table.add(1, handlers("a"))
	expectChanges(t, table, []string{"a"}, nil)
	table.confirm("a")
	table.remove(1, []string{"a"})
	if !isDone(table.add(1, handlers("a"))) {
		t.Error("not in place")
	}
	expectChanges(t, table, nil, nil)
}

func TestAddedAndRemovedBeforeSendingLeavesNothing(t *testing.T) {
	table := newSubscriptions(func(int) {})
	table.add(1, handlers("a"))
	table.remove(1, []string{"a"})
	expectChanges(t, table, nil, nil)
	if len(table.entries) != 0 {
		t.Errorf("%d entries stay", len(table.entries))
	}
}

func TestRestartSubscribesAnew(t *testing.T) {
	table := newSubscriptions(func(int) {})
	table.add(1, handlers("a"))
	waiting := table.add(1, handlers("b"))
	expectChanges(t, table, []string{"a", "b"}, nil)
	table.confirm("a")
	table.restart()
	if isDone(table.await([]string{"a"})) {
		t.Error("a counts as subscribed on the new connection")
	}
	subscribe, _ := table.changes()
	slices.Sort(subscribe)
	if !slices.Equal(subscribe, []string{"a", "b"}) {
		t.Fatalf("subscribes %v", subscribe)
	}
	table.confirm("b")
	if !isDone(waiting) {
		t.Error("who waited before the restart is not told")
	}
}

func TestRemoveLeavesChannelsOfOtherOwners(t *testing.T) {
	table := newSubscriptions(func(int) {})
	table.add(1, handlers("a", "b"))
	table.add(2, handlers("b"))
	table.remove(1, []string{"b"})
	table.removeAll(1)
	if table.handler("a") != nil || table.handler("b") == nil {
		t.Error("the wrong channels are left")
	}
}

func TestObserverSeesTheNumberOfChannels(t *testing.T) {
	var seen []int
	table := newSubscriptions(func(channels int) { seen = append(seen, channels) })
	table.add(1, handlers("a", "b"))
	table.add(1, handlers("a"))
	table.remove(1, []string{"a", "x"})
	table.removeAll(1)
	if want := []int{1, 2, 1, 0}; !slices.Equal(seen, want) {
		t.Errorf("saw %v, want %v", seen, want)
	}
}

// fakeRedis answers the commands of a table in order, and late.
type fakeRedis struct {
	subscribed map[string]bool
	answers    []string
}

func (f *fakeRedis) execute(subscribe, unsubscribe []string) {
	for _, channel := range unsubscribe {
		delete(f.subscribed, channel)
		f.answers = append(f.answers, channel)
	}
	for _, channel := range subscribe {
		f.subscribed[channel] = true
		f.answers = append(f.answers, channel)
	}
}

// Whatever the order of calls, answers and lost connections: nobody is told that a channel is subscribed when it is not,
// and in the end Redis has exactly the channels that are wanted.
func TestTableAndRedisAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := newSubscriptions(func(int) {})
		server := &fakeRedis{subscribed: map[string]bool{}}
		wanted := map[string]bool{}
		waiting := map[string]*waiter{}
		channel := rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("c%d", rapid.IntRange(0, 3).Draw(t, "channel")) })
		answer := func() {
			if len(server.answers) > 0 {
				table.confirm(server.answers[0])
				server.answers = server.answers[1:]
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				name := channel.Draw(t, "name")
				waiting[name] = table.add(1, handlers(name))
				wanted[name] = true
			},
			"remove": func(t *rapid.T) {
				name := channel.Draw(t, "name")
				table.remove(1, []string{name})
				delete(wanted, name)
				delete(waiting, name)
			},
			"send":   func(*rapid.T) { server.execute(table.changes()) },
			"answer": func(*rapid.T) { answer() },
			"reconnect": func(*rapid.T) {
				*server = fakeRedis{subscribed: map[string]bool{}}
				for name, waiter := range waiting {
					if isDone(waiter) {
						delete(waiting, name)
					}
				}
				table.restart()
			},
			"": func(t *rapid.T) {
				for name, waiter := range waiting {
					if isDone(waiter) && !server.subscribed[name] {
						t.Fatalf("%s counts as subscribed and is not", name)
					}
				}
			},
		})
		server.execute(table.changes())
		for len(server.answers) > 0 {
			answer()
		}
		for name := range wanted {
			if !server.subscribed[name] || table.handler(name) == nil || !isDone(table.await([]string{name})) {
				t.Errorf("%s is not in place", name)
			}
		}
		if len(server.subscribed) != len(wanted) || len(table.entries) != len(wanted) || table.wanted != len(wanted) {
			t.Errorf("%d channels are wanted, Redis has %d, the table %d", len(wanted), len(server.subscribed), len(table.entries))
		}
	})
}

// A channel that goes to another connection is subscribed there, and late answers of the former one do not count.
func TestArrangedChannelIsSubscribedAnew(t *testing.T) {
	table := newSubscriptions(func(int) {})
	former, later := table.part, table.newPart()
	waiting := table.add(1, handlers("a"))
	expectChanges(t, table, []string{"a"}, nil)
	table.arrange(func(int) *part { return nil })
	if subscribe, unsubscribe := former.changes(); len(subscribe)+len(unsubscribe) > 0 {
		t.Errorf("the former connection has to send %v and %v", subscribe, unsubscribe)
	}
	table.arrange(func(int) *part { return later })
	if subscribe, _ := later.changes(); !slices.Equal(subscribe, []string{"a"}) {
		t.Fatalf("subscribes %v", subscribe)
	}
	if former.confirm("a") || isDone(waiting) {
		t.Error("the former connection's answer counts")
	}
	if !later.confirm("a") || !isDone(waiting) {
		t.Error("not in place")
	}
	later.misplaced(slotOf("a"))
	if isDone(table.await([]string{"a"})) {
		t.Error("counts as subscribed at a server that does not serve it")
	}
	table.arrange(func(int) *part { return later })
	if subscribe, _ := later.changes(); !slices.Equal(subscribe, []string{"a"}) {
		t.Errorf("subscribes %v", subscribe)
	}
	table.remove(1, []string{"a"})
	later.misplaced(slotOf("a"))
	table.arrange(func(int) *part { return former })
	if len(table.entries) != 0 {
		t.Errorf("%d entries stay", len(table.entries))
	}
}

// expectPlaced checks which channels count as subscribed.
func expectPlaced(t *testing.T, table *subscriptions, want map[string]bool) {
	t.Helper()
	for channel, placed := range want {
		if got := isDone(table.await([]string{channel})); got != placed {
			t.Errorf("%s counts as subscribed: %t", channel, got)
		}
	}
}

func TestWhatRedisEndsIsVoidAndNothingElse(t *testing.T) {
	const one, same, other = "{x}1", "{x}2", "y"
	for name, test := range map[string]struct {
		ends func(*part)
		want map[string]bool
	}{
		"one subscription":         {func(p *part) { p.ousted(one) }, map[string]bool{one: false, same: true, other: true}},
		"a slot":                   {func(p *part) { p.misplaced(slotOf(one)) }, map[string]bool{one: false, same: false, other: true}},
		"one that nobody wants":    {func(p *part) { p.ousted("z") }, map[string]bool{one: true, same: true, other: true}},
		"a slot without channels":  {func(p *part) { p.misplaced(slotOf("z")) }, map[string]bool{one: true, same: true, other: true}},
		"at another connection":    {func(p *part) { p.table.newPart().ousted(one) }, map[string]bool{one: true, same: true, other: true}},
		"a slot, at another":       {func(p *part) { p.table.newPart().misplaced(slotOf(one)) }, map[string]bool{one: true, same: true, other: true}},
		"a slot, before a restart": {func(p *part) { p.restart(); p.misplaced(slotOf(one)) }, map[string]bool{one: false, same: false, other: false}},
	} {
		t.Run(name, func(t *testing.T) {
			table := newSubscriptions(func(int) {})
			shard := table.newPart()
			table.arrange(func(int) *part { return shard })
			table.add(1, handlers(one, same, other))
			subscribe, _ := shard.changes()
			for _, channel := range subscribe {
				shard.confirm(channel)
			}
			test.ends(shard)
			expectPlaced(t, table, test.want)
			table.arrange(func(int) *part { return shard })
			subscribe, _ = shard.changes()
			for _, channel := range subscribe {
				if test.want[channel] {
					t.Errorf("%s is subscribed again", channel)
				}
				shard.confirm(channel)
			}
			expectPlaced(t, table, map[string]bool{one: true, same: true, other: true})
			table.removeAll(1)
			_, unsubscribe := shard.changes()
			for _, channel := range unsubscribe {
				shard.confirm(channel)
			}
			if len(table.entries) != 0 || len(shard.slots) != 0 {
				t.Errorf("%d channels and %d slots stay", len(table.entries), len(shard.slots))
			}
		})
	}
}

// When a server leaves a Cluster, Redis says of each of its channels that it has moved. To look through all of them each time took
// minutes, during which nothing was delivered.
func TestManyChannelsThatMoveTakeNoLongerEach(t *testing.T) {
	t.Parallel()
	const channels = 50_000
	for name, format := range map[string]string{"of all slots": "%d", "of one slot": "{x}%d"} {
		for reason, tell := range map[string]func(*part, string){
			"ousted":   (*part).ousted,
			"answered": func(p *part, channel string) { p.misplaced(slotOf(channel)) },
		} {
			t.Run(name+", "+reason, func(t *testing.T) {
				t.Parallel()
				table := newSubscriptions(func(int) {})
				shard := table.newPart()
				table.arrange(func(int) *part { return shard })
				names := make([]string, channels)
				for number := range names {
					names[number] = fmt.Sprintf(format, number)
				}
				table.add(1, handlers(names...))
				shard.changes()
				began := time.Now()
				for _, channel := range names {
					if tell(shard, channel); time.Since(began) > patience {
						t.Fatalf("not done within %s", patience)
					}
				}
				for _, channel := range names[:10] {
					expectPlaced(t, table, map[string]bool{channel: false})
				}
			})
		}
	}
}
