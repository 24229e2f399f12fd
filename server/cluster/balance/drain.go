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
	// Deadline is when calls that still run are ended, so that nothing keeps their clients here.
	Deadline time.Duration
	// Alone means that nobody else can take the clients, now or later: a server without Redis. It does not wait for others.
	Alone bool
	// Stays means that the server does not end after the drain: it has no reason to cut who finds no other server.
	Stays bool
}

// Scene is what a server that drains sees. Times count from the beginning of the drain.
type Scene struct {
	Now time.Duration
	// Last is when clients were last sent away. A pause is not made up for: it shall end in no burst.
	Last time.Duration
	// Takers is how many other servers take clients. A server that waits for the first of them has let Waited pass.
	Takers int
	Waited time.Duration
	// Movable are clients to be sent away that nothing holds here now.
	Movable int
	// Ending are clients that begin anew and have not been told yet, Told those that have.
	Ending, Told int
}

// Step is what a server that drains does now.
type Step struct {
	// SendAway is how many clients to send away, Tell how many to tell to begin anew.
	SendAway, Tell int
	// Cut ends calls that still run with an error, and then tells everybody who is left.
	Cut bool
}

// maximumStep is the longest pause that is made up for.
const maximumStep = 200 * time.Millisecond

// Next decides what is done now. It is called many times a second, or as often as the machine allows.
func (g Goodbye) Next(s Scene) Step {
	switch {
	case s.Now >= g.Deadline && (s.Takers > 0 || !g.Stays):
		return Step{SendAway: g.sendAway(s), Tell: s.Ending, Cut: true}
	case s.Now < g.Delay:
		return Step{}
	case g.Alone:
		return Step{Tell: g.tell(s, s.Now-g.Delay)}
	case s.Takers == 0:
		return Step{} // clients that leave now would find nobody
	}
	return Step{SendAway: g.sendAway(s), Tell: g.tell(s, s.Now-max(g.Delay, s.Waited))}
}

// sendAway keeps the rate.
func (g Goodbye) sendAway(s Scene) int {
	rate := float64(g.Rate * s.Takers)
	since := min((s.Now - max(s.Last, g.Delay)).Seconds(), max(maximumStep.Seconds(), 1/rate))
	return min(s.Movable, max(int(rate*since), 0))
}

// tell spreads the goodbyes over the period. The first goes at once and nobody at the very end: a server with few clients
// need not wait.
func (g Goodbye) tell(s Scene, passed time.Duration) int {
	all := s.Ending + s.Told
	due := all
	if passed < g.Period {
		due = 1 + int(float64(passed)/float64(g.Period)*float64(all))
	}
	return min(s.Ending, max(due-s.Told, 0))
}
