package cluster

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
)

// punctualDirectory answers nobody who has no time left.
type punctualDirectory struct{ Directory }

func (d punctualDirectory) Find(ctx context.Context, id string) (Entry, error) {
	if ctx.Err() != nil {
		return Entry{}, ctx.Err()
	}
	return d.Directory.Find(ctx, id)
}

func (d punctualDirectory) Swap(ctx context.Context, changes ...Change) []Result {
	if ctx.Err() != nil {
		return slices.Repeat([]Result{{Err: ctx.Err()}}, len(changes))
	}
	return d.Directory.Swap(ctx, changes...)
}

func (d punctualDirectory) Alive(ctx context.Context, instance string) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return d.Directory.Alive(ctx, instance)
}

// outdatedDirectory finds what there was, whatever there is.
type outdatedDirectory struct {
	Directory
	was Entry
}

func (d outdatedDirectory) Find(context.Context, string) (Entry, error) { return d.was, nil }

// Many requests may find out at once that a server is gone.
func TestALostConnectionIsCountedOnce(t *testing.T) {
	dead := Entry{Owner: Peer{Instance: "m_dead", Address: "address"}, Epoch: 1}
	for name, test := range map[string]struct {
		present Entry
		away    bool
		counted int
	}{
		"it is marked now":           {dead, false, 1},
		"another request was faster": {ended(), false, 0},
		"it has moved":               {Entry{Owner: Peer{Instance: "m_b", Address: "address"}, Epoch: 2}, false, 0},
		"it cannot be marked":        {dead, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			counted := 0
			s := simulate(t, 1, func(o *MemberOptions) {
				o.Directory, o.Observer.Lost = outdatedDirectory{o.Directory, dead}, func() { counted++ }
			})
			s.directory.replace("c", test.present, func(Entry) bool { return true })
			s.directory.setAway(test.away)
			s.members[0].markLost(t.Context(), "c", dead.Owner)
			if counted != test.counted {
				t.Errorf("counted %d times, want %d", counted, test.counted)
			}
		})
	}
}

// Packets to the address of a pod that is gone may be lost without a word. Whoever waits for an answer learns nothing before its time
// is over, and the client would be told to try again and again.
func TestADeadServerWhoseAddressIsSilentLosesItsConnectionsWhenItsLeaseIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, 2, func(o *MemberOptions) { o.Directory = punctualDirectory{o.Directory} })
		dead, asking := s.members[0], s.members[1]
		s.expectOwner(dead, "c", true, dead.Self().Instance)
		s.expectOwner(asking, "c", false, dead.Self().Instance)
		s.kill(dead)
		s.network.mu.Lock()
		s.network.cutOff[dead.Self().Instance] = true
		s.network.mu.Unlock()

		attach := func() (gone bool, err error) {
			s.expectOwner(asking, "c", false, dead.Self().Instance)
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // all the time there was has passed without an answer
			_, gone, err = asking.Attach(ctx, httptest.NewRequest(http.MethodGet, "/", http.NoBody), "c", dead.Self().Instance)
			return gone, err
		}
		if gone, err := attach(); gone || err == nil {
			t.Errorf("during its lease it counts as gone: %v, %v", gone, err)
		}
		if err := s.directory.Leave(t.Context(), dead.Self()); err != nil {
			t.Fatal(err)
		}
		if gone, err := attach(); !gone || !errors.Is(err, ErrGone) {
			t.Errorf("behind its lease: %v, %v; want that it is gone", gone, err)
		}
		s.expectOwner(asking, "c", false, "")
	})
}
