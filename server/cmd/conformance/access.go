package main

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/authentication"
)

// adminClaim is the claim that the policy admin wants to be "true".
const adminClaim = "admin"

// access decides who may use the hubs, by tokens that are signed with one key.
type access struct {
	key []byte
	// known lets everybody in, and knows those who have a token; required wants one.
	known, required authentication.Bearer
	// methods are the policies of the hub's methods.
	methods func(ctx *signalr.Context, method string) bool
}

func newAccess(key []byte, hub *Hub) (*access, error) {
	secret, err := authentication.SecretKey(key)
	if err != nil {
		return nil, fmt.Errorf("use JWT_KEY: %w", err)
	}
	tokens, err := authentication.NewJWT(authentication.JWTOptions{Keys: []authentication.Key{secret}, UserClaim: "sub"})
	if err != nil {
		return nil, fmt.Errorf("check tokens: %w", err)
	}
	methods, err := authentication.Methods(hub, map[string]authentication.Policy{
		"AdminOnly": authentication.RequireClaim(adminClaim, "true"),
	})
	if err != nil {
		return nil, fmt.Errorf("protect the hub's methods: %w", err)
	}
	return &access{
		key:      key,
		known:    authentication.Bearer{Verifier: tokens, AllowAnonymous: true},
		required: authentication.Bearer{Verifier: tokens},
		methods:  methods,
	}, nil
}

// serveToken makes a token: /token?user=NAME[&admin=true][&seconds=N].
func (a *access) serveToken(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	user, found := lookUp(query, "user")
	seconds := 3600
	if text, given := lookUp(query, "seconds"); given {
		number, err := strconv.Atoi(text)
		found, seconds = found && err == nil, number
	}
	admin, _ := lookUp(query, "admin")
	if !found {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	token, err := a.token(user, admin == "true", time.Duration(seconds)*time.Second)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(token))
}

// token is valid from a minute ago, so that clocks may differ. One that lasts a negative time has expired.
func (a *access) token(user string, admin bool, lasts time.Duration) (string, error) {
	now := time.Now()
	claims := jwt.MapClaims{
		"sub": user, "iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(lasts).Unix(),
	}
	if admin {
		claims[adminClaim] = "true"
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(a.key)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return token, nil
}
