package authentication

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const testSecret = "a key for tests only, of 32 bytes or more"

// testTime is the time of all tests.
var testTime = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func testNow() time.Time { return testTime }

// private keys of the tests, made once: making them takes a while.
var (
	rsaKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, minimumRSABits)) })
	ecKey  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func publicPEM(public any) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockPublicKey, Bytes: must(x509.MarshalPKIXPublicKey(public))})
}

// in is a time of a token: so many seconds from now.
func in(seconds int) *jwt.NumericDate {
	return jwt.NewNumericDate(testTime.Add(time.Duration(seconds) * time.Second))
}

func sign(t testing.TB, method jwt.SigningMethod, key any, claims jwt.Claims, headers ...string) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	for i := 0; i < len(headers); i += 2 {
		token.Header[headers[i]] = headers[i+1]
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func signed(t testing.TB, claims jwt.MapClaims) string {
	t.Helper()
	return sign(t, jwt.SigningMethodHS256, []byte(testSecret), claims)
}

func newJWT(t testing.TB, options JWTOptions) *JWT {
	t.Helper()
	if options.Keys == nil && options.Lookup == nil {
		options.Keys = []Key{must(SecretKey([]byte(testSecret)))}
	}
	if options.Now == nil {
		options.Now = testNow
	}
	result, err := NewJWT(options)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// raw is a token made of JSON texts and signed with the secret.
func raw(header, claims string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	signature := must(jwt.SigningMethodHS256.Sign(text, []byte(testSecret)))
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

const headerHS256 = `{"alg":"HS256","typ":"JWT"}`

func TestGoodTokensNameTheirUser(t *testing.T) {
	secret := must(SecretKey([]byte(testSecret)))
	allKeys := []Key{must(SecretKey([]byte(strings.Repeat("another ", 5)))), secret, must(PublicKey(&rsaKey().PublicKey)), must(PublicKey(&ecKey().PublicKey))}
	for _, test := range []struct {
		name, token, id string
		options         JWTOptions
	}{
		{name: "HS256", token: signed(t, jwt.MapClaims{"sub": "ann", "exp": in(1)}), id: "ann"},
		{name: "RS256", token: sign(t, jwt.SigningMethodRS256, rsaKey(), jwt.MapClaims{"sub": "ann", "exp": in(1)}), id: "ann", options: JWTOptions{Keys: allKeys}},
		{name: "ES256", token: sign(t, jwt.SigningMethodES256, ecKey(), jwt.MapClaims{"sub": "ann", "exp": in(1)}), id: "ann", options: JWTOptions{Keys: allKeys}},
		{name: "the second of two secrets", token: signed(t, jwt.MapClaims{"sub": "ann", "exp": in(1)}), id: "ann", options: JWTOptions{Keys: allKeys}},
		{name: "a key id that nobody knows", token: sign(t, jwt.SigningMethodHS256, []byte(testSecret), jwt.MapClaims{"sub": "ann", "exp": in(1)}, "kid", "x"), id: "ann"},
		{name: "begins now", token: signed(t, jwt.MapClaims{"sub": "ann", "nbf": in(0), "exp": in(1)}), id: "ann"},
		{name: "a clock that is behind", token: signed(t, jwt.MapClaims{"sub": "ann", "nbf": in(5), "exp": in(9)}), id: "ann", options: JWTOptions{ClockSkew: 5 * time.Second}},
		{name: "a clock that is ahead", token: signed(t, jwt.MapClaims{"sub": "ann", "exp": in(-4)}), id: "ann", options: JWTOptions{ClockSkew: 5 * time.Second}},
		{name: "a fraction of a second", token: raw(headerHS256, `{"sub":"ann","exp":1772600768.5}`), id: "ann"},
		{name: "an expiry in millions of years", token: raw(headerHS256, `{"sub":"ann","exp":99999999999999999}`), id: "ann"},
		{name: "no subject", token: signed(t, jwt.MapClaims{"exp": in(1)})},
		{name: "an empty subject", token: signed(t, jwt.MapClaims{"sub": "", "exp": in(1)})},
		{name: "a number as subject", token: signed(t, jwt.MapClaims{"sub": 9007199254740993, "exp": in(1)}), id: "9007199254740993"},
		{name: "the short name of .NET", token: signed(t, jwt.MapClaims{"nameid": "neo", "exp": in(1)}), id: "neo"},
		{name: "the long name of .NET", token: signed(t, jwt.MapClaims{claimNameIdentifier: "neo", "exp": in(1)}), id: "neo"},
		{name: "another claim", token: signed(t, jwt.MapClaims{"sub": "1", "email": "a@b", "exp": in(1)}), id: "a@b", options: JWTOptions{UserClaim: "email"}},
		{name: "the issuer", token: signed(t, jwt.MapClaims{"sub": "ann", "iss": "us", "exp": in(1)}), id: "ann", options: JWTOptions{Issuer: "us"}},
		{name: "one audience of several", token: signed(t, jwt.MapClaims{"sub": "ann", "aud": []string{"x", "b"}, "exp": in(1)}), id: "ann", options: JWTOptions{Audiences: []string{"a", "b"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			principal, err := newJWT(t, test.options).Verify(t.Context(), test.token)
			if err != nil {
				t.Fatal(err)
			}
			if principal.ID != test.id {
				t.Errorf("the user is %q, want %q", principal.ID, test.id)
			}
			if principal.Expires().Before(testTime) {
				t.Errorf("it expires at %v, which has passed", principal.Expires())
			}
		})
	}
}

func TestBadTokensAreRefused(t *testing.T) {
	type options = JWTOptions
	publicAsSecret := sign(t, jwt.SigningMethodHS256, publicPEM(&rsaKey().PublicKey), jwt.MapClaims{"sub": "ann", "exp": in(1)})
	rsaOnly := options{Keys: []Key{must(PublicKey(&rsaKey().PublicKey))}}
	good := signed(t, jwt.MapClaims{"sub": "ann", "exp": in(1)})
	parts := strings.Split(good, ".")
	const notFound, invalid = "The signature key was not found", "The signature is invalid"
	for _, test := range []struct {
		name, token, description string
		options                  options
	}{
		{"expired", signed(t, jwt.MapClaims{"exp": in(-1)}), "The token expired at '03/04/2026 05:06:06'", options{}},
		{"expires now", signed(t, jwt.MapClaims{"exp": in(0)}), "The token expired at '03/04/2026 05:06:07'", options{}},
		{"expired in spite of the skew", signed(t, jwt.MapClaims{"exp": in(-5)}), "The token expired at '03/04/2026 05:06:02'", options{ClockSkew: 5 * time.Second}},
		{"not yet", signed(t, jwt.MapClaims{"nbf": in(1), "exp": in(9)}), "The token is not valid before '03/04/2026 05:06:08'", options{}},
		{"ends before it begins", signed(t, jwt.MapClaims{"nbf": in(9), "exp": in(1)}), "The token lifetime is invalid; NotBefore: '03/04/2026 05:06:16', Expires: '03/04/2026 05:06:08'", options{}},
		{"no expiry", signed(t, jwt.MapClaims{"sub": "ann"}), "The token has no expiration", options{}},
		{"an expiry of zero", raw(headerHS256, `{"exp":0}`), "The token expired at '01/01/1970 00:00:00'", options{}},
		{"an expiry that is no number", signed(t, jwt.MapClaims{"exp": "soon"}), "", options{}},
		{"an expiry of null", raw(headerHS256, `{"exp":null}`), "", options{}},
		{"an expiry out of this world", raw(headerHS256, `{"exp":1e300}`), "", options{}},
		{"a beginning out of this world", raw(headerHS256, `{"exp":1772600799,"nbf":1e400}`), "", options{}},
		{"a wrong secret", sign(t, jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), jwt.MapClaims{"exp": in(1)}), notFound, options{}},
		{"a wrong key", sign(t, jwt.SigningMethodRS256, must(rsa.GenerateKey(rand.Reader, 2048)), jwt.MapClaims{"exp": in(1)}), notFound, rsaOnly},
		{"no algorithm", raw(`{"typ":"JWT"}`, `{"exp":1772600799}`), notFound, options{}},
		{"algorithm none", sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, jwt.MapClaims{"exp": in(1)}), invalid, options{}},
		{"algorithm none with a good signature", raw(`{"alg":"none"}`, `{"exp":1772600799}`), invalid, options{}},
		{"algorithm None", raw(`{"alg":"None"}`, `{"exp":1772600799}`), notFound, options{}},
		{"an algorithm that is a number", raw(`{"alg":1}`, `{"exp":1772600799}`), notFound, options{}},
		{"an algorithm that is not allowed", sign(t, jwt.SigningMethodHS512, []byte(testSecret), jwt.MapClaims{"exp": in(1)}), notFound, options{}},
		{"the public key as a secret", publicAsSecret, notFound, rsaOnly},
		{"RS256 where HS256 is known", sign(t, jwt.SigningMethodRS256, rsaKey(), jwt.MapClaims{"exp": in(1)}), notFound, options{}},
		{"critical headers", raw(`{"alg":"HS256","crit":["b64"],"b64":false}`, `{"exp":1772600799}`), notFound, options{}},
		{"no signature", parts[0] + "." + parts[1] + ".", notFound, options{}},
		{"a signature cut short", good[:len(good)-3], notFound, options{}},
		{"other claims under the signature", parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"bob","exp":1772600799}`)) + "." + parts[2], notFound, options{}},
		{"another issuer", signed(t, jwt.MapClaims{"iss": `x"\` + "\n\u20ac", "exp": in(1)}), "The issuer 'x????' is invalid", options{Issuer: "us"}},
		{"no issuer", signed(t, jwt.MapClaims{"exp": in(1)}), "The issuer '(null)' is invalid", options{Issuer: "us"}},
		{"no issuer, but the audience", signed(t, jwt.MapClaims{"aud": "a", "exp": in(1)}), "The issuer '(null)' is invalid", options{Issuer: "us", Audiences: []string{"a"}}},
		{"an issuer that is a number", signed(t, jwt.MapClaims{"iss": 1, "exp": in(1)}), "", options{Issuer: "1"}},
		{"another audience", signed(t, jwt.MapClaims{"aud": "b", "exp": in(1)}), "The audience 'b' is invalid", options{Audiences: []string{"a"}}},
		{"no audience", signed(t, jwt.MapClaims{"exp": in(1)}), "The audience '(null)' is invalid", options{Audiences: []string{"a"}}},
		{"garbage", "garbage", "", options{}},
		{"three dots", "...", "", options{}},
		{"two dots", "..", "", options{}},
		{"five parts", good + ".x.y", "", options{}},
		{"claims that are no object", raw(headerHS256, `[]`), "", options{}},
		{"a header that is no object", raw(`1`, `{}`), "", options{}},
		{"padding", parts[0] + "=." + parts[1] + "." + parts[2], "", options{}},
		{"too long", signed(t, jwt.MapClaims{"exp": in(1), "x": strings.Repeat("x", defaultMaximumSize)}), "", options{}},
		{"longer than allowed", good, "", options{MaximumSize: len(good) - 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			principal, err := newJWT(t, test.options).Verify(t.Context(), test.token)
			refused, ok := errors.AsType[*TokenError](err)
			if !ok || principal != nil {
				t.Fatalf("got %v and the error %v, want a refusal", principal, err)
			}
			if refused.Description != test.description {
				t.Errorf("refused with %q, want %q", refused.Description, test.description)
			}
		})
	}
}

func TestSkewMovesTheEndOfConnections(t *testing.T) {
	verifier := newJWT(t, JWTOptions{ClockSkew: time.Minute})
	principal, err := verifier.Verify(t.Context(), signed(t, jwt.MapClaims{"exp": in(10)}))
	if err != nil {
		t.Fatal(err)
	}
	if want := testTime.Add(70 * time.Second); !principal.ExpiresAt.Equal(want) {
		t.Errorf("expires at %v, want %v: a client could reconnect until then", principal.ExpiresAt, want)
	}
}

func TestLookupChoosesByTheHeader(t *testing.T) {
	down := errors.New("the key set cannot be fetched")
	verifier := newJWT(t, JWTOptions{
		Algorithms: []string{HS256, ES256},
		Lookup: func(_ context.Context, header Header) ([]Key, error) {
			switch header {
			case Header{HS256, "known"}:
				return []Key{must(SecretKey([]byte(testSecret)))}, nil
			case Header{ES256, "known"}: // a key set may hold keys of all kinds under one name
				return []Key{must(SecretKey([]byte(testSecret))), must(PublicKey(&ecKey().PublicKey))}, nil
			case Header{HS256, "down"}:
				return nil, down
			}
			return nil, nil
		},
	})
	claims := jwt.MapClaims{"sub": "ann", "exp": in(1)}
	for _, test := range []struct {
		name, token string
		accepted    bool
	}{
		{"a known name", sign(t, jwt.SigningMethodHS256, []byte(testSecret), claims, "kid", "known"), true},
		{"the same name with another algorithm", sign(t, jwt.SigningMethodES256, ecKey(), claims, "kid", "known"), true},
		{"an unknown name", sign(t, jwt.SigningMethodHS256, []byte(testSecret), claims, "kid", "unknown"), false},
		{"no name", sign(t, jwt.SigningMethodHS256, []byte(testSecret), claims), false},
		{"an algorithm that is not allowed", sign(t, jwt.SigningMethodRS256, rsaKey(), claims, "kid", "known"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := verifier.Verify(t.Context(), test.token)
			if _, refused := errors.AsType[*TokenError](err); refused == test.accepted || (err == nil) != test.accepted {
				t.Errorf("accepted is %v with the error %v", err == nil, err)
			}
		})
	}
	_, err := verifier.Verify(t.Context(), sign(t, jwt.SigningMethodHS256, []byte(testSecret), claims, "kid", "down"))
	if _, refused := errors.AsType[*TokenError](err); refused || !errors.Is(err, down) {
		t.Errorf("a lookup that fails gives %v, want its error and no refusal", err)
	}
}

func TestOptionsThatCannotBeMeantAreErrors(t *testing.T) {
	secret, public := must(SecretKey([]byte(testSecret))), must(PublicKey(&rsaKey().PublicKey))
	lookup := fixed(nil)
	for _, test := range []struct {
		name, want string
		options    JWTOptions
	}{
		{"nothing", "there is no key", JWTOptions{}},
		{"none", `algorithm "none" is unknown; allowed are HS256, RS256, ES256`, JWTOptions{Keys: []Key{secret}, Algorithms: []string{"none"}}},
		{"a key too many", "there is a key for RS256, which is not among the allowed algorithms HS256", JWTOptions{Keys: []Key{secret, public}, Algorithms: []string{HS256}}},
		{"a key too few", "algorithm ES256 is allowed, but there is no key for it", JWTOptions{Keys: []Key{secret}, Algorithms: []string{HS256, ES256}}},
		{"keys and lookup", "both keys and a lookup of keys are given", JWTOptions{Keys: []Key{secret}, Lookup: lookup}},
		{"lookup alone", "a lookup of keys needs algorithms", JWTOptions{Lookup: lookup}},
		{"negative skew", "clock skew is negative", JWTOptions{Keys: []Key{secret}, ClockSkew: -1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := NewJWT(test.options); err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// FuzzVerify: whatever comes, the verifier lives, and only a token with a good signature gets through.
func FuzzVerify(f *testing.F) {
	verifier := newJWT(f, JWTOptions{Keys: []Key{must(SecretKey([]byte(testSecret))), must(PublicKey(&ecKey().PublicKey))}})
	for _, seed := range []string{
		"", "..", "a.b.c", signed(f, jwt.MapClaims{"sub": "ann", "exp": in(1)}), raw(`{"alg":"none"}`, `{"exp":1e400}`),
		raw(headerHS256, `{"exp":1e400,"nbf":-1e400,"aud":[1],"iss":{}}`), raw(`{"alg":"ES256","crit":[]}`, `null`),
		raw(headerHS256, strings.Repeat(`{"a":`, 1000)), sign(f, jwt.SigningMethodES256, ecKey(), jwt.MapClaims{"exp": in(1)}),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		principal, err := verifier.Verify(context.Background(), text)
		if err != nil {
			refused, ok := errors.AsType[*TokenError](err)
			if !ok {
				t.Fatalf("error of another kind: %v", err)
			}
			if strings.ContainsAny(refused.Description, "\"\\\r\n") || len(refused.Description) > 300 {
				t.Fatalf("the description does not fit into a header: %q", refused.Description)
			}
			return
		}
		signing, signature, _ := cutLast(text)
		decoded := must(base64.RawURLEncoding.DecodeString(signature))
		if jwt.SigningMethodHS256.Verify(signing, decoded, []byte(testSecret)) != nil &&
			jwt.SigningMethodES256.Verify(signing, decoded, &ecKey().PublicKey) != nil {
			t.Fatalf("accepted without a good signature: %q", text)
		}
		if !principal.ExpiresAt.After(testTime) {
			t.Fatalf("accepted though expired at %v", principal.ExpiresAt)
		}
	})
}

// FuzzClaims: whatever claims somebody signs, the verifier lives and refuses what has ended.
func FuzzClaims(f *testing.F) {
	verifier := newJWT(f, JWTOptions{Issuer: "us", Audiences: []string{"a"}})
	for _, seed := range []string{
		`{}`, `null`, `{"exp":1772600799,"iss":"us","aud":"a"}`, `{"exp":1e400}`, `{"exp":-1e18,"nbf":1e18}`,
		`{"exp":1772600799,"iss":"\"","aud":["\\"]}`, `{"exp":1772600799,"iss":"us","aud":["a",1]}`, `{"sub":[[{"a":null}]],"exp":1772600799,"iss":"us","aud":"a"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, claims string) {
		principal, err := verifier.Verify(context.Background(), raw(headerHS256, claims))
		if err != nil {
			refused, ok := errors.AsType[*TokenError](err)
			if !ok || strings.ContainsAny(refused.Description, "\"\\\r\n") || len(refused.Description) > 300 {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if !principal.ExpiresAt.After(testTime) || principal.Issuer != "us" || !principal.Claims.Has("aud", "a") {
			t.Fatalf("accepted %+v", principal)
		}
		for name := range principal.Claims {
			principal.Claims.Values(name)
		}
	})
}

func cutLast(token string) (before, after string, found bool) {
	at := strings.LastIndex(token, ".")
	if at < 0 {
		return token, "", false
	}
	return token[:at], token[at+1:], true
}
