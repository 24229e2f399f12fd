package transport

import (
	"net/http"
	"net/url"
	"strings"
)

// Request is what a connection keeps of the HTTP request that made it. It is read-only.
type Request struct {
	// Host is the host and port that the client asked for.
	Host string
	// URL has the path and the query.
	URL *url.URL
	// Header holds the request's headers, without those of the WebSocket handshake.
	Header http.Header
	// RemoteAddr is the client's address and port.
	RemoteAddr string
	// User is what the endpoint's Authenticate returned, nil without one.
	User any
}

// newRequest copies what is kept, so that neither the request nor its buffers stay in memory with the connection.
func newRequest(r *http.Request, user any) *Request {
	header := make(http.Header, len(r.Header))
	for name, values := range r.Header {
		if name != "Connection" && name != "Upgrade" && !strings.HasPrefix(name, "Sec-Websocket-") {
			header[name] = values
		}
	}
	return &Request{Host: r.Host, URL: r.URL, Header: header, RemoteAddr: r.RemoteAddr, User: user}
}

// queryValue returns the first value of a query parameter. Its name is matched without regard to case, as ASP.NET
// Core does.
func queryValue(query url.Values, name string) (string, bool) {
	for key, values := range query {
		if len(values) > 0 && strings.EqualFold(key, name) {
			return values[0], true
		}
	}
	return "", false
}
