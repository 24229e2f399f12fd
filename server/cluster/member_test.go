package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheFirstRequestClaimsAConnection(t *testing.T) {
	s := simulate(t, 3)
	s.expectOwner(s.members[1], "c", true, "m_b")
	for _, other := range []*Member{s.members[0], s.members[2]} {
		s.expectOwner(other, "c", true, "m_b")
		s.expectOwner(other, "c", false, "m_b")
	}
}

func TestOneOfManyClaimsWins(t *testing.T) {
	s := simulate(t, 3)
	for round := range 50 {
		id := fmt.Sprint("c", round)
		owners := make([]string, len(s.members))
		var racing sync.WaitGroup
		for at, member := range s.members {
			racing.Go(func() { owners[at] = s.locate(member, id, true) })
		}
		racing.Wait()
		if owners[0] == "" || owners[1] != owners[0] || owners[2] != owners[0] {
			t.Fatalf("owners of %s: %v", id, owners)
		}
	}
}

func TestAnUnclaimedOldTokenHasNoOwner(t *testing.T) {
	s := simulate(t, 2)
	s.expectOwner(s.members[0], "c", false, "")
	if s.entry("c").exists() {
		t.Error("it was entered into the directory")
	}
}

func TestAnEndedConnectionCannotBeClaimedAgain(t *testing.T) {
	s := simulate(t, 2)
	s.expectOwner(s.members[0], "c", true, "m_a")
	s.members[0].Release("c")
	s.eventually("the tombstone", func() bool { return s.entry("c").Ended })
	s.expectOwner(s.members[1], "c", true, "")
	s.expectOwner(s.members[0], "c", true, "")
}

func TestWhoEndsAConnectionKnowsItsTombstoneIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, 2)
		var ending sync.WaitGroup
		for round := range 50 {
			id := fmt.Sprint("c", round)
			s.expectOwner(s.members[0], id, true, "m_a")
			ending.Go(func() {
				s.members[0].End(id)
				if !s.entry(id).Ended {
					t.Errorf("%s has no tombstone when its end is over", id)
				}
			})
		}
		ending.Wait()
		s.members[0].End("c0") // once more does nothing
		s.expectOwner(s.members[0], "left", true, "m_a")
		s.directory.setAway(true)
		s.members[0].End("left") // gives up
		s.directory.setAway(false)
		s.eventually("the tombstone", func() bool { return s.entry("left").Ended })
	})
}

func TestTombstonesWaitForTheDirectory(t *testing.T) {
	s := simulate(t, 2)
	s.expectOwner(s.members[0], "c", true, "m_a")
	s.directory.setAway(true)
	s.members[0].Release("c")
	s.directory.setAway(false)
	s.eventually("the tombstone", func() bool { return s.entry("c").Ended })
}

// troubles are what one entry may have: some pass, some do not.
var troubles = map[string]error{"unreachable": errAway, "unreadable": fmt.Errorf("%w: %q", ErrUnreadable, "?")}

func TestEntriesThatCannotBeWrittenHoldUpNoTombstone(t *testing.T) {
	for name, trouble := range troubles {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := simulate(t, 1)
				member := s.members[0]
				s.expectOwner(member, "bad", true, "m_a")
				s.directory.damage(trouble, "bad")
				member.Release("bad")
				synctest.Wait()
				for round := range 3 {
					for number := range batchSize + 1 {
						id := fmt.Sprint(round, " ", number)
						member.own(id, 1)
						member.Release(id)
					}
					last := fmt.Sprint("last ", round)
					member.own(last, 1)
					if member.End(last); !s.entry(last).Ended {
						t.Fatalf("%q has no tombstone", last)
					}
				}
				s.directory.damage(nil, "bad")
				time.Sleep(2 * retryInterval)
				if ended, tries := s.entry("bad").Ended, errors.Is(trouble, errAway); ended != tries {
					t.Errorf("the first one has a tombstone: %v; want %v", ended, tries)
				}
				member.mu.Lock()
				defer member.mu.Unlock()
				if left := len(member.finished) + len(member.overdue); left > 0 {
					t.Errorf("%d are left", left)
				}
			})
		})
	}
}

func TestEntriesThatCannotBeWrittenKeepNoOtherOut(t *testing.T) {
	for name, trouble := range troubles {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := simulate(t, 1)
				member := s.members[0]
				s.expectOwner(member, "lost", true, "m_a")
				if _, err := swap(t.Context(), s.directory, Change{ConnectionID: "lost", From: s.entry("lost"), To: ended()}); err != nil {
					t.Fatal(err)
				}
				const count, each = 3 * batchSize, 50 // some in each batch
				for number := range count {
					id := fmt.Sprint(number)
					member.own(id, 1)
					if number%each == 0 {
						s.directory.damage(trouble, id)
					}
				}
				member.Reassert()
				synctest.Wait()
				for number := range count {
					if id := fmt.Sprint(number); s.entry(id).exists() == (number%each == 0) {
						t.Fatalf("%s has the entry %+v", id, s.entry(id))
					}
				}
				if member.Owns("lost") {
					t.Error("it acts for what it has lost")
				}
				for number := range count {
					s.directory.damage(nil, fmt.Sprint(number))
				}
				time.Sleep(2 * retryInterval)
				if there, tries := s.entry("0").exists(), errors.Is(trouble, errAway); there != tries {
					t.Errorf("the first one has an entry: %v; want %v", there, tries)
				}
			})
		})
	}
}

