// Package cluster lets several hub servers act as one: connection tokens that every server recognises, ownership of
// connections, and what servers tell each other.
package cluster

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"sync"
	"sync/atomic"
	"time"
)

// MinimumKeySize is the number of bytes that a cluster key must have at least.
const MinimumKeySize = 32

// MaximumClockSkew is how far the clocks of two servers may be apart: a token from further in the future is refused,
// because its age, which limits how long it can be claimed, would mean nothing.
const MaximumClockSkew = time.Minute

// ErrInvalidToken is the error of every token that was not issued by this cluster for this hub. It is the same for all
// reasons, so that nobody learns from it how close a guess was.
var ErrInvalidToken = errors.New("invalid connection token")

// Claims are what a connection token says about its connection.
type Claims struct {
	// Hub is the name of the hub. It is not in the token but is proven by it: a token of one hub is no token of
	// another.
	Hub string
	// ConnectionID is the public id. Empty in Issue: the connection has no other id than its token (negotiation
	// version 0); Verify then returns the token itself here.
	ConnectionID string
	// IssuedAt tells the age of the token, in milliseconds. How old an unused one may be is the caller's decision.
	IssuedAt time.Time
	// Stateful tells that stateful reconnect was negotiated.
	Stateful bool
	// Version is the negotiation version, 0 or 1 (TransportProtocols.md); up to 255 can be kept.
	Version int
}

// A token is the base64url form of: format, flags, version, time of issue (6 bytes, milliseconds), connection id,
// secret, proof. The secret is random, so that even the key and all public facts together do not give the token of a
// connection: a server that remembers the token which opened a connection can insist on that one.
const (
	tokenFormat  = 1
	flagStateful = 1
	headerSize   = 9
	secretSize   = 16
	proofSize    = 16
	minimumToken = headerSize + secretSize + proofSize
	maximumToken = 256
)

// keyPurpose separates these proofs from everything else that the cluster key is used for.
const keyPurpose = "chatcluster connection token 1"

var tokenEncoding = base64.RawURLEncoding.Strict() //nolint:gochecknoglobals // a constant

// Keys issue and verify connection tokens, and prove servers to each other. They are safe for concurrent use, also with
// Replace.
type Keys struct {
	set atomic.Pointer[keySet]
}

// keySet is what is derived from the keys, in their order: the first one issues.
type keySet struct {
	provers    []*prover
	identities []*identity
}

func (k *Keys) current() *keySet { return k.set.Load() }

// NewKeys makes tokens with the current key and accepts those made with the current or any other key, previous or
// next. All keys need at least MinimumKeySize bytes. To change the key of a running cluster without losing a
// connection, let all servers accept the new key before one makes it current, and keep the old one as long as its
// connections live.
func NewKeys(current []byte, others ...[]byte) (*Keys, error) {
	keys := &Keys{}
	if err := keys.Replace(current, others...); err != nil {
		return nil, err
	}
	return keys, nil
}

// Replace changes the keys as if they had been given to NewKeys. On an error the keys stay as they are.
func (k *Keys) Replace(current []byte, others ...[]byte) error {
	set := &keySet{}
	for _, key := range append([][]byte{current}, others...) {
		prover, err := newProver(key)
		if err != nil {
			return err
		}
		identity, err := newIdentity(key)
		if err != nil {
			return err
		}
		set.provers = append(set.provers, prover)
		set.identities = append(set.identities, identity)
	}
	k.set.Store(set)
	return nil
}

// Issue returns a token for these claims: 84 characters for an id of 22 characters, 55 without an id. No two are
// equal, even for equal claims.
func (k *Keys) Issue(claims Claims) string {
	var secret [secretSize]byte
	_, _ = rand.Read(secret[:])
	return k.issue(claims, secret)
}

