// Package authentication tells hubs who their callers are: it checks JSON Web Tokens, turns them into principals, and
// decides who may use a hub and its methods.
//
//	key, err := authentication.SecretKey(secret)
//	tokens, err := authentication.NewJWT(authentication.JWTOptions{Keys: []authentication.Key{key}})
//	methods, err := authentication.Methods(chat, map[string]authentication.Policy{
//		"Clear": authentication.RequireClaim("admin", "true"),
//	})
//	hub, err := server.Hub("Chat", chat, signalr.HubOptions{UserID: authentication.UserID, Authorize: methods})
//	endpoint := hub.Endpoint(signalr.EndpointOptions{Authenticate: authentication.Bearer{Verifier: tokens}.Authenticate})
package authentication

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr"
)

// Principal is an authenticated caller. It is read-only.
type Principal struct {
	// ID names the user among those of the same issuer, "" if the token names nobody.
	ID string
	// Issuer is who made the token, "" if the token does not say.
	Issuer string
	// Claims are all claims of the token.
	Claims Claims
	// ExpiresAt is when the principal's connections end. Zero: never.
	ExpiresAt time.Time
}

// Expires is ExpiresAt: the server looks at it about once a second and ends connections whose time is over.
func (p *Principal) Expires() time.Time { return p.ExpiresAt }

// Identity tells users apart. The server gives a connection to requests of its own user only.
func (p *Principal) Identity() string { return p.Issuer + "\n" + p.ID }

// Of returns the caller of a hub method, nil if it is anonymous. With long polling and stateful reconnect it changes
// when the client comes with a newer token.
func Of(ctx *signalr.Context) *Principal { return from(ctx.User()) }

// UserID is for signalr.HubOptions.UserID: it is the ID of the request's principal, "" for an anonymous one.
func UserID(request *signalr.Request) string {
	if principal := from(request.User); principal != nil {
		return principal.ID
	}
	return ""
}

func from(user any) *Principal {
	principal, _ := user.(*Principal)
	return principal
}

// Claims are the claims of a token by name, as JSON values; numbers are json.Number, so that none loses digits.
type Claims map[string]any

// Values returns the values of a claim as text: those of a list each for itself, numbers and switches as JSON writes
// them, objects as JSON. It is empty if there is no such claim, or if it is null.
func (c Claims) Values(name string) []string { return appendValues(nil, c[name]) }

func appendValues(texts []string, value any) []string {
	switch value := value.(type) {
	case nil:
		return texts
	case string:
		return append(texts, value)
	case bool:
		return append(texts, strconv.FormatBool(value))
	case json.Number:
		return append(texts, value.String())
	case []any:
		for _, item := range value {
			texts = appendValues(texts, item)
		}
		return texts
	default:
		encoded, err := json.Marshal(value)
		if err != nil {
			return texts // no token holds such a value, only a program's own claims can
		}
		return append(texts, string(encoded))
	}
}

// Value is the first of Values, "" if there is none.
func (c Claims) Value(name string) string {
	if values := c.Values(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// Has tells whether a claim has one of values, or any value at all if none is given.
func (c Claims) Has(name string, values ...string) bool {
	present := c.Values(name)
	if len(values) == 0 {
		return len(present) > 0
	}
	return slices.ContainsFunc(present, func(value string) bool { return slices.Contains(values, value) })
}
