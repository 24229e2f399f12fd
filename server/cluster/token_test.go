package cluster

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

var issued = time.UnixMilli(1767323045678)

func key(fill byte) []byte { return bytes.Repeat([]byte{fill}, MinimumKeySize) }

func newKeys(t testing.TB, current []byte, others ...[]byte) *Keys {
	t.Helper()
	keys, err := NewKeys(current, others...)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestTokenCarriesItsClaims(t *testing.T) {
	keys := newKeys(t, key(1))
	tests := map[string]Claims{
		"usual":      {Hub: "ChatHub", ConnectionID: newConnectionID(), IssuedAt: issued, Version: 1},
		"stateful":   {Hub: "ChatHub", ConnectionID: newConnectionID(), IssuedAt: issued, Stateful: true, Version: 1},
		"no hub":     {ConnectionID: "x", IssuedAt: time.UnixMilli(0), Version: 255},
		"far future": {Hub: "h", ConnectionID: "x", IssuedAt: time.UnixMilli(1<<48 - 1)},
		"long hub":   {Hub: strings.Repeat("Namespace.", 100), ConnectionID: "x", IssuedAt: issued},
	}
	for name, claims := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := keys.Verify(claims.Hub, keys.Issue(claims), claims.IssuedAt)
			if err != nil || got != claims {
				t.Errorf("got %+v, %v\nwant %+v", got, err, claims)
			}
		})
	}
}

func TestTokenWithoutConnectionIDIsTheConnectionID(t *testing.T) {
	keys := newKeys(t, key(1))
	token := keys.Issue(Claims{Hub: "h", IssuedAt: issued})
	claims, err := keys.Verify("h", token, issued)
	if err != nil || claims.ConnectionID != token {
		t.Errorf("got %+v, %v", claims, err)
	}
}

// TestTokenFormatIsStable fails when servers of this version and of released ones would refuse each other's tokens. The
// token was computed by another implementation from the description of the format.
func TestTokenFormatIsStable(t *testing.T) {
	const want = "AQEBAZt8qY8uQUFFQ0F3UUZCZ2NJQ1FvTERBME9EdysrKysrKysrKysrKysrKytCyQSA2oJrGBe1fq3VSe3x"
	keys := newKeys(t, []byte("a key for tests only, of 32 bytes or more"))
	claims := Claims{Hub: "ChatHub", ConnectionID: "AAECAwQFBgcICQoLDA0ODw", IssuedAt: issued, Stateful: true, Version: 1}
	token := keys.issue(claims, [secretSize]byte(bytes.Repeat([]byte("+"), secretSize)))
	if token != want {
		t.Errorf("got  %s\nwant %s", token, want)
	}
	if got, err := keys.Verify("ChatHub", want, issued); err != nil || got != claims {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestInvalidTokensAreAllAlike(t *testing.T) {
	keys := newKeys(t, key(1), key(2))
	claims := Claims{Hub: "ChatHub", ConnectionID: newConnectionID(), IssuedAt: issued, Version: 1}
	token := keys.Issue(claims)
	raw, err := tokenEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ hub, token string }{
		"empty":              {"ChatHub", ""},
		"connection id":      {"ChatHub", claims.ConnectionID},
		"other hub":          {"OtherHub", token},
		"hub of other case":  {"chathub", token},
		"other key":          {"ChatHub", newKeys(t, key(3)).Issue(claims)},
		"line break":         {"ChatHub", token[:10] + "\n" + token[10:]},
		"line break of two":  {"ChatHub", token[:10] + "\r\n" + token[10:]},
		"four line breaks":   {"ChatHub", token + "\n\n\n\n"},
		"line break at end":  {"ChatHub", token + "\r\n"},
		"padding":            {"ChatHub", token + "="},
		"standard alphabet":  {"ChatHub", token[:10] + "+" + token[11:]},
		"random":             {"ChatHub", tokenEncoding.EncodeToString(bytes.Repeat([]byte{7}, len(raw)))},
		"very long":          {"ChatHub", strings.Repeat("A", 1<<20)},
		"name moved to body": {"ub", shifted(raw, "ChatH")},
		"from the future":    {"ChatHub", keys.Issue(Claims{Hub: "ChatHub", IssuedAt: issued.Add(MaximumClockSkew + time.Second)})},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { refuse(t, keys, test.hub, test.token) })
	}
	for length := range token {
		refuse(t, keys, "ChatHub", token[:length])
	}
	for bit := range 8 * len(raw) {
		forged := bytes.Clone(raw)
		forged[bit/8] ^= 1 << (bit % 8)
		refuse(t, keys, "ChatHub", tokenEncoding.EncodeToString(forged))
	}
}

