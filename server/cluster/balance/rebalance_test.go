package balance

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/chatcluster/chatcluster/server/cluster"
)

func ready(connections int) cluster.Load {
	return cluster.Load{State: cluster.Ready, Connections: connections, Movable: connections}
}

func limited(connections, limit int) cluster.Load {
	load := ready(connections)
	load.Limit = limit
	return load
}

func TestAServerGivesAwayWhatIsMoreThanItsShare(t *testing.T) {
	settled := func(self cluster.Load, others ...cluster.Load) View {
		return View{Self: self, Others: others, Settled: time.Minute}
	}
	with := func(v View, change func(*View)) View {
		change(&v)
		return v
	}
	for name, test := range map[string]struct {
		rate   int
		view   View
		want   int
		giving bool
	}{
		"a new server":                       {50, settled(ready(300), ready(300), ready(0)), 25, true},
		"the rate":                           {50, settled(ready(3000), ready(0)), 50, true},
		"off":                                {0, settled(ready(3000), ready(0)), 0, false},
		"within five percent":                {50, settled(ready(105), ready(95)), 0, false},
		"beyond five percent":                {50, settled(ready(106), ready(94)), 2, true},
		"two too many are few":               {50, settled(ready(4), ready(0)), 0, false},
		"three too many":                     {50, settled(ready(6), ready(0)), 1, true},
		"once begun, down to half of it":     {50, with(settled(ready(104), ready(96)), func(v *View) { v.Giving = true }), 1, true},
		"once begun, no further":             {50, with(settled(ready(102), ready(98)), func(v *View) { v.Giving = true }), 0, false},
		"less than its share":                {50, settled(ready(10), ready(90)), 0, false},
		"alone":                              {50, settled(ready(100)), 0, false},
		"a server came a moment ago":         {50, with(settled(ready(300), ready(0)), func(v *View) { v.Settled = 9 * time.Second }), 0, false},
		"some are on their way":              {50, with(settled(ready(300), ready(300), ready(0)), func(v *View) { v.Away = 20 }), 5, true},
		"enough are on their way":            {50, with(settled(ready(300), ready(300), ready(0)), func(v *View) { v.Away = 30 }), 0, true},
		"few can be moved":                   {50, with(settled(ready(300), ready(0)), func(v *View) { v.Self.Movable = 3 }), 3, true},
		"another one drains":                 {50, settled(ready(300), ready(0), cluster.Load{State: cluster.Draining, Connections: 10}), 0, false},
		"another one says nothing":           {50, settled(ready(300), ready(0), cluster.Load{}), 0, false},
		"another one starts":                 {50, settled(ready(300), ready(0), cluster.Load{State: cluster.Starting}), 38, true},
		"this one drains":                    {50, settled(cluster.Load{State: cluster.Draining, Connections: 300, Movable: 300}, ready(0)), 0, false},
		"the other one is full":              {50, settled(ready(300), limited(100, 100)), 0, false},
		"the other one has a little room":    {50, settled(ready(300), limited(80, 100)), 5, true},
		"a small server takes what it can":   {50, settled(ready(300), limited(0, 20), ready(280)), 5, true},
		"more connections than all may have": {50, settled(limited(100, 50), limited(50, 50)), 0, false},
	} {
		got, giving := Pace{Rate: test.rate}.Next(test.view)
		if got != test.want || giving != test.giving {
			t.Errorf("%s: %d, %v, want %d, %v", name, got, giving, test.want, test.giving)
		}
	}
}

// simulation is a cluster in which each server reports every RenewInterval, at a time of its own, and where a balancer that
// knows nothing sends clients anywhere, some of them late. A server that is not full takes whoever comes.
type simulation struct {
	t       *rapid.T
	pace    Pace
	now     int // in seconds
	servers []*simulated
	moves   int
}

type simulated struct {
	load   cluster.Load
	giving bool
	// away has, for each client that was sent away, when it comes back.
	away []int
	// heard is the last report of each server.
	heard []cluster.Load
}

func (s *simulation) report(from int) {
	for at, server := range s.servers {
		if at != from {
			server.heard[from] = s.servers[from].load
		}
	}
}

