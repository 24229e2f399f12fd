package transport

import "time"

// Claims is what a connection token says of the connection that it was made for.
type Claims struct {
	// ConnectionID is the public id. Empty in Issue: the token is the id (version 0); Verify then returns the token here.
	ConnectionID string
	IssuedAt     time.Time
	// Version is the version of the negotiation: 0 or 1.
	Version int
	// Stateful is set when stateful reconnect was granted.
	Stateful bool
}

// Tokens makes connection tokens that any server with the same key can check without asking anyone.
type Tokens interface {
	// Issue returns a token for a connection of the named hub.
	Issue(hub string, claims Claims) string
	// Verify returns what a token says; false if it was not issued for the named hub with a valid key.
	Verify(hub, token string, now time.Time) (Claims, bool)
}
