package host

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/chatcluster/chatcluster/server/host/config"
)

// The secrets of these tests.
const (
	tokenKey      = "a key for tests only, of 32 bytes or more"
	otherTokenKey = "another one for tests, 32 bytes or more"
)

// tokenFor is a token of that user, which lasts that long.
func tokenFor(t *testing.T, key, user string, lasts time.Duration) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": user, "iss": "tests", "aud": "chat", "exp": time.Now().Add(lasts).Unix()}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func bearer(token string) http.Header {
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	return header
}

func TestTokensDecideWhoMayUseTheHubs(t *testing.T) {
	no := false
	good := tokenFor(t, tokenKey, "ann", time.Hour)
	for _, test := range []struct {
		name   string
		change func(*config.Config)
		token  string
		want   int
	}{
		{"no key, no token", func(c *config.Config) { c.JWTKey = "" }, "", http.StatusOK},
		{"a good token", nil, good, http.StatusOK},
		{"no token", nil, "", http.StatusUnauthorized},
		{"the token of another key", nil, tokenFor(t, otherTokenKey, "ann", time.Hour), http.StatusUnauthorized},
		{"an expired token", nil, tokenFor(t, tokenKey, "ann", -time.Hour), http.StatusUnauthorized},
		{"expired within the skew of clocks", func(c *config.Config) { c.JWTClockSkew = time.Minute }, tokenFor(t, tokenKey, "ann", -10*time.Second), http.StatusOK},
		{"no token, which is allowed", func(c *config.Config) { c.RequireAuthentication = &no }, "", http.StatusOK},
		{"a bad token, which counts as none", func(c *config.Config) { c.RequireAuthentication = &no }, "bad", http.StatusOK},
		{"the issuer", func(c *config.Config) { c.JWTIssuer = "tests" }, good, http.StatusOK},
		{"another issuer", func(c *config.Config) { c.JWTIssuer = "others" }, good, http.StatusUnauthorized},
		{"one of the audiences", func(c *config.Config) { c.JWTAudiences = []string{"mail", "chat"} }, good, http.StatusOK},
		{"other audiences", func(c *config.Config) { c.JWTAudiences = []string{"mail"} }, good, http.StatusUnauthorized},
		{"without the user's claim", func(c *config.Config) { c.JWTUserClaim = "email" }, good, http.StatusUnauthorized},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, func(c *config.Config) {
				c.JWTKey, c.JWTClockSkew = tokenKey, 0
				if test.change != nil {
					test.change(c)
				}
			})
			if status, body := r.do(http.MethodPost, "/chatHub/negotiate?negotiateVersion=1", bearer(test.token)); status != test.want {
				t.Errorf("%d %s, want %d", status, body, test.want)
			}
			if status, _ := r.do(http.MethodGet, "/healthz", nil); status != http.StatusOK {
				t.Errorf("health: %d", status)
			}
			refused := map[int]int{http.StatusUnauthorized: 1}[test.want]
			if want := fmt.Sprintf("\nchatcluster_unauthorized_requests_total %d\n", refused); !strings.Contains(r.metrics(), want) {
				t.Errorf("the metrics do not say %s", want)
			}
		})
	}
}

func TestHubsKnowTheUserAndConnectionsEndWithTheirToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startInPipes(t, func(c *config.Config) { c.JWTKey, c.JWTClockSkew = tokenKey, 0 })
		began := time.Now()
		c, err := dial(t, r.address()+"/chatHub?access_token="+tokenFor(t, tokenKey, "ann", 5*time.Second), nil)
		if err != nil {
			t.Fatal(err)
		}
		c.send(`{"protocol":"json","version":1}`)
		c.expect(`{}`)
		c.send(`{"type":1,"invocationId":"1","target":"Me","arguments":[]}`)
		c.expect(`{"type":3,"invocationId":"1","result":"ann"}`)
		c.expect(`{"type":7,"allowReconnect":true}`)
		if lasted := time.Since(began); lasted < 5*time.Second {
			t.Errorf("the connection ended after %v", lasted)
		}
	})
}

func TestTokensOfANewKeyAreTakenUpFromItsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(tokenKey)
	r := start(t, func(c *config.Config) { c.JWTKey, c.JWTKeyFile = tokenKey, file })
	status := func(key string) int {
		status, _ := r.do(http.MethodPost, "/chatHub/negotiate", bearer(tokenFor(t, key, "ann", time.Hour)))
		return status
	}
	if status(tokenKey) != http.StatusOK || status(otherTokenKey) != http.StatusUnauthorized {
		t.Error("the first key is not in use")
	}
	write(otherTokenKey + "\n" + tokenKey + "\n")
	eventually(t, "the new key", func() bool { return status(otherTokenKey) == http.StatusOK })
	if status(tokenKey) != http.StatusOK {
		t.Error("the old key stands beside the new one, but is not used")
	}
	write("too short")
	eventually(t, "the complaint", func() bool { return strings.Contains(r.log.String(), "the old one stays in use") })
	if status(otherTokenKey) != http.StatusOK {
		t.Error("a key that cannot be used took the good one away")
	}
	if log := r.log.String(); strings.Contains(log, "too short\"") || strings.Contains(log, tokenKey) {
		t.Errorf("the log tells a secret: %s", log)
	}
}

func TestAKeyThatCannotBeUsedIsAMistakeOfTheConfiguration(t *testing.T) {
	settings := config.Default()
	settings.URLs, settings.JWTKey = []config.Address{{Host: "127.0.0.1"}}, "short"
	_, err := New(Options{Config: settings}, Hub{Name: "ChatHub", Path: "/chatHub", Value: newTestHub()})
	if problem, ok := errors.AsType[*config.Error](err); !ok || problem.Key != "JwtKey" {
		t.Errorf("got %v", err)
	}
}

func TestPublicKeysInPEMCheckTokens(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var keys []byte
	for _, public := range []any{&private.PublicKey, &curve.PublicKey} {
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)
	}
	r := start(t, func(c *config.Config) { c.JWTKey = string(keys) })
	claims := jwt.MapClaims{"sub": "ann", "exp": time.Now().Add(time.Hour).Unix()}
	for _, test := range []struct {
		method jwt.SigningMethod
		key    any
		want   int
	}{
		{jwt.SigningMethodRS256, private, http.StatusOK},
		{jwt.SigningMethodES256, curve, http.StatusOK},
		{jwt.SigningMethodHS256, keys, http.StatusUnauthorized}, // the public key is no secret
	} {
		token, err := jwt.NewWithClaims(test.method, claims).SignedString(test.key)
		if err != nil {
			t.Fatal(err)
		}
		if status, body := r.do(http.MethodPost, "/chatHub/negotiate", bearer(token)); status != test.want {
			t.Errorf("%s: %d %s, want %d", test.method.Alg(), status, body, test.want)
		}
	}
}