func (s *simulation) second() {
	s.now++
	for at, server := range s.servers {
		if (s.now+at)%3 == 0 {
			s.report(at)
		}
		s.comeBack(server)
	}
	for at, server := range s.servers {
		view := View{Self: server.load, Settled: time.Hour, Giving: server.giving, Away: len(server.away)}
		view.Others = slices.Delete(slices.Clone(server.heard), at, at+1)
		var count int
		count, server.giving = s.pace.Next(view)
		if count > s.pace.Rate || count > server.load.Movable {
			s.t.Fatalf("%d sent away in a second, of %d", count, server.load.Movable)
		}
		server.load.Movable -= count
		for range count {
			server.away = append(server.away, s.now+rapid.IntRange(1, 4).Draw(s.t, "seconds until the client comes back"))
		}
	}
}

// comeBack lets the clients of a server come back, to any, whose time it is.
func (s *simulation) comeBack(from *simulated) {
	from.away = slices.DeleteFunc(from.away, func(when int) bool {
		if when > s.now {
			return false
		}
		from.load.Movable++
		to := s.servers[rapid.IntRange(0, len(s.servers)-1).Draw(s.t, "where the client comes back")]
		if to != from && !to.load.Full() {
			s.move(from, to)
		}
		return true
	})
}

func (s *simulation) move(from, to *simulated) {
	s.moves++
	from.load.Connections--
	from.load.Movable--
	to.load.Connections++
	to.load.Movable++
}

func (s *simulation) settled() bool {
	share := s.share()
	return !slices.ContainsFunc(s.servers, func(server *simulated) bool {
		return server.giving || len(server.away) > 0 || float64(server.load.Connections)-share > max(tolerance*share, leastSurplus)
	})
}

func (s *simulation) share() float64 {
	loads := make([]cluster.Load, 0, len(s.servers))
	for _, server := range s.servers {
		loads = append(loads, server.load)
	}
	return fairShare(loads)
}

func (s *simulation) total() (total int) {
	for _, server := range s.servers {
		total += server.load.Connections
	}
	return total
}

func (s *simulation) String() string {
	text := ""
	for _, server := range s.servers {
		text += fmt.Sprintf("%d/%d ", server.load.Connections, server.load.Limit)
	}
	return text
}

// From whatever loads a cluster begins with, and however old what servers know of each other is: it comes to rest, near the
// shares, and then nothing moves any more.
func TestClustersComeToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &simulation{t: t, pace: Pace{Rate: rapid.IntRange(1, 80).Draw(t, "rate")}}
		count := rapid.IntRange(2, 5).Draw(t, "servers")
		for range count {
			load := ready(rapid.IntRange(0, 400).Draw(t, "connections"))
			s.servers = append(s.servers, &simulated{load: load, heard: make([]cluster.Load, count)})
		}
		for at := range s.servers {
			s.report(at)
		}
		total := s.total()
		for !s.settled() {
			s.second()
			if s.now > 10_000 {
				t.Fatalf("no rest after %d s and %d moves: %v", s.now, s.moves, s)
			}
		}
		// What was decided by old reports may go on for a moment.
		for range 30 {
			s.second()
		}
		moves := s.moves
		for range 60 {
			s.second()
		}
		if s.moves != moves || !s.settled() {
			t.Fatalf("%d moves at rest: %v", s.moves-moves, s)
		}
		if s.total() != total {
			t.Fatalf("%d of %d connections", s.total(), total)
		}
	})
}

// A server at its limit gets none, however empty it is by its share.
func TestFullServersGetNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		full := rapid.IntRange(0, 100).Draw(t, "limit")
		s := &simulation{t: t, pace: Pace{Rate: 50}}
		for _, load := range []cluster.Load{ready(rapid.IntRange(100, 400).Draw(t, "busy")), limited(full, max(full, 1)), ready(rapid.IntRange(0, 400).Draw(t, "other"))} {
			s.servers = append(s.servers, &simulated{load: load, heard: make([]cluster.Load, 3)})
		}
		for at := range s.servers {
			s.report(at)
		}
		for range 60 {
			s.second()
			if small := s.servers[1].load; small.Connections > small.Limit {
				t.Fatalf("beyond its limit: %v", s)
			}
		}
	})
}
