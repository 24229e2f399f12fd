package host

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// forwarded tells handlers of the client instead of the proxy in front of the server, as far as proxies of trusted
// networks say who that is. What others say is left unread.
func forwarded(trusted []netip.Prefix, next http.Handler) http.Handler {
	if len(trusted) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err == nil && isTrusted(trusted, peer.Addr()) {
			r = withForwarded(r, trusted)
		}
		next.ServeHTTP(w, r)
	})
}

func isTrusted(trusted []netip.Prefix, address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	return slices.ContainsFunc(trusted, func(prefix netip.Prefix) bool { return prefix.Contains(address) })
}

// withForwarded returns a copy of the request as the client sent it to the outermost trusted proxy. If the nearest proxy does
// not say whom it got the request from, nobody knows who wrote the other entries: then, as in ASP.NET Core, nothing is taken.
func withForwarded(r *http.Request, trusted []netip.Prefix) *http.Request {
	hops := forwardedValues(r, "X-Forwarded-For")
	client, at := outermost(hops, trusted)
	if client == "" && len(hops) > 0 {
		return r
	}
	origin := origin{prefix: cleanPrefix(forwardedValue(r, "X-Forwarded-Prefix", at, len(hops)))}
	if scheme := strings.ToLower(forwardedValue(r, "X-Forwarded-Proto", at, len(hops))); scheme == "http" || scheme == "https" {
		origin.scheme = scheme
	}
	r = r.WithContext(context.WithValue(r.Context(), originKey{}, origin))
	if client != "" {
		r.RemoteAddr = client
	}
	if host := forwardedValue(r, "X-Forwarded-Host", at, len(hops)); isHostPort(host) {
		r.Host = host
	}
	return r
}

// outermost walks from the server towards the client past proxies that are trusted, and returns the first address that
// is not, with its index: whatever stands before it may be made up. If all are trusted it is the first one. It returns no
// address if the nearest cannot be read.
func outermost(hops []string, trusted []netip.Prefix) (client string, index int) {
	for at := len(hops) - 1; at >= 0; at-- {
		address, ok := parseHop(hops[at])
		if !ok {
			break
		}
		client, index = address.String(), at
		if !isTrusted(trusted, address.Addr()) {
			break
		}
	}
	return client, index
}

// parseHop reads an entry of X-Forwarded-For: an address, which some proxies write with a port.
func parseHop(text string) (netip.AddrPort, bool) {
	if address, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return netip.AddrPortFrom(address, 0), true
	}
	address, err := netip.ParseAddrPort(text)
	return address, err == nil
}

// forwardedValue returns what the proxy that saw the client said. Proxies that append to X-Forwarded-For append to the
// other headers too, so the entries belong together if there are as many; else the nearest proxy has set a single one.
func forwardedValue(r *http.Request, header string, at, hops int) string {
	values := forwardedValues(r, header)
	switch len(values) {
	case 0:
		return ""
	case hops:
		return values[at]
	}
	return values[len(values)-1]
}

// forwardedValues returns the entries of all headers of that name, in the order in which proxies added them.
func forwardedValues(r *http.Request, header string) []string {
	var values []string
	for _, line := range r.Header.Values(header) {
		for value := range strings.SplitSeq(line, ",") {
			if value = strings.TrimSpace(value); value != "" {
				values = append(values, value)
			}
		}
	}
	return values
}

// isHostPort tells whether text can be a Host header.
func isHostPort(text string) bool {
	if host, port, err := net.SplitHostPort(text); err == nil {
		return host != "" && port != "" && !strings.ContainsAny(host, forbiddenInHost) && strings.Trim(port, "0123456789") == ""
	}
	return text != "" && !strings.ContainsAny(strings.Trim(text, "[]"), forbiddenInHost) && (strings.Count(text, ":") == 0 || text[0] == '[')
}

const forbiddenInHost = "/\\@?#%[] \t\r\n\"'<>"

// cleanPrefix returns a path that can be put in front of others, or nothing.
func cleanPrefix(text string) string {
	if !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") || strings.ContainsAny(text, "\\?#\"'<>\r\n") {
		return ""
	}
	return strings.TrimRight(text, "/")
}

// origin is what the client sees in place of what the server sees.
type origin struct {
	scheme string
	prefix string
}

type originKey struct{}

// Scheme returns https or http, as the client used it, for a handler that makes absolute addresses.
func Scheme(r *http.Request) string {
	if origin, ok := r.Context().Value(originKey{}).(origin); ok && origin.scheme != "" {
		return origin.scheme
	}
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// PathBase returns what precedes the path of the request in the client's address: what a trusted proxy took off it and
// the server's own path base. It begins with a slash and does not end with one, or is empty.
func PathBase(r *http.Request) string {
	var prefix string
	if origin, ok := r.Context().Value(originKey{}).(origin); ok {
		prefix = origin.prefix
	}
	base, _ := r.Context().Value(pathBaseKey{}).(string)
	return prefix + base
}
