package authentication

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/chatcluster/chatcluster/server/signalr"
)

// Policy decides whether a caller may; nil is an anonymous one. It must not block.
type Policy func(caller *Principal) bool

// Authenticated is the policy that lets everybody in who is known.
func Authenticated(caller *Principal) bool { return caller != nil }

// RequireClaim is the policy that lets in who has a claim with one of values, or with any value if none is given.
func RequireClaim(name string, values ...string) Policy {
	return func(caller *Principal) bool { return caller != nil && caller.Claims.Has(name, values...) }
}

// Methods returns what signalr.HubOptions.Authorize wants, for policies by the name of the hub's method as it is
// declared. Methods without a policy are open to all who may use the hub. A policy for a method that the hub does not
// have is an error: a slip of the pen must not leave a method open.
func Methods(hub any, policies map[string]Policy) (func(*signalr.Context, string) bool, error) {
	kind := reflect.TypeOf(hub)
	for _, name := range slices.Sorted(maps.Keys(policies)) {
		if policies[name] == nil {
			return nil, fmt.Errorf("policy of method %s: it is nil", name)
		}
		if kind == nil {
			return nil, fmt.Errorf("policy of method %s: the hub is nil", name)
		}
		if _, found := kind.MethodByName(name); !found {
			return nil, fmt.Errorf("policy of method %s: %v has no such method; names are written as in its declaration", name, kind)
		}
	}
	policies = maps.Clone(policies)
	return func(ctx *signalr.Context, method string) bool {
		policy, guarded := policies[method]
		return !guarded || policy(Of(ctx))
	}, nil
}
