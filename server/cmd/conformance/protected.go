package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/chatcluster/chatcluster/server/signalr/authentication"
)

// guard is what the hubs know of tokens.
type guard struct {
	key      []byte
	verifier authentication.Verifier
	methods  map[string]authentication.Policy
}

func newGuard(key []byte) (guard, error) {
	secret, err := authentication.SecretKey(key)
	if err != nil {
		return guard{}, fmt.Errorf("JWT_KEY: %w", err)
	}
	verifier, err := authentication.NewJWT(authentication.JWTOptions{Keys: []authentication.Key{secret}})
	if err != nil {
		return guard{}, fmt.Errorf("make the check of tokens: %w", err)
	}
	admin := authentication.RequireClaim("admin", "true")
	return guard{key: key, verifier: verifier, methods: map[string]authentication.Policy{"AdminOnly": admin}}, nil
}

// open lets everybody in, and knows those who bring a token; closed wants one.
func (g guard) open() authentication.Bearer {
	return authentication.Bearer{Verifier: g.verifier, AllowAnonymous: true}
}

func (g guard) closed() authentication.Bearer { return authentication.Bearer{Verifier: g.verifier} }

// issue answers GET /token?user=NAME[&admin=true][&seconds=N] with a token for /protected.
func (g guard) issue(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	seconds := 3600
	if text := query.Get("seconds"); text != "" {
		var err error
		if seconds, err = strconv.Atoi(text); err != nil {
			http.Error(w, "seconds is not a whole number", http.StatusBadRequest)
			return
		}
	}
	now := time.Now()
	claims := jwt.MapClaims{
		"sub": query.Get("user"),
		"nbf": now.Add(-time.Minute).Unix(),
		"exp": now.Add(time.Duration(seconds) * time.Second).Unix(),
	}
	if query.Get("admin") == "true" {
		claims["admin"] = "true"
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(g.key)
	if err != nil {
		http.Error(w, "the token cannot be signed", http.StatusInternalServerError)
		return
	}
	_, _ = io.WriteString(w, token)
}
