package authentication

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Verifier turns a token into a principal.
type Verifier interface {
	// Verify returns a *TokenError if the token is refused, and another error if nobody can tell now.
	Verify(ctx context.Context, token string) (*Principal, error)
}

// JWTOptions are the settings of a JWT. Its zero value has no key and so is not valid.
type JWTOptions struct {
	// Keys are the keys that tokens may be signed with. All that fit the token's algorithm are tried.
	Keys []Key
	// Lookup finds the keys of a token instead; then Algorithms is required and Keys must be empty.
	Lookup KeyLookup
	// Algorithms are those that are accepted, some of HS256, RS256 and ES256. Default: those of Keys.
	Algorithms []string
	// Issuer must be the token's "iss". Default: any.
	Issuer string
	// Audiences must have one in common with the token's "aud". Default: any.
	Audiences []string
	// ClockSkew is how far the clock of who made the token may be off: the token begins that much earlier and ends that
	// much later. Default 0.
	ClockSkew time.Duration
	// UserClaim is the claim that names the user, without which a token is refused. Default: the first that is there of
	// "sub", "nameid" and ASP.NET Core's name identifier, and a token that has none names nobody.
	UserClaim string
	// MaximumSize bounds a token in bytes. Default 16 KiB.
	MaximumSize int
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// JWT checks JSON Web Tokens (RFC 7519). A token needs a signature by a known key and an expiry that has not passed. It
// is safe for concurrent use.
type JWT struct {
	options    JWTOptions
	userClaims []string
	parser     *jwt.Parser
}

const defaultMaximumSize = 16 << 10

// The claims that name the user where UserClaim does not say otherwise.
const (
	claimSubject        = "sub"
	claimShortName      = "nameid"
	claimNameIdentifier = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"
)

// NewJWT returns a verifier, or what is wrong with the options.
func NewJWT(options JWTOptions) (*JWT, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	if options.Lookup == nil {
		options.Lookup = fixed(slices.Clone(options.Keys))
	}
	if options.MaximumSize == 0 {
		options.MaximumSize = defaultMaximumSize
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	result := &JWT{options: options, userClaims: []string{claimSubject, claimShortName, claimNameIdentifier}}
	if options.UserClaim != "" {
		result.userClaims = []string{options.UserClaim}
	}
	result.parser = options.parser()
	return result, nil
}

// check also fills in Algorithms.
func (o *JWTOptions) check() error {
	for _, algorithm := range o.Algorithms {
		if !slices.Contains(Algorithms(), algorithm) {
			return fmt.Errorf("algorithm %q is unknown; allowed are %s", algorithm, strings.Join(Algorithms(), ", "))
		}
	}
	switch {
	case o.ClockSkew < 0:
		return errors.New("clock skew is negative")
	case o.Lookup == nil:
		return o.checkKeys()
	case len(o.Keys) > 0:
		return errors.New("both keys and a lookup of keys are given")
	case len(o.Algorithms) == 0:
		return errors.New("a lookup of keys needs algorithms")
	}
	return nil
}

// checkKeys finds keys that no token can use and algorithms that no key fits: neither was meant.
func (o *JWTOptions) checkKeys() error {
	if len(o.Keys) == 0 {
		return errors.New("there is no key")
	}
	var possible []string
	for _, key := range o.Keys {
		if len(o.Algorithms) > 0 && !slices.Contains(o.Algorithms, key.algorithm) {
			return fmt.Errorf("there is a key for %s, which is not among the allowed algorithms %s", key.algorithm, strings.Join(o.Algorithms, ", "))
		}
		if !slices.Contains(possible, key.algorithm) {
			possible = append(possible, key.algorithm)
		}
	}
	for _, algorithm := range o.Algorithms {
		if !slices.Contains(possible, algorithm) {
			return fmt.Errorf("algorithm %s is allowed, but there is no key for it", algorithm)
		}
	}
	o.Algorithms = possible
	return nil
}

func (o *JWTOptions) parser() *jwt.Parser {
	settings := []jwt.ParserOption{
		jwt.WithValidMethods(o.Algorithms), jwt.WithExpirationRequired(), jwt.WithStrictDecoding(), jwt.WithJSONNumber(),
		jwt.WithLeeway(o.ClockSkew), jwt.WithTimeFunc(o.Now),
	}
	if o.Issuer != "" {
		settings = append(settings, jwt.WithIssuer(o.Issuer))
	}
	if len(o.Audiences) > 0 {
		settings = append(settings, jwt.WithAudience(o.Audiences...))
	}
	return jwt.NewParser(settings...)
}

// errLookup marks the errors of a KeyLookup.
var errLookup = errors.New("find the keys of a token")

// Verify implements Verifier.
func (j *JWT) Verify(ctx context.Context, text string) (*Principal, error) {
	if len(text) > j.options.MaximumSize {
		return nil, &TokenError{}
	}
	claims := jwt.MapClaims{}
	token, err := j.parser.ParseWithClaims(text, claims, func(token *jwt.Token) (any, error) { return j.keys(ctx, token) })
	if errors.Is(err, errLookup) {
		return nil, err
	}
	if err == nil {
		err = checkDates(claims)
	}
	if err != nil {
		return nil, j.refusal(err, token, claims)
	}
	expires, err := claims.GetExpirationTime()
	if err != nil {
		return nil, &TokenError{}
	}
	principal := &Principal{ID: j.user(Claims(claims)), Claims: Claims(claims), ExpiresAt: expires.Add(j.options.ClockSkew)}
	if principal.ID == "" && j.options.UserClaim != "" {
		return nil, &TokenError{"The token has no claim '" + quotable(j.options.UserClaim) + "'"}
	}
	principal.Issuer, _ = claims["iss"].(string)
	return principal, nil
}

// keys returns those that may have signed the token. Its algorithm is one of the allowed ones.
func (j *JWT) keys(ctx context.Context, token *jwt.Token) (any, error) {
	if _, critical := token.Header["crit"]; critical {
		return nil, errors.New("the token has critical headers") // none is known here, so RFC 7515, section 4.1.11, has it refused
	}
	header := Header{Algorithm: token.Method.Alg()}
	header.KeyID, _ = token.Header["kid"].(string)
	found, err := j.options.Lookup(ctx, header)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLookup, err)
	}
	var fitting jwt.VerificationKeySet
	for _, key := range found {
		if key.algorithm == header.Algorithm {
			fitting.Keys = append(fitting.Keys, key.value)
		}
	}
	return fitting, nil
}

func (j *JWT) user(claims Claims) string {
	for _, name := range j.userClaims {
		if id := claims.Value(name); id != "" {
			return id
		}
	}
	return ""
}

// latest is the number of seconds beyond which a date does not fit into a time.Time.
const latest = 1e17

// checkDates refuses dates whose conversion would overflow and turn them into others.
func checkDates(claims jwt.MapClaims) error {
	for _, name := range []string{"exp", "nbf", "iat"} {
		number, ok := claims[name].(json.Number)
		if !ok {
			continue
		}
		if seconds, err := number.Float64(); err != nil || seconds > latest || seconds < -latest {
			return jwt.ErrInvalidType
		}
	}
	return nil
}
