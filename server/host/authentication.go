package host

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/authentication"
)

// tokenKeys are the keys of clients' tokens. They may be replaced while tokens are checked.
type tokenKeys struct {
	keys atomic.Pointer[[]authentication.Key]
}

// replace takes over the keys of a text; on an error they stay as they are.
func (k *tokenKeys) replace(text string) error {
	keys, err := authentication.KeysOf([]byte(text))
	if err != nil {
		return err
	}
	k.keys.Store(&keys)
	return nil
}

// lookUp implements authentication.KeyLookup. Names of keys do not matter: all are tried.
func (k *tokenKeys) lookUp(context.Context, authentication.Header) ([]authentication.Key, error) {
	return *k.keys.Load(), nil
}

// authenticate makes what tells the hubs who their clients are, as the configuration says; nil if it does not.
func (h *Host) authenticate() (*authentication.Bearer, error) {
	c := h.options.Config
	if c.JWTKey == "" {
		return nil, nil
	}
	keys := &tokenKeys{}
	if err := keys.replace(c.JWTKey); err != nil {
		return nil, config.Problem("JwtKey", "%v", err)
	}
	tokens, err := authentication.NewJWT(authentication.JWTOptions{
		Lookup: keys.lookUp, Algorithms: authentication.Algorithms(),
		Issuer: c.JWTIssuer, Audiences: c.JWTAudiences, UserClaim: c.JWTUserClaim, ClockSkew: c.JWTClockSkew,
	})
	if err != nil {
		return nil, config.Problem("JwtKey", "%v", err)
	}
	h.reloads.watch(func(texts []string) error { return keys.replace(texts[0]) }, value{key: "JwtKey", text: c.JWTKey, file: c.JWTKeyFile})
	anonymous := c.RequireAuthentication != nil && !*c.RequireAuthentication
	return &authentication.Bearer{Verifier: tokens, AllowAnonymous: anonymous, Logger: h.logger}, nil
}

// identify sets the options by which a hub knows its clients.
func (h *Host) identify(bearer *authentication.Bearer, hub *signalr.HubOptions, endpoint *signalr.EndpointOptions) {
	if bearer == nil {
		return
	}
	hub.UserID = authentication.UserID
	endpoint.Authenticate = func(w http.ResponseWriter, r *http.Request) (user any, ok bool) {
		if user, ok = bearer.Authenticate(w, r); !ok {
			h.metrics.Unauthorized()
		}
		return user, ok
	}
}
