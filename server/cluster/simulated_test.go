package cluster

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// simulatedDirectory is a directory in memory, whose availability the test decides.
type simulatedDirectory struct {
	mu      sync.Mutex
	away    bool
	entries map[string]Entry
	servers map[Peer]time.Time
	loads   map[Peer]Load
	// reports counts renewals: each has another time.
	reports int64
	// broken are entries that cannot be written, and why.
	broken map[string]error
	// between is done between a change and its answer.
	between func()
}

var errAway = errors.New("the directory is away")

func newSimulatedDirectory() *simulatedDirectory {
	return &simulatedDirectory{
		entries: map[string]Entry{}, servers: map[Peer]time.Time{}, loads: map[Peer]Load{}, broken: map[string]error{},
		between: func() {},
	}
}

func (d *simulatedDirectory) locked(act func()) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.away {
		return errAway
	}
	act()
	return nil
}

func (d *simulatedDirectory) setAway(away bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away = away
}

// lose forgets everything, as a Redis that has restarted without its data.
func (d *simulatedDirectory) lose() {
	_ = d.locked(func() {
		clear(d.entries)
		clear(d.servers)
		clear(d.loads)
	})
}

func (d *simulatedDirectory) Find(_ context.Context, id string) (entry Entry, err error) {
	err = d.locked(func() { entry = d.entries[id] })
	return entry, err
}

func (d *simulatedDirectory) Swap(_ context.Context, changes ...Change) (results []Result) {
	for _, change := range changes {
		results = append(results, d.replace(change.ConnectionID, change.To, change.applies))
	}
	d.mu.Lock()
	between := d.between
	d.mu.Unlock()
	between()
	return results
}

// interrupt does something between each change and its answer from now on.
func (d *simulatedDirectory) interrupt(between func()) { _ = d.locked(func() { d.between = between }) }

func (d *simulatedDirectory) Assert(_ context.Context, owner Peer, holdings ...Holding) (results []Result) {
	for _, holding := range holdings {
		results = append(results, d.replace(holding.ConnectionID, Entry{Owner: owner, Epoch: holding.Epoch}, func(present Entry) bool {
			return holding.asserts(present, owner)
		}))
	}
	return results
}

// replace writes an entry if that may be done to what is present.
func (d *simulatedDirectory) replace(id string, by Entry, applies func(present Entry) bool) (result Result) {
	err := d.locked(func() {
		if result.Err = d.broken[id]; result.Err != nil {
			return
		}
		if result.Written = applies(d.entries[id]); result.Written {
			d.entries[id] = by
		}
		result.Entry = d.entries[id]
	})
	result.Err = errors.Join(result.Err, err)
	return result
}

// damage makes entries impossible to write, or possible again.
func (d *simulatedDirectory) damage(problem error, ids ...string) {
	_ = d.locked(func() {
		for _, id := range ids {
			d.broken[id] = problem
		}
	})
}

func (d *simulatedDirectory) Renew(_ context.Context, self Peer, load Load) (servers []Server, err error) {
	err = d.locked(func() {
		d.reports++
		d.servers[self], d.loads[self] = time.Now(), load
		for peer := range d.servers {
			servers = append(servers, Server{Peer: peer, Load: d.loads[peer], Reported: d.reports})
		}
	})
	return servers, err
}

func (d *simulatedDirectory) Leave(_ context.Context, self Peer) error {
	return d.locked(func() { delete(d.servers, self) })
}

func (d *simulatedDirectory) Alive(_ context.Context, instance string) (alive bool, err error) {
	err = d.locked(func() {
		for peer := range d.servers {
			alive = alive || peer.Instance == instance
		}
	})
	return alive, err
}

// simulatedNetwork joins members in memory. A server that is not in it has died; one that is cut off does not answer.
type simulatedNetwork struct {
	mu      sync.Mutex
	members map[string]*Member
	cutOff  map[string]bool
}

var errNoAnswer = errors.New("no answer")

