package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// web is the HTTP client of all rows. It asks for nothing that a row does not ask for.
var web = &http.Client{
	Transport:     &http.Transport{MaxIdleConnsPerHost: rowsAtATime, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// answer is an HTTP response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request and reads the whole response.
func (x *trial) ask(method, address string, body []byte, header http.Header) answer {
	x.Helper()
	a, err := ask(x.Context(), method, address, body, header)
	x.must(err)
	return a
}

func ask(ctx context.Context, method, address string, body []byte, header http.Header) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := web.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(text)}, err
}

// get, post and remove are short for what most rows ask.
func (x *trial) get(address string) answer {
	x.Helper()
	return x.ask(http.MethodGet, address, nil, nil)
}

func (x *trial) post(address, body string) answer {
	x.Helper()
	return x.ask(http.MethodPost, address, []byte(body), nil)
}

func (x *trial) remove(address string) answer {
	x.Helper()
	return x.ask(http.MethodDelete, address, nil, nil)
}

// expect fails the row unless the answer has that status and body.
func (x *trial) expect(a answer, status int, body string) {
	x.Helper()
	if a.status != status || a.body != body {
		x.Fatalf("answered %d %q, want %d %q", a.status, a.body, status, body)
	}
}

// expectHeaders fails the row unless the answer has these headers, given as name, value, ...
func (x *trial) expectHeaders(header http.Header, pairs ...string) {
	x.Helper()
	for i := 0; i < len(pairs); i += 2 {
		check(x, "header "+pairs[i], strings.Join(header.Values(pairs[i]), "; "), pairs[i+1])
	}
}

// negotiation is the response to a negotiate request.
type negotiation struct {
	Error                *string
	UseStatefulReconnect *bool
	NegotiateVersion     *int
	ConnectionID         string
	ConnectionToken      *string
	AvailableTransports  []struct {
		Transport       string
		TransferFormats []string
	}
	// text is the body as it came, properties its names.
	text       string
	properties map[string]json.RawMessage
}

// negotiate asks for a connection at path, with a query such as "negotiateVersion=1".
func (x *trial) negotiate(s *server, path, query string, header http.Header) negotiation {
	x.Helper()
	a := x.ask(http.MethodPost, s.url+path+"/negotiate?"+query, nil, header)
	if a.status != http.StatusOK {
		x.Fatalf("negotiate was answered with %d %q", a.status, a.body)
	}
	x.expectHeaders(a.header, "Content-Type", "application/json")
	result := negotiation{text: a.body}
	x.must(json.Unmarshal([]byte(a.body), &result))
	x.must(json.Unmarshal([]byte(a.body), &result.properties))
	return result
}

// id is what later requests name the connection by.
func (n negotiation) id() string {
	if n.ConnectionToken != nil {
		return *n.ConnectionToken
	}
	return n.ConnectionID
}

// address is where the connection's requests go.
func (n negotiation) address(s *server, path string) string {
	return s.url + path + "?id=" + url.QueryEscape(n.id())
}

// The headers by which the transports are told apart, and those that keep polls out of caches.
var (
	acceptEvents = http.Header{"Accept": {"text/event-stream"}}
	noCache      = []string{"Cache-Control", "no-cache, no-store", "Pragma", "no-cache", "Expires", "Thu, 01 Jan 1970 00:00:00 GMT"}
)