func (k *Keys) issue(claims Claims, secret [secretSize]byte) string {
	body := make([]byte, headerSize, 2*minimumToken)
	body[0], body[2] = tokenFormat, byte(claims.Version)
	if claims.Stateful {
		body[1] = flagStateful
	}
	putMilliseconds(body[3:headerSize], claims.IssuedAt)
	body = append(body, claims.ConnectionID...)
	body = append(body, secret[:]...)
	proof := k.current().provers[0].proof(claims.Hub, body)
	return tokenEncoding.EncodeToString(append(body, proof[:proofSize]...))
}

// Verify returns the claims of a token of this hub. Every failure is ErrInvalidToken.
func (k *Keys) Verify(hub, token string, now time.Time) (Claims, error) {
	var room [maximumToken]byte
	size := tokenEncoding.DecodedLen(len(token))
	if size < minimumToken || size > maximumToken {
		return Claims{}, ErrInvalidToken
	}
	// The decoder skips line breaks. A token with some would be a second spelling of a true one, and tokens are
	// compared as text.
	if n, err := tokenEncoding.Decode(room[:], []byte(token)); err != nil || tokenEncoding.EncodedLen(n) != len(token) {
		return Claims{}, ErrInvalidToken
	}
	body, proof := room[:size-proofSize], room[size-proofSize:size]
	if !k.proves(hub, body, proof) || body[0] != tokenFormat || body[1]&^flagStateful != 0 {
		return Claims{}, ErrInvalidToken
	}
	claims := Claims{
		Hub:          hub,
		ConnectionID: string(body[headerSize : len(body)-secretSize]),
		IssuedAt:     milliseconds(body[3:headerSize]),
		Stateful:     body[1]&flagStateful != 0,
		Version:      int(body[2]),
	}
	if claims.ConnectionID == "" {
		claims.ConnectionID = token
	}
	if claims.IssuedAt.After(now.Add(MaximumClockSkew)) {
		return Claims{}, ErrInvalidToken
	}
	return claims, nil
}

func (k *Keys) proves(hub string, body, proof []byte) bool {
	for _, prover := range k.current().provers {
		if want := prover.proof(hub, body); hmac.Equal(proof, want[:proofSize]) {
			return true
		}
	}
	return false
}

func putMilliseconds(field []byte, at time.Time) {
	value := uint64(max(at.UnixMilli(), 0))
	binary.BigEndian.PutUint16(field, uint16(value>>32))
	binary.BigEndian.PutUint32(field[2:], uint32(value))
}

func milliseconds(field []byte) time.Time {
	value := uint64(binary.BigEndian.Uint16(field))<<32 | uint64(binary.BigEndian.Uint32(field[2:]))
	return time.UnixMilli(int64(value))
}

// prover computes proofs with one key. Keyed hashes are kept for reuse: setting one up costs more than a proof.
type prover struct {
	hashes sync.Pool // of hash.Hash
}

func newProver(key []byte) (*prover, error) {
	if len(key) < MinimumKeySize {
		return nil, fmt.Errorf("cluster key has %d bytes: it needs %d or more", len(key), MinimumKeySize)
	}
	derived, err := hkdf.Key(sha256.New, key, nil, keyPurpose, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the token key: %w", err)
	}
	return &prover{hashes: sync.Pool{New: func() any { return hmac.New(sha256.New, derived) }}}, nil
}

// proof covers the length of the hub's name too: without it, bytes could change sides between name and body.
func (p *prover) proof(hub string, body []byte) [sha256.Size]byte {
	keyed := p.hashes.Get().(hash.Hash)
	defer p.hashes.Put(keyed)
	keyed.Reset()
	var buffer [4 + 2*maximumToken + sha256.Size]byte
	input := binary.BigEndian.AppendUint32(buffer[:0], uint32(len(hub)))
	input = append(input, hub...)
	input = append(input, body...)
	_, _ = keyed.Write(input) // hashes never fail
	var sum [sha256.Size]byte
	copy(sum[:], keyed.Sum(input[:0]))
	return sum
}
