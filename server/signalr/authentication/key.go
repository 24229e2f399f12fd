package authentication

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// The algorithms that tokens may be signed with (RFC 7518, section 3.1).
const (
	HS256 = "HS256"
	RS256 = "RS256"
	ES256 = "ES256"
)

// Algorithms returns all algorithms that are known here.
func Algorithms() []string { return []string{HS256, RS256, ES256} }

// The least sizes of keys (RFC 7518, sections 3.2 and 3.3): shorter ones can be guessed.
const (
	minimumSecretSize = 32
	minimumRSABits    = 2048
)

// Key checks signatures. It belongs to one algorithm, so that no token can have a public key used as a secret.
type Key struct {
	algorithm string
	// value is []byte, *rsa.PublicKey or *ecdsa.PublicKey.
	value any
}

// Algorithm is the only algorithm that the key is used with.
func (k Key) Algorithm() string { return k.algorithm }

// String keeps keys out of logs.
func (k Key) String() string { return "key for " + k.algorithm }

// GoString keeps keys out of logs.
func (k Key) GoString() string { return k.String() }

var errPublicSecret = errors.New("is a public key, which cannot be the secret of HS256")

// SecretKey is a key for HS256, shared with those who make tokens; it has 32 bytes or more. What looks like a public
// key is refused: as a secret, anybody who knows it could make tokens.
func SecretKey(secret []byte) (Key, error) {
	if looksPublic(secret) {
		return Key{}, errPublicSecret
	}
	if len(secret) < minimumSecretSize {
		return Key{}, fmt.Errorf("is too short for %s; a secret has %d bytes or more, all of them random", HS256, minimumSecretSize)
	}
	return Key{HS256, append([]byte(nil), secret...)}, nil
}

// looksPublic recognises a public key or certificate in PEM and DER, and in PEM that lost its first and last line.
func looksPublic(secret []byte) bool {
	if strings.Contains(string(secret), pemStart) {
		return true
	}
	if isPublicDER(secret) {
		return true
	}
	stripped := strings.Join(strings.Fields(string(secret)), "")
	decoded, err := base64.StdEncoding.DecodeString(stripped)
	return err == nil && isPublicDER(decoded)
}

func isPublicDER(der []byte) bool {
	for _, kind := range []string{blockPublicKey, blockRSAPublicKey, blockCertificate} {
		if _, err := parseBlock(&pem.Block{Type: kind, Bytes: der}); err == nil {
			return true
		}
	}
	return false
}

// PublicKey is a key for RS256 (*rsa.PublicKey, 2048 bits or more) or ES256 (*ecdsa.PublicKey on P-256).
func PublicKey(public any) (Key, error) {
	switch public := public.(type) {
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < minimumRSABits {
			return Key{}, fmt.Errorf("is an RSA key of %d bits; %s needs %d or more", bits, RS256, minimumRSABits)
		}
		return Key{RS256, public}, nil
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return Key{}, fmt.Errorf("is on the curve %s; %s needs P-256", public.Curve.Params().Name, ES256)
		}
		return Key{ES256, public}, nil
	default:
		return Key{}, fmt.Errorf("is a key of type %T; allowed are RSA keys for %s and P-256 keys for %s", public, RS256, ES256)
	}
}

// Header is what a token says about the key that it was signed with. Nobody has checked it: it may only choose among
// keys that are trusted anyway.
type Header struct {
	Algorithm string
	// KeyID is the name of the key ("kid"), "" if the token does not say.
	KeyID string
}

// KeyLookup finds the keys that a token may be signed with; no key means that the token is not known here. Those for
// other algorithms are ignored. An error says that nobody can tell now, for instance because a key set cannot be
// fetched: the client is asked to try again later. It is called concurrently, with every token.
type KeyLookup func(ctx context.Context, header Header) ([]Key, error)

// fixed is the lookup of keys that are always the same. Names do not matter: all keys are tried.
func fixed(keys []Key) KeyLookup {
	return func(context.Context, Header) ([]Key, error) { return keys, nil }
}

// The kinds of PEM blocks that are read.
const (
	blockPublicKey    = "PUBLIC KEY"
	blockRSAPublicKey = "RSA PUBLIC KEY"
	blockCertificate  = "CERTIFICATE"
	pemStart          = "-----BEGIN "
)

func parseBlock(block *pem.Block) (any, error) {
	switch block.Type {
	case blockPublicKey:
		return x509.ParsePKIXPublicKey(block.Bytes)
	case blockRSAPublicKey:
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case blockCertificate:
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return certificate.PublicKey, nil
	}
	if strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return nil, errors.New("it is a private key, which only the issuer of tokens may have; `openssl pkey -in FILE -pubout` prints its public key")
	}
	return nil, fmt.Errorf("allowed are %s, %s and %s", blockPublicKey, blockRSAPublicKey, blockCertificate)
}
