package host

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/transport/pipetest"
)

// serveInPipes runs a server as a host does.
func serveInPipes(t *testing.T, handler http.HandlerFunc) *pipetest.Network {
	t.Helper()
	network, server := pipetest.New(), newServer(handler, slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- server.Serve(network) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return network
}

// sendPart begins a request whose body does not come to its end, and waits for the end of the connection.
func sendPart(t *testing.T, network *pipetest.Network, body string) string {
	t.Helper()
	conn, err := network.Dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\n"+body); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Hour))
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Errorf("the connection stays open: %v", err)
	}
	return string(answer)
}

func TestARequestWhoseBodyDoesNotComeIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// As with a negotiation, nobody reads the body.
		network := serveInPipes(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "answer") })
		began := time.Now()
		if answer := sendPart(t, network, "{"); !strings.HasSuffix(answer, "answer") {
			t.Errorf("got %q", answer)
		}
		if took := time.Since(began); took > readTimeout+time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestARequestThatHasComeMayTakeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := serveInPipes(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-r.Context().Done():
				_, _ = io.WriteString(w, context.Cause(r.Context()).Error())
			case <-time.After(5 * readTimeout):
				_, _ = io.WriteString(w, "done")
			}
		})
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: network.Dial}}
		for _, body := range []string{"", "body"} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://test/", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			if answer, err := io.ReadAll(response.Body); string(answer) != "done" {
				t.Errorf("got %q, %v", answer, err)
			}
			_ = response.Body.Close()
		}
	})
}