func (n *simulatedNetwork) reach(peer Peer) (*Member, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	member, lives := n.members[peer.Instance]
	switch {
	case n.cutOff[peer.Instance]:
		return nil, errNoAnswer
	case !lives:
		return nil, ErrGone
	}
	return member, nil
}

func (n *simulatedNetwork) Owns(_ context.Context, peer Peer, id string) (bool, error) {
	member, err := n.reach(peer)
	return err == nil && member.Owns(id), err
}

func (n *simulatedNetwork) Forward(w http.ResponseWriter, _ *http.Request, peer Peer, id string, _ bool) error {
	owns, err := n.Owns(context.Background(), peer, id)
	switch {
	case err != nil:
		return err
	case !owns:
		return ErrNotOwner
	}
	w.Header().Set("Owner", peer.Instance)
	return nil
}

func (n *simulatedNetwork) Attach(_ context.Context, _ *http.Request, peer Peer, id string) (io.ReadWriteCloser, error) {
	owns, err := n.Owns(context.Background(), peer, id)
	switch {
	case err != nil:
		return nil, err
	case !owns:
		return nil, ErrNotOwner
	}
	near, _ := net.Pipe()
	return near, nil
}

func (n *simulatedNetwork) Move(ctx context.Context, peer Peer, request MoveRequest) (MoveReply, error) {
	member, err := n.reach(peer)
	if err != nil {
		return MoveReply{}, err
	}
	return member.Answer(ctx, request)
}

// simulation is some members with one directory.
type simulation struct {
	t         *testing.T
	directory *simulatedDirectory
	network   *simulatedNetwork
	members   []*Member
}

// simulate starts members that know each other. They end with the test.
func simulate(t *testing.T, count int, change ...func(*MemberOptions)) *simulation {
	t.Helper()
	s := &simulation{t: t, directory: newSimulatedDirectory(), network: &simulatedNetwork{members: map[string]*Member{}, cutOff: map[string]bool{}}}
	for number := range count {
		self := Peer{Instance: "m_" + string(rune('a'+number)), Address: "address"}
		_ = s.directory.locked(func() { s.directory.servers[self] = time.Now() })
		options := MemberOptions{Self: self, Directory: s.directory, Network: s.network}
		for _, change := range change {
			change(&options)
		}
		s.members = append(s.members, NewMember(options))
	}
	for _, member := range s.members {
		s.network.members[member.Self().Instance] = member
		t.Cleanup(func() { member.Close(context.Background()) })
		s.eventually("the servers know each other", func() bool {
			member.mu.Lock()
			defer member.mu.Unlock()
			return len(member.peers) == count-1
		})
	}
	return s
}

// kill takes a member away without a word. It is renewed no more, but its entries stay.
func (s *simulation) kill(member *Member) {
	member.stop()
	member.work.Wait()
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	delete(s.network.members, member.Self().Instance)
}

// cutOff lets nobody reach a member any more. Nothing is refused in its name either.
func (s *simulation) cutOff(member *Member) {
	s.network.mu.Lock()
	defer s.network.mu.Unlock()
	s.network.cutOff[member.Self().Instance] = true
}

func (s *simulation) eventually(what string, condition func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// locate asks a member. It returns the instance of the owner, "" for nobody.
func (s *simulation) locate(member *Member, id string, claim bool) string {
	s.t.Helper()
	owner, here, err := member.Locate(context.Background(), id, claim)
	if err != nil {
		s.t.Fatal(err)
	}
	if here {
		return member.Self().Instance
	}
	return owner
}

func (s *simulation) expectOwner(member *Member, id string, claim bool, want string) {
	s.t.Helper()
	if got := s.locate(member, id, claim); got != want {
		s.t.Fatalf("%s finds the owner %q, want %q", member.Self().Instance, got, want)
	}
}

func (s *simulation) entry(id string) Entry {
	entry, _ := s.directory.Find(context.Background(), id)
	return entry
}