// shifted puts the start of the hub's name before the body: together they are the same bytes as before.
func shifted(raw []byte, start string) string {
	return tokenEncoding.EncodeToString(append([]byte(start), raw...))
}

func refuse(t *testing.T, keys *Keys, hub, token string) {
	t.Helper()
	claims, err := keys.Verify(hub, token, issued)
	if err != ErrInvalidToken || claims != (Claims{}) { //nolint:errorlint // it must be the very same, not wrap a reason
		t.Errorf("%.100q: got %+v, %v", token, claims, err)
	}
}

func TestTokenWithTrailingBitsIsNotASecondSpelling(t *testing.T) {
	keys := newKeys(t, key(1))
	token := keys.Issue(Claims{Hub: "h", IssuedAt: issued}) // 41 bytes: the last character has two bits to spare
	alphabet := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	accepted := 0
	for _, last := range alphabet {
		if _, err := keys.Verify("h", token[:len(token)-1]+string(last), issued); err == nil {
			accepted++
		}
	}
	if accepted != 1 {
		t.Errorf("%d spellings were accepted", accepted)
	}
}

func TestUnknownFormatsAndFlagsAreRefusedThoughProven(t *testing.T) {
	keys := newKeys(t, key(1))
	for position, value := range []byte{tokenFormat + 1, 2} {
		token := [minimumToken]byte{0: tokenFormat}
		token[position] = value
		proof := keys.current().provers[0].proof("h", token[:minimumToken-proofSize])
		copy(token[minimumToken-proofSize:], proof[:])
		refuse(t, keys, "h", tokenEncoding.EncodeToString(token[:]))
	}
}

func TestKeysRotate(t *testing.T) {
	claims := Claims{Hub: "h", ConnectionID: "x", IssuedAt: issued}
	verifies := func(keys *Keys, token string) bool {
		_, err := keys.Verify("h", token, issued)
		return err == nil
	}
	keys := newKeys(t, key(1))
	old := keys.Issue(claims)
	if err := keys.Replace(key(2), key(1)); err != nil {
		t.Fatal(err)
	}
	fresh := keys.Issue(claims)
	if !verifies(keys, old) || !verifies(keys, fresh) {
		t.Error("a token of one of the two keys was refused")
	}
	if verifies(newKeys(t, key(1)), fresh) {
		t.Error("the token was issued with the old key")
	}
	if !verifies(newKeys(t, key(1), key(2)), fresh) {
		t.Error("a server that only accepts the new key refuses it")
	}
	if err := keys.Replace(key(2)); err != nil {
		t.Fatal(err)
	}
	if verifies(keys, old) {
		t.Error("a token of a dropped key was accepted")
	}
	if err := keys.Replace(key(9)[1:]); err == nil {
		t.Error("a short key was accepted")
	}
	if !verifies(keys, fresh) {
		t.Error("the failed Replace changed the keys")
	}
}

