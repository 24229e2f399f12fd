package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// theConnection is the one that moves.
const theConnection = "c"

// hubs are what several members have of one connection. At most one of them may act for its client.
type hubs struct {
	// mu guards everything.
	mu sync.Mutex
	// acts has the members that act, holds those that have the state, with how often it has moved.
	acts, holds map[*Member]int
	problems    []string
	// refuse makes owners refuse, fail makes takers fail at a step.
	refuse error
	fail   map[string]error
}

func (h *hubs) problem(format string, arguments ...any) {
	h.problems = append(h.problems, fmt.Sprintf(format, arguments...))
}

// begin says that a member acts. mu is held.
func (h *hubs) begin(member *Member, moves int) {
	for other := range h.acts {
		if other != member {
			h.problem("%s acts while %s does", member.Self().Instance, other.Self().Instance)
		}
	}
	h.acts[member], h.holds[member] = moves, moves
}

// giver is the hub of one member as an owner.
type fakeGiver struct {
	*hubs
	member *Member
}

func (g *fakeGiver) Offers(string) bool { return false }

func (g *fakeGiver) Prepare(context.Context, string, string, []byte) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refuse != nil {
		return nil, g.refuse
	}
	if _, acts := g.acts[g.member]; !acts {
		g.problem("%s gives what it does not have", g.member.Self().Instance)
	}
	return []byte("offer"), nil
}

func (g *fakeGiver) State(context.Context, string) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.acts, g.member)
	return []byte(strconv.Itoa(g.holds[g.member])), nil
}

func (g *fakeGiver) Keep(string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.begin(g.member, g.holds[g.member])
}

func (g *fakeGiver) Given(string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, acts := g.acts[g.member]; acts {
		g.problem("%s acted for what is given", g.member.Self().Instance)
	}
	delete(g.holds, g.member)
}

// fakeTaker is the hub of one member as a new owner.
type fakeTaker struct {
	*hubs
	member *Member
	moves  int
}

func (k *fakeTaker) at(step string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fail[step]
}

func (k *fakeTaker) Request() []byte { return []byte("request") }

func (k *fakeTaker) Capture(_ context.Context, _ string, offer []byte) error {
	if string(offer) != "offer" {
		return errors.New("no offer")
	}
	return k.at("capture")
}

func (k *fakeTaker) Import(_ context.Context, state []byte) (err error) {
	k.moves, err = strconv.Atoi(string(state))
	return errors.Join(err, k.at("import"))
}

func (k *fakeTaker) Commit() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.begin(k.member, k.moves+1)
}

func (k *fakeTaker) Abort() {}

// faults decide, one after another, what becomes of calls: 0 is nothing, 1 that it does not arrive, 2 that its answer does not,
// 3 that it comes twice. When they are used up nothing happens any more.
type faults struct {
	mu   sync.Mutex
	left []int
}

func (f *faults) next() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.left) == 0 {
		return 0
	}
	fault := f.left[0]
	f.left = f.left[1:]
	return fault
}

// set replaces what is to come, and returns what was.
func (f *faults) set(plan []int) (before []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before, f.left = f.left, plan
	return before
}

var errLostCall = errors.New("lost on the way")

// faulty is a directory and a network with faults, at what moves need.
type faultyDirectory struct {
	Directory
	*faults
}

func (d faultyDirectory) Swap(ctx context.Context, changes ...Change) []Result {
	fault, lost := d.next(), slices.Repeat([]Result{{Err: errLostCall}}, len(changes))
	if fault == 1 {
		return lost
	}
	results := d.Directory.Swap(ctx, changes...)
	if fault == 3 {
		results = d.Directory.Swap(ctx, changes...)
	}
	if fault == 2 {
		return lost
	}
	return results
}

type faultyNetwork struct {
	Network
	*faults
}

func (n faultyNetwork) Move(ctx context.Context, peer Peer, request MoveRequest) (MoveReply, error) {
	fault := n.next()
	if fault == 1 {
		return MoveReply{}, errLostCall
	}
	reply, err := n.Network.Move(ctx, peer, request)
	if fault == 3 {
		_, _ = n.Network.Move(ctx, peer, request)
	}
	if fault == 2 {
		return MoveReply{}, errLostCall
	}
	return reply, err
}

// moving is a simulation of members that give one connection to each other. The first has it.
type moving struct {
	*simulation
	*hubs
}

