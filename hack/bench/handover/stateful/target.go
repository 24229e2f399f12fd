package stateful

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	// negotiateTimeout is generous: a machine that is busy should not make the client knock twice.
	negotiateTimeout = 15 * time.Second
	maximumAnswer    = 64 << 10
)

// target is the hub, ready to dial.
type target struct {
	address string // host:port
	host    string // for the Host header
	url     url.URL
}

func parseTarget(text string) (target, error) {
	parsed, err := url.Parse(text)
	if err != nil {
		return target{}, fmt.Errorf("hub URL %q: %w", text, err)
	}
	if parsed.Scheme != "http" || parsed.Port() == "" || parsed.RawQuery != "" {
		return target{}, fmt.Errorf("hub URL %q: expected http://HOST:PORT/HUB", text)
	}
	return target{address: net.JoinHostPort(parsed.Hostname(), parsed.Port()), host: parsed.Host, url: *parsed}, nil
}

// socketPath is what a WebSocket of the connection with that token asks for.
func (t target) socketPath(token string) string {
	at := t.url
	at.RawQuery = url.Values{"id": {token}}.Encode()
	return at.RequestURI()
}

// negotiate returns the token of a new connection with stateful reconnect.
func (t target) negotiate(ctx context.Context) (token string, err error) {
	ctx, cancel := context.WithTimeout(ctx, negotiateTimeout)
	defer cancel()
	at := t.url
	at.Path += "/negotiate"
	at.RawQuery = "negotiateVersion=1&useStatefulReconnect=true"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), http.NoBody)
	if err != nil {
		return "", fmt.Errorf("negotiate: %w", err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("negotiate: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("negotiate: the server answers %s", response.Status)
	}
	var answer struct {
		UseStatefulReconnect bool
		ConnectionToken      string
		Error                string
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maximumAnswer)).Decode(&answer); err != nil {
		return "", fmt.Errorf("negotiate: read the answer: %w", err)
	}
	switch {
	case answer.Error != "":
		return "", fmt.Errorf("negotiate: %s", answer.Error)
	case answer.ConnectionToken == "" || !answer.UseStatefulReconnect:
		return "", errors.New("negotiate: the server grants no stateful reconnect")
	}
	return answer.ConnectionToken, nil
}
