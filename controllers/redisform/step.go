package redisform

import (
	"fmt"
	"strings"
)

// Action is what a Step does.
type Action string

// The actions. Of a Step's fields they use those named here, beside Member.
const (
	// Promote makes a server a primary that accepts writes.
	Promote Action = "Promote"
	// Follow makes a server a replica of Target.
	Follow Action = "Follow"
	// Elect lets Sentinels choose a replica, or not any more: Value is its priority.
	Elect Action = "Elect"
	// Watch makes a Sentinel watch Target as Name, with Quorum.
	Watch Action = "Watch"
	// Unwatch makes a Sentinel forget the primary called Name.
	Unwatch Action = "Unwatch"
	// Tune changes an option of what a Sentinel watches as Name: Key and Value.
	Tune Action = "Tune"
	// Refresh makes a Sentinel forget replicas and Sentinels of Name, and find again those there are.
	Refresh Action = "Refresh"
	// FailOver makes a Sentinel replace the primary of Name by a replica, at once: the primary is not one any more.
	FailOver Action = "FailOver"
	// Switch hands over from the primary Member to a replica without losing a write, by the Sentinel Target.
	Switch Action = "Switch"

	// Meet makes a node of a Cluster know the node Target.
	Meet Action = "Meet"
	// Number gives a node that knows no other its first epoch, Value.
	Number Action = "Number"
	// Assign gives a node Slots that nobody has.
	Assign Action = "Assign"
	// Replicate makes a node a replica of the node with the ID Target.
	Replicate Action = "Replicate"
	// Forget makes a node forget the one with the ID Target.
	Forget Action = "Forget"
	// TakeOver makes a replica the primary of its shard. Value is how: Coordinated, Forced or Unasked.
	TakeOver Action = "TakeOver"

	// Set changes the directive Key of a server to Value.
	Set Action = "Set"
	// Admit lets User log in with the wanted passwords too. Dismiss lets it with these only.
	Admit   Action = "Admit"
	Dismiss Action = "Dismiss"
	// Identify makes a member use the wanted password towards others.
	Identify Action = "Identify"
	// Certify makes a server read its certificate again.
	Certify Action = "Certify"
)

// How a replica takes over.
const (
	// Coordinated: with its primary, which loses nothing.
	Coordinated = "Coordinated"
	// Forced: without its primary, if most primaries agree.
	Forced = "Forced"
	// Unasked: without its primary and without asking, because most primaries are gone.
	Unasked = "Unasked"
)

// Step is one thing to do to one member.
type Step struct {
	Action Action
	// Member is the name of the one to do it to.
	Member string
	// Target is the other one that takes part: the name of a member, or the ID of a node of a Cluster.
	Target     string
	Name       string
	Quorum     int
	Key, Value string
	User       string
	Slots      SlotRange
	// Why is for events and logs; empty if the step says it all.
	Why string
}

// String is the step in one line, as logs and traces have it.
func (s Step) String() string {
	words := []string{string(s.Action), s.Member}
	add := func(text string) {
		if text != "" {
			words = append(words, text)
		}
	}
	add(s.Target)
	add(s.User)
	add(s.Key)
	add(s.Value)
	if s.Slots != (SlotRange{}) {
		add(fmt.Sprintf("%d-%d", s.Slots.First, s.Slots.Last))
	}
	return strings.Join(words, " ")
}
