package cluster

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pause makes a member believe that it has not run for a while. What it does just now ends first: to be renewed is a sign of life.
func pause(m *Member, length time.Duration) {
	synctest.Wait()
	before := time.Now().Add(-length)
	m.ran.Store(&before)
	m.renewed.Store(&before)
}

// doubts tells whether a member has to wait before it acts.
func doubts(m *Member) bool {
	doubt := m.Doubt()
	if doubt == nil {
		return false
	}
	select {
	case <-doubt:
		return false
	default:
		return true
	}
}

func TestAServerThatWasPausedLooksWhatIsItsOwnBeforeItActs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, 2)
		paused := s.members[0]
		abandoned := make(chan string, 2)
		paused.OnLost(func(id string) { abandoned <- id })
		s.expectOwner(paused, "lost", true, "m_a")
		s.expectOwner(paused, "kept", true, "m_a")
		if _, err := swap(t.Context(), s.directory, Change{ConnectionID: "lost", From: s.entry("lost"), To: ended()}); err != nil {
			t.Fatal(err)
		}
		pause(paused, 2*LivenessTimeout)
		began, doubt := time.Now(), paused.Doubt()
		if doubt == nil {
			t.Fatal("it acts")
		}
		<-doubt
		if took := time.Since(began); took > time.Second {
			t.Errorf("it looks for %v", took)
		}
		select {
		case id := <-abandoned:
			if id != "lost" {
				t.Errorf("abandoned %q", id)
			}
		default:
			t.Error("it acts for what it has lost")
		}
		if doubts(paused) || !paused.Owns("kept") {
			t.Error("it does not act for what it has kept")
		}
	})
}

func TestNobodyActsWhileAnotherBeginsToDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50_000 {
			paused := &Member{logger: slog.New(slog.DiscardHandler), asserting: make(chan struct{}, 1), renewing: make(chan struct{}, 1)}
			pause(paused, 2*LivenessTimeout)
			var looking sync.WaitGroup
			var acts atomic.Bool
			for range 2 {
				looking.Go(func() {
					if paused.Doubt() == nil {
						acts.Store(true)
					}
				})
			}
			if looking.Wait(); acts.Load() {
				t.Fatal("it acts")
			}
		}
	})
}

// Who is only busy, or only cut off from the directory, goes on: its peers can still ask it.
func TestAServerThatRunsHasNoDoubts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, 1)
		pause(s.members[0], LivenessTimeout-time.Second)
		if doubts(s.members[0]) {
			t.Error("it doubts before its time has run out")
		}
		s.directory.setAway(true)
		time.Sleep(5 * LivenessTimeout)
		if doubts(s.members[0]) {
			t.Error("it doubts although it runs")
		}
	})
}

// mutedDirectory says nothing about what a server owns.
type mutedDirectory struct{ Directory }

func (mutedDirectory) Assert(_ context.Context, _ Peer, holdings ...Holding) []Result {
	return slices.Repeat([]Result{{Err: errAway}}, len(holdings))
}

// The renewal may be what runs first after a pause.
func TestAServerThatHasBeenRenewedAfterAPauseStillHasToLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, 1, func(o *MemberOptions) { o.Directory = mutedDirectory{o.Directory} })
		s.expectOwner(s.members[0], "c", true, "m_a")
		pause(s.members[0], 2*LivenessTimeout)
		if err := s.members[0].renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !doubts(s.members[0]) {
			t.Error("it acts for what it may have lost")
		}
	})
}

func TestAServerThatWasPausedClaimsNothingBeforeItHasLooked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, 1)
		s.expectOwner(s.members[0], "held", true, "m_a")
		s.directory.setAway(true)
		pause(s.members[0], 2*LivenessTimeout)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, here, err := s.members[0].Locate(ctx, "c", true); here || err == nil {
			t.Errorf("it claims: here %v, %v", here, err)
		}
		s.directory.setAway(false)
		s.expectOwner(s.members[0], "c", true, "m_a")
		if s.entry("c").Owner != s.members[0].Self() {
			t.Errorf("the directory says %+v", s.entry("c"))
		}
	})
}

func TestDoubtsHaveAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, 1)
		s.expectOwner(s.members[0], "held", true, "m_a")
		s.directory.setAway(true)
		pause(s.members[0], 2*LivenessTimeout)
		began := time.Now()
		<-s.members[0].Doubt()
		if took := time.Since(began); took != doubtPatience {
			t.Errorf("it waited for %v", took)
		}
		if doubts(s.members[0]) {
			t.Error("it begins to doubt again")
		}
		s.directory.setAway(false)
	})
}