func simulateMoves(t *testing.T, count int, f *faults) *moving {
	t.Helper()
	plan := f.set(nil)
	m := &moving{simulate(t, count, func(options *MemberOptions) {
		options.Directory, options.Network = faultyDirectory{options.Directory, f}, faultyNetwork{options.Network, f}
	}), &hubs{acts: map[*Member]int{}, holds: map[*Member]int{}, fail: map[string]error{}}}
	m.expectOwner(m.members[0], theConnection, true, m.members[0].Self().Instance)
	m.acts[m.members[0]], m.holds[m.members[0]] = 0, 0
	for _, member := range m.members {
		member.OnMove(&fakeGiver{m.hubs, member})
	}
	f.set(plan)
	return m
}

// take lets a member try to get the connection.
func (m *moving) take(member *Member) error {
	owner, here, err := member.Locate(context.Background(), theConnection, false)
	if err != nil || here || owner == "" {
		return errors.Join(ErrNotOwner, err)
	}
	return member.Take(context.Background(), theConnection, owner, &fakeTaker{hubs: m.hubs, member: member})
}

// owner returns the one that acts, once it is sure who that is.
func (m *moving) owner() (owner *Member, problem string) {
	time.Sleep(resolvePatience)
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.problems) > 0 {
		return nil, fmt.Sprint(m.problems)
	}
	if len(m.acts) != 1 || len(m.holds) != 1 {
		return nil, fmt.Sprintf("%d members act, %d have the state", len(m.acts), len(m.holds))
	}
	for member := range m.acts {
		owner = member
	}
	if entry := m.entry(theConnection); entry.Owner != owner.Self() {
		return nil, fmt.Sprintf("%s acts, the directory says %+v", owner.Self().Instance, entry)
	}
	if _, err := owner.assertAll(context.Background()); err != nil {
		return nil, err.Error()
	}
	if held := owner.holdings([]string{theConnection}); len(held) != 1 || held[0].Epoch != m.entry(theConnection).Epoch {
		return nil, fmt.Sprintf("%s holds %+v, the directory says %+v", owner.Self().Instance, held, m.entry(theConnection))
	}
	for _, member := range m.members {
		if member.Owns(theConnection) != (member == owner) {
			return nil, fmt.Sprintf("%s acts, %s is wrong about what it owns", owner.Self().Instance, member.Self().Instance)
		}
		member.mu.Lock()
		left := len(member.givings) + len(member.takings)
		member.mu.Unlock()
		if left > 0 {
			return nil, fmt.Sprintf("%s still moves something", member.Self().Instance)
		}
	}
	return owner, ""
}

// settle fails the test unless all is well, and returns the owner.
func (m *moving) settle() *Member {
	m.t.Helper()
	owner, problem := m.owner()
	if problem != "" {
		m.t.Fatal(problem)
	}
	return owner
}

func TestMovesKeepOneOwnerWhateverIsLost(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		plan := rapid.SliceOfN(rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3}), 0, 40).Draw(rt, "faults")
		// Each attempt is a take by a member, or a client that comes back to the owner, after a pause in milliseconds.
		type attempt struct{ member, pause int }
		attempts := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) attempt {
			return attempt{rapid.IntRange(0, 3).Draw(rt, "member"), rapid.IntRange(0, 5000).Draw(rt, "pause")}
		}), 1, 8).Draw(rt, "attempts")
		var problem string
		synctest.Test(t, func(t *testing.T) {
			m := simulateMoves(t, 3, &faults{left: plan})
			var working sync.WaitGroup
			for _, next := range attempts {
				time.Sleep(time.Duration(next.pause) * time.Millisecond)
				working.Go(func() {
					if next.member < len(m.members) {
						_ = m.take(m.members[next.member])
						return
					}
					for _, member := range m.members {
						_, _ = member.Reclaim(context.Background(), theConnection)
					}
				})
			}
			working.Wait()
			_, problem = m.owner()
		})
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

func TestAMoveChangesTheOwnerAndTheEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := simulateMoves(t, 2, &faults{})
		if err := m.take(m.members[1]); err != nil {
			t.Fatal(err)
		}
		if m.settle() != m.members[1] {
			t.Error("the connection has not moved")
		}
		if epoch := m.entry(theConnection).Epoch; epoch != 2 {
			t.Errorf("epoch %d, want 2", epoch)
		}
		m.expectOwner(m.members[0], theConnection, false, m.members[1].Self().Instance)
	})
}