func TestShortKeysAreRefused(t *testing.T) {
	for _, keys := range [][][]byte{{nil}, {key(1)[1:]}, {key(1), key(2)[1:]}} {
		if _, err := NewKeys(keys[0], keys[1:]...); err == nil {
			t.Errorf("keys of %d bytes were accepted", len(keys[len(keys)-1]))
		} else if !strings.Contains(err.Error(), "32 or more") {
			t.Errorf("the error does not say what to do: %v", err)
		}
	}
}

func TestIDsAndTokensAreRandomAndOfTheirSize(t *testing.T) {
	keys := newKeys(t, key(1))
	claims := Claims{Hub: "h", ConnectionID: newConnectionID(), IssuedAt: issued, Version: 1}
	seen := map[string]bool{}
	for range 1000 {
		id, token := newConnectionID(), keys.Issue(claims)
		if seen[id] || seen[token] {
			t.Fatal("one came twice")
		}
		seen[id], seen[token] = true, true
		if decoded, err := base64.RawURLEncoding.DecodeString(id); len(id) != 22 || len(decoded) != 16 || err != nil {
			t.Fatalf("connection id %q", id)
		}
		if len(token) != 84 {
			t.Fatalf("the token has %d characters", len(token))
		}
	}
	if withoutID := keys.Issue(Claims{Hub: "h"}); len(withoutID) != 55 {
		t.Errorf("without an id the token has %d characters", len(withoutID))
	}
}

func TestKeysServeManyAtOnce(t *testing.T) {
	keys := newKeys(t, key(1), key(2))
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for range 200 {
				claims := Claims{Hub: strings.Repeat("h", worker), ConnectionID: newConnectionID(), IssuedAt: issued}
				if got, err := keys.Verify(claims.Hub, keys.Issue(claims), issued); err != nil || got != claims {
					t.Errorf("got %+v, %v", got, err)
				}
			}
		})
	}
	for i := range 100 {
		if err := keys.Replace(key(byte(1+i%2)), key(byte(2-i%2))); err != nil {
			t.Error(err)
		}
	}
	group.Wait()
}

func FuzzVerify(f *testing.F) {
	keys := newKeys(f, key(1))
	// The processes of a fuzz run must agree on the one token that is true: nothing in it is random.
	claims := Claims{Hub: "ChatHub", ConnectionID: "AAECAwQFBgcICQoLDA0ODw", IssuedAt: issued, Version: 1}
	token := keys.issue(claims, [secretSize]byte{})
	f.Add("ChatHub", token)
	f.Add("", "")
	f.Add("ChatHub", strings.Repeat("A", 84))
	f.Fuzz(func(t *testing.T, hub, guess string) {
		_, err := keys.Verify(hub, guess, issued)
		switch {
		case err == nil && (hub != "ChatHub" || guess != token):
			t.Errorf("%q, %q was accepted", hub, guess)
		case err != nil && !errors.Is(err, ErrInvalidToken):
			t.Errorf("got %v", err)
		}
		claims := Claims{Hub: hub, ConnectionID: guess, IssuedAt: issued}
		if guess == "" || len(guess) > maximumToken-minimumToken {
			return
		}
		if got, err := keys.Verify(hub, keys.Issue(claims), issued); err != nil || got != claims {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

func BenchmarkIssue(b *testing.B) {
	keys := newKeys(b, key(1))
	claims := Claims{Hub: "ChatHub", ConnectionID: newConnectionID(), IssuedAt: issued, Version: 1}
	b.ReportAllocs()
	for b.Loop() {
		keys.Issue(claims)
	}
}

func BenchmarkVerify(b *testing.B) {
	keys := newKeys(b, key(1))
	token := keys.Issue(Claims{Hub: "ChatHub", ConnectionID: newConnectionID(), IssuedAt: issued, Version: 1})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := keys.Verify("ChatHub", token, issued); err != nil {
			b.Fatal(err)
		}
	}
}

// newConnectionID returns an id as servers make them: 22 random characters.
func newConnectionID() string {
	var id [16]byte
	_, _ = rand.Read(id[:])
	return base64.RawURLEncoding.EncodeToString(id[:])
}