// What cannot be read by anybody is no sign that others have given a connection up.
func TestAnEntryThatCannotBeReadLeavesNoDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, 1)
		s.expectOwner(s.members[0], "bad", true, "m_a")
		s.directory.damage(ErrUnreadable, "bad")
		pause(s.members[0], 2*LivenessTimeout)
		began := time.Now()
		<-s.members[0].Doubt()
		if took := time.Since(began); took > time.Second || !s.members[0].Owns("bad") {
			t.Errorf("it looks for %v, and owns it: %v", took, s.members[0].Owns("bad"))
		}
	})
}

func TestPeersAreAskedWhileTheDirectoryIsAway(t *testing.T) {
	s := simulate(t, 3)
	s.expectOwner(s.members[0], "c", true, "m_a")
	s.directory.setAway(true)
	s.expectOwner(s.members[2], "c", false, "m_a")
	s.expectOwner(s.members[1], "unknown", false, "")
}

func TestWhatNobodyKnowsIsUndecided(t *testing.T) {
	s := simulate(t, 3)
	s.directory.setAway(true)
	s.network.mu.Lock()
	s.network.cutOff["m_a"] = true
	s.network.mu.Unlock()
	if _, _, err := s.members[1].Locate(t.Context(), "c", false); !errors.Is(err, ErrUndecided) {
		t.Errorf("error %v, want ErrUndecided", err)
	}
}

func TestAClaimWhileTheDirectoryIsAwayIsEnteredLater(t *testing.T) {
	s := simulate(t, 2)
	s.directory.setAway(true)
	s.expectOwner(s.members[0], "c", true, "m_a")
	s.expectOwner(s.members[1], "c", true, "m_a") // it was asked
	s.directory.setAway(false)
	s.members[0].Reassert()
	s.eventually("the entry", func() bool { return s.entry("c").Owner == s.members[0].Self() })
}

func TestOwnersPutBackWhatTheDirectoryHasLost(t *testing.T) {
	s := simulate(t, 2)
	s.expectOwner(s.members[0], "c", true, "m_a")
	s.directory.lose()
	s.expectOwner(s.members[1], "c", false, "m_a") // it was asked
	s.members[0].Reassert()
	s.eventually("the entry", func() bool { return s.entry("c").Owner == s.members[0].Self() })
}

// A Redis that comes back empty lists a server when that is renewed there. Until then nobody may be told that what it owns does not exist.
func TestServersThatTheDirectoryHasLostAreStillAsked(t *testing.T) {
	for name, test := range map[string]struct {
		meanwhile func(*simulation, *Member)
		owner     string
		err       error
	}{
		"one that lives":           {func(*simulation, *Member) {}, "m_a", nil},
		"one that does not answer": {(*simulation).cutOff, "", ErrUndecided},
		"one that is gone":         {(*simulation).kill, "", nil},
		"one that left for too long": {func(s *simulation, owner *Member) {
			s.kill(owner)
			s.cutOff(owner)
			time.Sleep(LivenessTimeout + 2*RenewInterval)
		}, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := simulate(t, 2)
				owner, asking := s.members[0], s.members[1]
				s.expectOwner(owner, "c", true, "m_a")
				s.directory.lose()
				if err := asking.renew(t.Context()); err != nil {
					t.Fatal(err)
				}
				if others, _ := asking.Others(); len(others) > 0 {
					t.Fatalf("the directory still lists %+v", others)
				}
				test.meanwhile(s, owner)
				found, _, err := asking.Locate(t.Context(), "c", false)
				if found != test.owner || !errors.Is(err, test.err) {
					t.Errorf("found %q, %v, want %q, %v", found, err, test.owner, test.err)
				}
			})
		})
	}
}