// The news that a move is done can be late: the connection may have moved on by then, and must not be taken for lost.
func TestAnOwnerThatIsNotToldDoesNotActForWhatHasMovedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &faults{}
		m := simulateMoves(t, 3, f)
		f.set([]int{0, 0, 0, 1}) // of the first move only the last step does not arrive
		for _, taker := range m.members[1:] {
			if err := m.take(taker); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // the last step has been tried
		}
		if kept, err := m.members[0].Reclaim(t.Context(), theConnection); kept || err != nil {
			t.Errorf("the first owner believes to have it: %t, %v", kept, err)
		}
		if m.settle() != m.members[2] {
			t.Error("the connection is not at the third")
		}
	})
}

func TestARefusalChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := simulateMoves(t, 2, &faults{})
		m.refuse = Refuse(RefusedBusy, nil)
		err := m.take(m.members[1])
		var refusal *RefusalError
		if !errors.As(err, &refusal) || refusal.Reason != RefusedBusy {
			t.Errorf("got %v", err)
		}
		if m.settle() != m.members[0] || m.entry(theConnection).Epoch != 1 {
			t.Error("something has changed")
		}
	})
}

func TestATakerThatFailsChangesNothing(t *testing.T) {
	for _, step := range []string{"capture", "import"} {
		t.Run(step, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := simulateMoves(t, 2, &faults{})
				m.fail[step] = errors.New("failed")
				if err := m.take(m.members[1]); err == nil {
					t.Error("there is no error")
				}
				if m.settle() != m.members[0] {
					t.Error("the connection has moved")
				}
				m.fail = map[string]error{}
				if err := m.take(m.members[1]); err != nil {
					t.Errorf("the next attempt: %v", err)
				}
			})
		})
	}
}

// A new owner that dies after it got the state leaves the connection to the old one.
func TestTheOwnerKeepsWhatADeadServerDidNotCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := simulateMoves(t, 2, &faults{})
		dead := Peer{Instance: "m_dead", Address: "address"}
		owner := m.members[0]
		for _, step := range []Step{StepPrepare, StepState} {
			reply, err := owner.Answer(t.Context(), MoveRequest{Step: step, ConnectionID: theConnection, Attempt: "1", From: dead})
			if err != nil || reply.Refused != "" {
				t.Fatal(reply, err)
			}
		}
		if m.settle() != owner {
			t.Error("it is another's")
		}
		if epoch := m.entry(theConnection).Epoch; epoch != 2 {
			t.Errorf("epoch %d, want 2: a late commit must not succeed", epoch)
		}
	})
}

// While the directory is away during the commit nobody acts. When it is back the old owner goes on, even if the change was
// made: the new one has given up.
func TestACommitThatStaysUnknownIsTakenBack(t *testing.T) {
	for name, test := range map[string]struct {
		// commit is what becomes of the first attempt to commit, after of the calls when the directory is back.
		commit int
		after  []int
	}{
		"it was not made":                    {1, nil},
		"it was made":                        {2, nil},
		"it was made, and undone unnoticed":  {2, []int{0, 0, 2}},
		"it was made, and is undone at last": {2, []int{0, 0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &faults{}
				m := simulateMoves(t, 2, f)
				plan := []int{0, 0, test.commit} // prepare and state arrive
				for range 5000 {
					plan = append(plan, 1)
				}
				f.set(plan)
				if err := m.take(m.members[1]); err == nil {
					t.Fatal("the move succeeded")
				}
				m.mu.Lock()
				acting := len(m.acts)
				m.mu.Unlock()
				if acting != 0 {
					t.Errorf("%d members act while nobody knows", acting)
				}
				synctest.Wait()
				f.set(test.after)
				if m.settle() != m.members[0] {
					t.Error("the connection is not where its state is")
				}
			})
		})
	}
}

