package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// DefaultHubPath is where the chat hub is, below a server's address.
const DefaultHubPath = "/chatHub"

// Config is what the page needs to know; it reads it from config.json at run time.
type Config struct {
	// Servers to choose from; the page connects to the first. None: the server that serves the page.
	// With one, the page shows no buttons.
	Servers []Server `json:"servers"`
	// HubPath is appended to the address of each server. Default: [DefaultHubPath].
	HubPath string `json:"hubPath"`
}

// Server is a hub server as the user's browser reaches it.
type Server struct {
	// Name on the button and in the status, such as "Server 1". Default: the host of the URL. With more than one
	// server each needs a name of its own.
	Name string `json:"name"`
	// URL is the server's http or https address, to which the hub path is appended. Empty: the address of the page.
	URL string `json:"url"`
}

// complete fills in defaults and refuses what the page could not work with.
func (c Config) complete() (Config, error) {
	if c.HubPath == "" {
		c.HubPath = DefaultHubPath
	}
	if !strings.HasPrefix(c.HubPath, "/") {
		return c, fmt.Errorf("hub path %q must start with /", c.HubPath)
	}
	if len(c.Servers) == 0 {
		c.Servers = []Server{{}}
	}
	names := make(map[string]bool)
	for _, server := range c.Servers {
		if err := server.validate(); err != nil {
			return c, err
		}
		if len(c.Servers) > 1 && (server.Name == "" || names[server.Name]) {
			return c, fmt.Errorf("server %q (%s): with more than one server each needs a name of its own", server.Name, server.URL)
		}
		names[server.Name] = true
	}
	return c, nil
}

func (s Server) validate() error {
	if s.URL == "" {
		return nil
	}
	if _, err := parseOrigin(s.URL); err != nil {
		return fmt.Errorf("server %q: %w", s.Name, err)
	}
	return nil
}

// parseOrigin checks a server's address and returns its origin. The address is public, so it must hold no password;
// the error does not repeat the address for the same reason.
func parseOrigin(address string) (*url.URL, error) {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return nil, errors.New("the URL must be empty or like http://localhost:5001")
	}
	if parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "" {
		return nil, errors.New("the URL must have no user, query or fragment")
	}
	if strings.ContainsAny(parsed.Host, ";, '\"") {
		return nil, errors.New("the URL has a character in its host that hosts cannot have")
	}
	return &url.URL{Scheme: parsed.Scheme, Host: parsed.Host}, nil
}

func (c Config) asset() (asset, error) {
	content, err := json.Marshal(c)
	if err != nil {
		return asset{}, fmt.Errorf("encode config.json: %w", err)
	}
	return newAsset("config.json", content), nil
}

// contentSecurityPolicy lets the page connect to the configured servers only: by HTTP to negotiate, then by WebSocket.
func (c Config) contentSecurityPolicy() string {
	connect := []string{"'self'"}
	for _, server := range c.Servers {
		origin, err := parseOrigin(server.URL)
		if err != nil {
			continue // the page's own address; complete has refused all others
		}
		socket := url.URL{Scheme: strings.Replace(origin.Scheme, "http", "ws", 1), Host: origin.Host}
		connect = append(connect, origin.String(), socket.String())
	}
	slices.Sort(connect)
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self'",
		"connect-src " + strings.Join(slices.Compact(connect), " "),
		"base-uri 'self'",
		"form-action 'none'",
		"frame-ancestors 'none'",
	}, "; ")
}
