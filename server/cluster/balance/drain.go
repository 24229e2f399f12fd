package balance

import "time"

// Goodbye is how a server that drains lets its clients go. Clients with stateful reconnect are sent away: they come back
// elsewhere at once and go on. All others are told to begin anew.
type Goodbye struct {
	// Delay is how long all is served as before, until load balancers have noticed that the server is not ready.
	Delay time.Duration
	// Period is over how long then the clients that begin anew are told to; 0 is all at once.
	Period time.Duration
	// Rate is how many clients are sent away per second and server that takes them.
	Rate int
	// Patience is how long after Delay the server waits for another one that takes its clients. Then it tells all of them
	// that they shall begin anew.
	Patience time.Duration
	// Deadline is when all who are still here are told to begin anew, those for whom a call or a stream runs among them: it
	// fails.
	Deadline time.Duration
	// Stays means that the server does not end after the drain: it has no reason to end clients that no other server takes.
	Stays bool
}

// Scene is what a server that drains sees. Times count from the beginning of the drain.
type Scene struct {
	Now time.Duration
	// Last is when clients were last sent away. A pause is not made up for: it shall end in no burst.
	Last time.Duration
	// Takers is how many other servers take clients, Waited when there was the first of them.
	Takers int
	Waited time.Duration
	// Stateful are the clients that can be sent away, Movable those of them that can be now.
	Stateful, Movable int
	// Stateless are all others that have not been told to begin anew, Told is how many clients have been.
	Stateless, Told int
}

// Step is what a server that drains does now.
type Step struct {
	// SendAway is how many clients to send away.
	SendAway int
	// Tell is how many clients to tell to begin anew; TellAll makes no difference between those that could be sent away and
	// others.
	Tell    int
	TellAll bool
}

// Next decides what is done now. It is called many times a second, or as often as the machine allows.
func (g Goodbye) Next(s Scene) Step {
	switch {
	case s.Now >= g.Deadline && !g.Stays:
		return Step{Tell: s.Stateful + s.Stateless, TellAll: true}
	case s.Now >= g.Deadline && s.Takers > 0:
		return Step{SendAway: g.sendAway(s), Tell: s.Stateless}
	case s.Now < g.Delay:
		return Step{}
	case s.Takers > 0:
		return Step{SendAway: g.sendAway(s), Tell: g.tell(s.Stateless, s.Told, s.Now-max(g.Delay, s.Waited))}
	case s.Now < g.Delay+g.Patience || g.Stays:
		return Step{} // clients that leave now would find nobody
	}
	return Step{Tell: g.tell(s.Stateful+s.Stateless, s.Told, s.Now-g.Delay-g.Patience), TellAll: true}
}

// maximumStep is the longest pause that is made up for.
const maximumStep = 200 * time.Millisecond

// sendAway keeps the rate.
func (g Goodbye) sendAway(s Scene) int {
	rate := float64(g.Rate * s.Takers)
	since := min((s.Now - max(s.Last, g.Delay)).Seconds(), max(maximumStep.Seconds(), 1/rate))
	return min(s.Movable, max(int(rate*since), 0))
}

// tell spreads the goodbyes over the period. The first goes at once and nobody at the very end: a server with few clients
// need not wait.
func (g Goodbye) tell(left, told int, passed time.Duration) int {
	all := left + told
	due := all
	if passed < g.Period {
		due = 1 + int(float64(passed)/float64(g.Period)*float64(all))
	}
	return min(left, max(due-told, 0))
}
