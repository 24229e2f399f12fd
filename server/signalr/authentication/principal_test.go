package authentication

import (
	"slices"
	"strings"
	"testing"

	"github.com/chatcluster/chatcluster/server/signalr"
)

func TestClaimsReadAsInASPNETCore(t *testing.T) {
	token := raw(headerHS256, `{"exp":1772600799,"text":"a","yes":true,"big":9007199254740993,"list":["a",1,false,null,["b"]],"object":{"a":[1]},"null":null,"empty":[]}`)
	principal, err := newJWT(t, JWTOptions{}).Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"text": {"a"}, "yes": {"true"}, "big": {"9007199254740993"}, "list": {"a", "1", "false", "b"}, "object": {`{"a":[1]}`},
		"null": nil, "empty": nil, "absent": nil,
	} {
		if got := principal.Claims.Values(name); !slices.Equal(got, want) {
			t.Errorf("%s has the values %q, want %q", name, got, want)
		}
		if got := principal.Claims.Has(name); got != (want != nil) {
			t.Errorf("Has(%s) is %v", name, got)
		}
		if got := principal.Claims.Value(name); want != nil && got != want[0] {
			t.Errorf("the value of %s is %q", name, got)
		}
	}
	for _, policy := range []struct {
		policy Policy
		admits bool
	}{
		{RequireClaim("yes", "true"), true}, {RequireClaim("list", "x", "b"), true}, {RequireClaim("list", "x"), false},
		{RequireClaim("big"), true}, {RequireClaim("null"), false}, {Authenticated, true},
	} {
		if got := policy.policy(principal); got != policy.admits {
			t.Errorf("a policy admits: %v, want %v", got, policy.admits)
		}
		if policy.policy(nil) {
			t.Error("a policy admits an anonymous caller")
		}
	}
}

func TestIdentityTellsUsersApart(t *testing.T) {
	all := []*Principal{{}, {ID: "ann"}, {ID: "bob"}, {ID: "ann", Issuer: "us"}, {Issuer: "ann"}}
	seen := map[string]bool{"": true} // what nobody has: a token without a name is not the same as no token
	for _, principal := range all {
		if seen[principal.Identity()] {
			t.Errorf("%+v looks like another one", principal)
		}
		seen[principal.Identity()] = true
	}
}

func TestUserIDOfARequest(t *testing.T) {
	for want, user := range map[string]any{"ann": &Principal{ID: "ann"}, "": nil} {
		if got := UserID(&signalr.Request{User: user}); got != want {
			t.Errorf("the user is %q, want %q", got, want)
		}
	}
	if got := UserID(&signalr.Request{User: "of another kind"}); got != "" {
		t.Errorf("the user is %q, want none", got)
	}
}

type policedHub struct{}

func (*policedHub) Clear(*signalr.Context) {}

func TestPoliciesOfMethodsThatDoNotExistAreErrors(t *testing.T) {
	for _, test := range []struct {
		name string
		hub  any
		want string
	}{
		{"Clear", &policedHub{}, ""},
		{"clear", &policedHub{}, "no such method"},
		{"Cler", &policedHub{}, "no such method"},
		{"Clear", nil, "the hub is nil"},
	} {
		_, err := Methods(test.hub, map[string]Policy{test.name: Authenticated})
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
	if _, err := Methods(&policedHub{}, map[string]Policy{"Clear": nil}); err == nil {
		t.Error("a policy that is nil was accepted")
	}
}
