package signalr

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// newKeys returns keys for a server that shares them with nobody.
func newKeys() (*cluster.Keys, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails: see crypto/rand
	keys, err := cluster.NewKeys(key)
	if err != nil {
		return nil, fmt.Errorf("make a key for connection tokens: %w", err)
	}
	return keys, nil
}

// tokens are the cluster's connection tokens as the transports want them.
type tokens struct{ keys *cluster.Keys }

// Issue implements transport.Tokens.
func (t tokens) Issue(hub string, claims transport.Claims) string {
	return t.keys.Issue(cluster.Claims{
		Hub:          hub,
		ConnectionID: claims.ConnectionID,
		IssuedAt:     claims.IssuedAt,
		Stateful:     claims.Stateful,
		Version:      claims.Version,
	})
}

// Verify implements transport.Tokens.
func (t tokens) Verify(hub, token string, now time.Time) (transport.Claims, bool) {
	claims, err := t.keys.Verify(hub, token, now)
	if err != nil {
		return transport.Claims{}, false
	}
	return transport.Claims{
		ConnectionID: claims.ConnectionID,
		IssuedAt:     claims.IssuedAt,
		Stateful:     claims.Stateful,
		Version:      claims.Version,
	}, true
}
