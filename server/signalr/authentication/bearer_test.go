package authentication

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// ask sends a request through bearer and returns the answer, 200 if it was let in.
func ask(bearer Bearer, query string, authorization ...string) (user any, answer *http.Response) {
	request := httptest.NewRequest(http.MethodPost, "/hub/negotiate?negotiateVersion=1"+query, nil)
	for _, value := range authorization {
		request.Header.Add("Authorization", value)
	}
	recorder := httptest.NewRecorder()
	user, _ = bearer.Authenticate(recorder, request)
	return user, recorder.Result()
}

// The expected answers are those that ASP.NET Core gave to the same requests.
func TestRequestsAreAnsweredAsASPNETCoreDoes(t *testing.T) {
	good := signed(t, jwt.MapClaims{"sub": "ann", "exp": in(9)})
	other := signed(t, jwt.MapClaims{"sub": "bob", "exp": in(9)})
	expired := signed(t, jwt.MapClaims{"sub": "ann", "exp": in(-1)})
	const plain, invalid = "Bearer", `Bearer error="invalid_token"`
	for _, test := range []struct {
		name, query, header string
		challenge, user     string
	}{
		{name: "nothing", challenge: plain},
		{name: "the header", header: "Bearer " + good, user: "ann"},
		{name: "the header in lower case", header: "bearer " + good, user: "ann"},
		{name: "the query", query: "&access_token=" + good, user: "ann"},
		{name: "the query in upper case", query: "&ACCESS_TOKEN=" + good, user: "ann"},
		{name: "an empty query and the header", query: "&access_token=", header: "Bearer " + good, user: "ann"},
		{name: "an empty header", header: "Bearer ", challenge: plain},
		{name: "an empty header and the query", query: "&access_token=" + good, header: "Bearer ", user: "ann"},
		{name: "another scheme", header: "Basic " + good, challenge: plain},
		{name: "no scheme", header: good, challenge: plain},
		{name: "another scheme and the query", query: "&access_token=" + good, header: "Basic abc", user: "ann"},
		{name: "two tokens, the query wins", query: "&access_token=" + good, header: "Bearer " + other, user: "ann"},
		{name: "a bad header and a good query", query: "&access_token=" + good, header: "Bearer garbage", user: "ann"},
		{name: "a good header and a bad query", query: "&access_token=garbage", header: "Bearer " + good, challenge: invalid},
		{name: "garbage", header: "Bearer garbage", challenge: invalid},
		{name: "expired", header: "Bearer " + expired, challenge: invalid + `, error_description="The token expired at '03/04/2026 05:06:06'"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			user, answer := ask(Bearer{Verifier: newJWT(t, JWTOptions{})}, test.query, test.header)
			if test.user != "" {
				if principal, ok := user.(*Principal); !ok || principal.ID != test.user || answer.StatusCode != http.StatusOK {
					t.Fatalf("got %v with %s, want %s", user, answer.Status, test.user)
				}
				return
			}
			if user != nil || answer.StatusCode != http.StatusUnauthorized || answer.Header.Get("Content-Length") != "0" {
				t.Fatalf("got %v with %s %v, want an empty 401", user, answer.Status, answer.Header)
			}
			if got := answer.Header.Get("WWW-Authenticate"); got != test.challenge {
				t.Errorf("challenged with %s, want %s", got, test.challenge)
			}
			user, answer = ask(Bearer{Verifier: newJWT(t, JWTOptions{}), AllowAnonymous: true}, test.query, test.header)
			if user != nil || answer.StatusCode != http.StatusOK {
				t.Errorf("where anonymous callers may: got %v with %s, want nobody and 200", user, answer.Status)
			}
		})
	}
}

func TestPolicyDecidesWhoMayUseTheHub(t *testing.T) {
	admin := "Bearer " + signed(t, jwt.MapClaims{"sub": "ann", "admin": true, "exp": in(9)})
	user := "Bearer " + signed(t, jwt.MapClaims{"sub": "bob", "exp": in(9)})
	admins := Bearer{Verifier: newJWT(t, JWTOptions{}), Policy: RequireClaim("admin", "true")}
	anyone := admins
	anyone.AllowAnonymous = true
	notBob := Bearer{Verifier: newJWT(t, JWTOptions{}), AllowAnonymous: true, Policy: func(p *Principal) bool { return p == nil || p.ID != "bob" }}
	for _, test := range []struct {
		name   string
		bearer Bearer
		header string
		status int
	}{
		{"allowed", admins, admin, 200},
		{"known, but not allowed", admins, user, 403},
		{"unknown", admins, "", 401},
		{"anonymous callers may, but not these", anyone, "", 401},
		{"a bad token is no admin's", anyone, "Bearer garbage", 401},
		{"known and not allowed where anonymous callers may", notBob, user, 403},
		{"anonymous and allowed", notBob, "", 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, answer := ask(test.bearer, "", test.header)
			if answer.StatusCode != test.status {
				t.Errorf("answered with %s, want %d", answer.Status, test.status)
			}
			if challenged := answer.Header.Get("WWW-Authenticate") != ""; challenged != (test.status == 401) {
				t.Errorf("challenged: %v, with %s", challenged, answer.Status)
			}
		})
	}
}

func TestTwoHeadersAreNoToken(t *testing.T) {
	good := "Bearer " + signed(t, jwt.MapClaims{"exp": in(9)})
	if _, answer := ask(Bearer{Verifier: newJWT(t, JWTOptions{})}, "", good, good); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("answered with %s, want 401", answer.Status)
	}
}

func TestClientsKeepTheirTokensWhileNobodyCanCheckThem(t *testing.T) {
	var log bytes.Buffer
	token := sign(t, jwt.SigningMethodHS256, []byte(testSecret), jwt.MapClaims{"exp": in(9)})
	bearer := Bearer{
		Verifier: newJWT(t, JWTOptions{Algorithms: []string{HS256}, Lookup: func(context.Context, Header) ([]Key, error) {
			return nil, errors.New("no key set")
		}}),
		AllowAnonymous: true, // a caller who says who it is must not become nobody by our fault
		Logger:         slog.New(slog.NewTextHandler(&log, nil)),
	}
	_, answer := ask(bearer, "", "Bearer "+token)
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Errorf("answered with %s %v, want 503 and when to try again", answer.Status, answer.Header)
	}
	if text := log.String(); !strings.Contains(text, "no key set") || strings.Contains(text, token) || strings.Contains(text, token[:20]) {
		t.Errorf("logged %s", text)
	}
}
