package load

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// target is one server's hub, ready to dial.
type target struct {
	address string // host:port to dial
	host    string // for the Host header
	path    string // with the query
}

func parseTargets(urls []string) ([]target, error) {
	if len(urls) == 0 {
		return nil, errors.New("no hub URL given")
	}
	targets := make([]target, 0, len(urls))
	for _, text := range urls {
		parsed, err := parseTarget(text)
		if err != nil {
			return nil, err
		}
		targets = append(targets, parsed)
	}
	return targets, nil
}

func parseTarget(text string) (target, error) {
	parsed, err := url.Parse(text)
	if err != nil {
		return target{}, fmt.Errorf("hub URL %q: %w", text, err)
	}
	switch strings.ToLower(parsed.Scheme) {
	case "http", "ws":
	default:
		return target{}, fmt.Errorf("hub URL %q: scheme must be http or ws (the generator speaks no TLS)", text)
	}
	if parsed.Hostname() == "" {
		return target{}, fmt.Errorf("hub URL %q: host is missing, expected http://HOST:PORT/HUB", text)
	}
	port := parsed.Port()
	if port == "" {
		port = "80"
	}
	return target{
		address: net.JoinHostPort(parsed.Hostname(), port),
		host:    parsed.Host,
		path:    parsed.RequestURI(),
	}, nil
}
