package host

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// serveWith runs a server as a host does, but with that timeout for requests.
func serveWith(t *testing.T, timeout time.Duration, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.Config = newServer(handler, slog.New(slog.DiscardHandler))
	if server.Config.ReadTimeout == 0 {
		t.Error("a host waits for requests for ever")
	}
	server.Config.ReadTimeout = timeout
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// sendPart begins a request whose body does not come to its end, and waits for the end of the connection.
func sendPart(t *testing.T, server *httptest.Server, body string) string {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\n"+body); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Errorf("the connection stays open: %v", err)
	}
	return string(answer)
}

func TestARequestWhoseBodyDoesNotComeIsGivenUp(t *testing.T) {
	// As with a negotiation, nobody reads the body.
	server := serveWith(t, 50*time.Millisecond, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "answer") })
	if answer := sendPart(t, server, "{"); !strings.HasSuffix(answer, "answer") {
		t.Errorf("got %q", answer)
	}
}

func TestARequestThatHasComeMayTakeItsTime(t *testing.T) {
	const timeout = 50 * time.Millisecond
	server := serveWith(t, timeout, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
			_, _ = io.WriteString(w, context.Cause(r.Context()).Error())
		case <-time.After(5 * timeout):
			_, _ = io.WriteString(w, "done")
		}
	})
	for _, body := range []string{"", "body"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := web.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(response.Body); string(answer) != "done" {
			t.Errorf("got %q, %v", answer, err)
		}
		_ = response.Body.Close()
	}
}