// forward lets the owner that member finds answer a request. It returns who did, or the status of the refusal.
func (s *simulation) forward(member *Member, id string) (owner string, status int, answered bool) {
	s.t.Helper()
	found, _, err := member.Locate(s.t.Context(), id, false)
	if err != nil {
		s.t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	answered, _ = member.Forward(recorder, httptest.NewRequest(http.MethodGet, "/", nil), id, found, false)
	return recorder.Header().Get("Owner"), recorder.Code, answered
}

func TestTheOwnerAnswers(t *testing.T) {
	s := simulate(t, 2)
	s.expectOwner(s.members[0], "c", true, "m_a")
	if owner, _, answered := s.forward(s.members[1], "c"); !answered || owner != "m_a" {
		t.Errorf("answered %v by %q", answered, owner)
	}
}

func TestConnectionsOfADeadServerAreLost(t *testing.T) {
	s := simulate(t, 3)
	s.expectOwner(s.members[0], "c", true, "m_a")
	s.kill(s.members[0])
	if _, _, answered := s.forward(s.members[1], "c"); answered {
		t.Error("a dead server answered")
	}
	if !s.entry("c").Ended {
		t.Errorf("no tombstone: %+v", s.entry("c"))
	}
	s.expectOwner(s.members[1], "c", false, "")
	s.expectOwner(s.members[2], "c", true, "")
}

func TestAServerThatCannotBeReachedKeepsItsConnections(t *testing.T) {
	s := simulate(t, 2)
	s.expectOwner(s.members[0], "c", true, "m_a")
	s.network.mu.Lock()
	s.network.cutOff["m_a"] = true
	s.network.mu.Unlock()
	if _, status, answered := s.forward(s.members[1], "c"); !answered || status != http.StatusServiceUnavailable {
		t.Errorf("answered %v with %d, want 503", answered, status)
	}
	if s.entry("c").Ended {
		t.Error("it was taken for dead")
	}
}

func TestAServerThatCannotBeReachedNorIsRenewedLosesItsConnections(t *testing.T) {
	s := simulate(t, 2)
	s.expectOwner(s.members[0], "c", true, "m_a")
	s.kill(s.members[0])
	s.network.mu.Lock()
	s.network.cutOff["m_a"] = true
	s.network.mu.Unlock()
	_ = s.directory.Leave(t.Context(), s.members[0].Self()) // its time has run out
	if _, _, answered := s.forward(s.members[1], "c"); answered {
		t.Error("a dead server answered")
	}
	if !s.entry("c").Ended {
		t.Errorf("no tombstone: %+v", s.entry("c"))
	}
}

// A server that was paused for so long that others have buried its connections gives them up when it wakes up.
func TestAServerThatComesBackGivesUpWhatOthersHaveBuried(t *testing.T) {
	s := simulate(t, 2)
	abandoned := make(chan string, 2)
	s.members[0].OnLost(func(id string) { abandoned <- id })
	s.expectOwner(s.members[0], "lost", true, "m_a")
	s.expectOwner(s.members[0], "kept", true, "m_a")
	if _, err := swap(t.Context(), s.directory, Change{ConnectionID: "lost", From: s.entry("lost"), To: ended()}); err != nil {
		t.Fatal(err)
	}
	before := time.Now().Add(-2 * LivenessTimeout)
	s.members[0].renewed.Store(&before)
	if err := s.members[0].renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if id := <-abandoned; id != "lost" {
		t.Errorf("abandoned %q", id)
	}
	if s.members[0].Owns("lost") || !s.members[0].Owns("kept") {
		t.Error("it owns the wrong ones")
	}
}

func TestServersKnowTheLoadsOfOthers(t *testing.T) {
	s := simulate(t, 2)
	load := Load{State: Ready, Connections: 7, Movable: 5}
	s.members[0].Report(func() Load { return load })
	s.eventually("the load", func() bool {
		s.members[1].RenewNow()
		others, _ := s.members[1].Others()
		return len(others) == 1 && others[0].Peer == s.members[0].Self() && others[0].Load == load
	})
}

func TestServersThatComeAndGoUnsettleTheOthers(t *testing.T) {
	s := simulate(t, 2)
	settle := func() {
		s.members[0].mu.Lock()
		s.members[0].joined = time.Now().Add(-time.Hour)
		s.members[0].mu.Unlock()
	}
	renewed := func(settled bool) {
		t.Helper()
		if err := s.members[0].renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, since := s.members[0].Others(); since >= time.Hour != settled {
			t.Errorf("settled for %v", since)
		}
	}
	settle()
	renewed(true)
	third := Peer{Instance: "m_c", Address: "address"}
	if _, err := s.directory.Renew(t.Context(), third, Load{}); err != nil {
		t.Fatal(err)
	}
	renewed(false)
	settle()
	renewed(true)
	if err := s.directory.Leave(t.Context(), third); err != nil {
		t.Fatal(err)
	}
	renewed(false)
}

func TestHintsAreBounded(t *testing.T) {
	s := simulate(t, 1)
	for number := range maximumHints + 100 {
		s.members[0].remember(fmt.Sprint(number), Peer{Instance: "x"})
	}
	if count := len(s.members[0].hints); count > maximumHints {
		t.Errorf("%d hints", count)
	}
}

func TestClosingTakesTheServerOut(t *testing.T) {
	s := simulate(t, 2)
	s.expectOwner(s.members[0], "c", true, "m_a")
	s.members[0].Release("c")
	s.members[0].Close(context.Background())
	if alive, _ := s.directory.Alive(t.Context(), "m_a"); alive {
		t.Error("it is still there")
	}
	if !s.entry("c").Ended {
		t.Error("a tombstone is missing")
	}
}
