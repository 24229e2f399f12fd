// Package rotation decides how a secret that many read is exchanged while they run. It is pure: it is given the state,
// the time and what is known, and returns the next state.
//
// A new secret is first made known as another one that is good, then it becomes the one that is used, and once nobody can
// use the old one any more, that is forgotten. At no time is there anyone who uses what others do not accept.
package rotation

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"time"
)

// Stage is where an exchange is.
type Stage string

// The stages in their order.
const (
	// Settled: there is one secret.
	Settled Stage = ""
	// Introducing: Other is the next secret. All are told to accept it; nobody uses it yet.
	Introducing Stage = "Introducing"
	// Retiring: Other is the last secret. Those who have not heard of the change still use it.
	Retiring Stage = "Retiring"
)

// Secret is a secret that can be exchanged.
type Secret struct {
	// Current is the one to use; empty before there is any.
	Current string
	// Other is accepted too; empty if there is none.
	Other string
	Stage Stage
	// Since is when the stage began.
	Since time.Time
	// Answered is the request that the last exchange answered. Each new one that is not empty begins an exchange.
	Answered string
	// Lineage is the same as long as secrets follow each other. A new one means that the old ones were lost.
	Lineage string
}

// Accepted returns all secrets that are good now.
func (s Secret) Accepted() []string {
	if s.Other == "" {
		return []string{s.Current}
	}
	return []string{s.Current, s.Other}
}

// Announce returns the secrets that all who accept them must be told now, or nil if they know. What it returned, Next is to
// be told as known.
func (r Rules) Announce(state Secret, now time.Time) []string {
	switch {
	case state.Stage == Introducing:
		return state.Accepted()
	case state.Stage == Retiring && now.Sub(state.Since) >= r.RetireFor:
		return []string{state.Current}
	}
	return nil
}

// Rules are how a secret is exchanged.
type Rules struct {
	// Generate makes a new secret. Default: Random.
	Generate func() string
	// IntroduceFor is how long a new secret is only accepted. 0 is until it is known.
	IntroduceFor time.Duration
	// RetireFor is how long the old one still is.
	RetireFor time.Duration
	// HeardWithin is how long it takes at most until one who listens has heard of a change.
	HeardWithin time.Duration
}

// Missed tells whether one of those who listened until the given times may have missed that the present stage began. As long
// as they work, they accept and use what was good before it: the next stage has to wait for their end.
func (r Rules) Missed(state Secret, until []time.Time) bool {
	if state.Stage == Settled {
		return false
	}
	heard := state.Since.Add(r.HeardWithin)
	return slices.ContainsFunc(until, func(last time.Time) bool { return last.Before(heard) })
}

// Next returns the state that follows: what was asked for by request, at now, with known telling whether all know what was
// to be announced. It also returns when to ask again, or 0 if nothing will change by time.
func (r Rules) Next(state Secret, request string, known bool, now time.Time) (next Secret, again time.Duration) {
	switch {
	case state.Current == "":
		return Secret{Current: r.generate(), Answered: request, Lineage: r.generate()[:lineageLength]}, 0
	case state.Lineage == "":
		state.Lineage = r.generate()[:lineageLength]
		return state, 0
	case state.Stage == Introducing:
		return r.introducing(state, known, now)
	case state.Stage == Retiring:
		return r.retiring(state, known, now)
	case request != "" && request != state.Answered:
		state.Other, state.Stage, state.Since, state.Answered = r.generate(), Introducing, now, request
		return state, r.IntroduceFor
	}
	state.Other, state.Stage = "", Settled
	return state, 0
}

func (r Rules) introducing(state Secret, known bool, now time.Time) (Secret, time.Duration) {
	if state.Other == "" { // somebody removed it
		state.Stage = Settled
		return state, 0
	}
	if left := r.IntroduceFor - now.Sub(state.Since); left > 0 {
		return state, left
	}
	if !known {
		return state, askAgain
	}
	state.Current, state.Other, state.Stage, state.Since = state.Other, state.Current, Retiring, now
	return state, r.RetireFor
}

func (r Rules) retiring(state Secret, known bool, now time.Time) (Secret, time.Duration) {
	if left := r.RetireFor - now.Sub(state.Since); left > 0 {
		return state, left
	}
	if !known {
		return state, askAgain
	}
	state.Other, state.Stage, state.Since = "", Settled, time.Time{}
	return state, 0
}

const (
	askAgain      = 5 * time.Second
	lineageLength = 8
)

func (r Rules) generate() string {
	if r.Generate != nil {
		return r.Generate()
	}
	return Random()
}

// Random returns 256 random bits as 64 hexadecimal digits, which need no quoting anywhere.
func Random() string {
	var bits [32]byte
	_, _ = rand.Read(bits[:]) // it never fails
	return hex.EncodeToString(bits[:])
}