// The latest place where the client is counts: an attempt of another server ends the one before.
func TestALaterAttemptEndsAnEarlierOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := simulateMoves(t, 2, &faults{})
		owner, slow := m.members[0], Peer{Instance: "m_slow", Address: "address"}
		if reply, err := owner.Answer(t.Context(), MoveRequest{Step: StepPrepare, ConnectionID: theConnection, Attempt: "1", From: slow}); err != nil || reply.Refused != "" {
			t.Fatal(reply, err)
		}
		if err := m.take(m.members[1]); err != nil {
			t.Fatal(err)
		}
		reply, err := owner.Answer(t.Context(), MoveRequest{Step: StepState, ConnectionID: theConnection, Attempt: "1", From: slow})
		if err != nil || reply.Refused != RefusedLate {
			t.Errorf("the first goes on: %+v, %v", reply, err)
		}
		if m.settle() != m.members[1] {
			t.Error("the connection is not at the second")
		}
	})
}

// A request that comes twice must not decide that the connection stays, while who has its state from the first one commits.
func TestTheStateIsGivenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := simulateMoves(t, 2, &faults{})
		owner, next := m.members[0], m.members[1]
		for _, step := range []struct {
			step    Step
			refused string
		}{{StepPrepare, ""}, {StepState, ""}, {StepState, RefusedLate}} {
			reply, err := owner.Answer(t.Context(), MoveRequest{Step: step.step, ConnectionID: theConnection, Attempt: "1", From: next.Self()})
			if err != nil || reply.Refused != step.refused {
				t.Errorf("step %d is answered %+v, %v", step.step, reply, err)
			}
		}
		if _, acts := m.acts[owner]; acts {
			t.Error("the owner acts again")
		}
	})
}

// A server that gives a move up says so while the owner, which got tired of waiting too, makes sure of it in the directory.
func TestAMoveThatEndsTwiceDoesNotKeepLaterOnesFromComing(t *testing.T) {
	for name, test := range map[string]struct {
		faults  []int
		asserts bool
	}{
		"the directory has answered": {nil, false},
		"its answer was lost":        {[]int{0, 2}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &faults{}
				m := simulateMoves(t, 2, f)
				owner, request := m.members[0], MoveRequest{
					ConnectionID: theConnection, Attempt: "1", From: Peer{Instance: "m_slow", Address: "address"},
				}
				for _, request.Step = range []Step{StepPrepare, StepState} {
					if reply, err := owner.Answer(t.Context(), request); err != nil || reply.Refused != "" {
						t.Fatal(reply, err)
					}
				}
				request.Step = StepGiveUp
				m.directory.interrupt(func() { _, _ = owner.Answer(t.Context(), request) })
				f.set(test.faults)
				if kept, err := owner.Reclaim(t.Context(), theConnection); !kept || err != nil {
					t.Fatalf("kept: %v, %v", kept, err)
				}
				time.Sleep(2 * commitPause) // it has been found out twice
				m.directory.interrupt(func() {})
				if epoch := m.entry(theConnection).Epoch; epoch != 2 {
					t.Fatalf("epoch %d: the directory was not changed", epoch)
				}
				if test.asserts {
					if _, err := owner.assertAll(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if err := m.take(m.members[1]); err != nil {
					t.Errorf("the next move: %v", err)
				}
				if m.settle() != m.members[1] {
					t.Error("the connection has not moved")
				}
			})
		})
	}
}

// Renewing its entries must not make an owner believe that a connection which is moving was taken from it.
func TestAnOwnerThatAssertsDoesNotLoseWhatMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := simulateMoves(t, 2, &faults{})
		owner, next := m.members[0], m.members[1]
		for _, step := range []Step{StepPrepare, StepState} {
			if reply, err := owner.Answer(t.Context(), MoveRequest{Step: step, ConnectionID: theConnection, Attempt: "1", From: next.Self()}); err != nil || reply.Refused != "" {
				t.Fatal(reply, err)
			}
		}
		owner.OnLost(func(string) { t.Error("the connection was abandoned") })
		committed := Entry{Owner: next.Self(), Epoch: 2}
		if _, err := swap(t.Context(), m.directory, Change{ConnectionID: theConnection, From: m.entry(theConnection), To: committed}); err != nil {
			t.Fatal(err)
		}
		if _, err := owner.assertAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := owner.Answer(t.Context(), MoveRequest{Step: StepDone, ConnectionID: theConnection, Attempt: "1", From: next.Self()}); err != nil {
			t.Fatal(err)
		}
		if owner.Owns(theConnection) {
			t.Error("it is still owned")
		}
	})
}
