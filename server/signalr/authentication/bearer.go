package authentication

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

// Bearer decides by tokens who may use an endpoint of a hub. Its method Authenticate is for
// signalr.EndpointOptions.Authenticate. Its fields must not change while it is in use.
//
// The token is in the query's access_token or in the header "Authorization: Bearer". The query is for browsers, whose
// WebSockets and server-sent events cannot have headers; it counts more, and on every request, as with the usual
// set-up of ASP.NET Core: addresses with a token in them, and proxies that use the header for themselves, work there.
type Bearer struct {
	// Verifier checks tokens. Required.
	Verifier Verifier
	// AllowAnonymous lets in who has no token, or one that is refused. Such a caller has no principal.
	AllowAnonymous bool
	// Policy decides who may use the hub of those that are let in. Default: all of them.
	Policy Policy
	// Logger gets what keeps the server from checking tokens. No token is ever logged. Default: nothing is logged.
	Logger *slog.Logger
}

// Authenticate returns the request's *Principal, or nil for an anonymous caller. Who may not use the hub is answered:
// with 401 if a good token could change that, else with 403, as ASP.NET Core does.
func (b Bearer) Authenticate(w http.ResponseWriter, r *http.Request) (user any, ok bool) {
	principal, err := b.principal(r)
	if err != nil {
		if refused, isRefused := errors.AsType[*TokenError](err); !isRefused {
			b.unavailable(w, r, err)
			return nil, false
		} else if !b.admits(nil) {
			challenge(w, refused)
			return nil, false
		}
		return nil, true
	}
	switch {
	case principal == nil && b.admits(nil):
		return nil, true
	case principal == nil:
		challenge(w, nil)
		return nil, false
	case !b.admits(principal):
		refuse(w, http.StatusForbidden)
		return nil, false
	}
	return principal, true
}

func (b Bearer) admits(principal *Principal) bool {
	if principal == nil && !b.AllowAnonymous {
		return false
	}
	return b.Policy == nil || b.Policy(principal)
}

// principal is nil without an error if there is no token.
func (b Bearer) principal(r *http.Request) (*Principal, error) {
	token := tokenOf(r)
	if token == "" {
		return nil, nil
	}
	return b.Verifier.Verify(r.Context(), token)
}

// queryToken is the parameter of the query that has the token, as SignalR clients send it.
const queryToken = "access_token"

// tokenOf returns the token of a request, "" if there is none.
func tokenOf(r *http.Request) string {
	if token := fromQuery(r.URL.Query()); token != "" {
		return token
	}
	scheme, token, _ := strings.Cut(strings.Join(r.Header.Values("Authorization"), ","), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// fromQuery finds the parameter in any case, as ASP.NET Core does.
func fromQuery(query url.Values) string {
	if token := query.Get(queryToken); token != "" {
		return token
	}
	for name, values := range query {
		if strings.EqualFold(name, queryToken) {
			return values[0]
		}
	}
	return ""
}

// challenge asks for a token, or for another one (RFC 6750, section 3).
func challenge(w http.ResponseWriter, refused *TokenError) {
	text := "Bearer"
	if refused != nil {
		text += ` error="invalid_token"`
		if refused.Description != "" {
			text += `, error_description="` + refused.Description + `"`
		}
	}
	w.Header().Set("WWW-Authenticate", text)
	refuse(w, http.StatusUnauthorized)
}

// unavailable is the answer while tokens cannot be checked: with 401 a client would throw a good token away.
func (b Bearer) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if b.Logger != nil && r.Context().Err() == nil {
		b.Logger.Error("a token cannot be checked", "error", err)
	}
	w.Header().Set("Retry-After", "1")
	refuse(w, http.StatusServiceUnavailable)
}

func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
}
