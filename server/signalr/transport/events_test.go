package transport

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// eventsWays are how events come to a client.
var eventsWays = map[string]struct {
	major     int
	forwarded bool
}{
	"HTTP/1.1":                        {1, false},
	"HTTP/2":                          {2, false},
	"HTTP/1.1 through another server": {1, true},
	"HTTP/2 through another server":   {2, true},
}

const eventsTimeout = time.Second

// startEvents returns a connection to which a client listens, what its session ends with, and what the client gets.
func startEvents(t *testing.T, major int, forwarded bool) (*Connection, <-chan error, *bufio.Reader) {
	t.Helper()
	application := &echo{ended: make(chan error, 1)}
	// The owner may take longer: the server in front of it has to give a client up by itself.
	timeout := eventsTimeout
	if forwarded {
		timeout = time.Hour
	}
	owner := newEchoEndpoint(t, application, freshToken{}, nil, timeout)
	front := owner
	if forwarded {
		peers := newProxyingPeers(serveBy(t, owner, 1))
		front = newEchoEndpoint(t, &echo{}, everyToken{}, peers, eventsTimeout)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://hub/?id=c", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	answer, err := serveBy(t, front, major).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	if answer.StatusCode != http.StatusOK || answer.ProtoMajor != major {
		t.Fatalf("%s %s", answer.Proto, answer.Status)
	}
	connection, _ := owner.manager.known("c")
	connection.Start(text("begin"))
	events := bufio.NewReader(answer.Body)
	if got, err := events.ReadString('n'); got != ":\r\ndata: begin" || err != nil {
		t.Fatalf("the client got %q, %v", got, err)
	}
	return connection, application.ended, events
}

func TestEventStreamsOutliveSilence(t *testing.T) {
	for name, way := range eventsWays {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				connection, _, events := startEvents(t, way.major, way.forwarded)
				for range 3 {
					time.Sleep(5 * eventsTimeout)
					if err := connection.Send(text("!")); err != nil {
						t.Fatal(err)
					}
					if got, err := events.ReadString('!'); strings.TrimSpace(got) != "data: !" || err != nil {
						t.Fatalf("the client got %q, %v", got, err)
					}
				}
			})
		})
	}
}

func TestEventStreamsEndWithAClientThatReadsNothing(t *testing.T) {
	// A write blocks with a message that is large, and only a flush with small ones.
	for size, count := range map[int]int{512 << 10: 1, 1 << 10: 200} {
		for name, way := range eventsWays {
			t.Run(fmt.Sprintf("%s, %d messages", name, count), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					connection, ended, events := startEvents(t, way.major, way.forwarded)
					time.Sleep(5 * eventsTimeout)
					began := time.Now()
					for range count {
						if err := connection.Send(text(strings.Repeat("x", size))); err != nil {
							t.Fatal(err)
						}
						synctest.Wait()
					}
					select {
					case <-ended:
					case <-time.After(time.Minute):
						t.Error("the client is not given up")
						connection.Abort(nil)
					}
					if took := time.Since(began); took != eventsTimeout {
						t.Errorf("it has ended after %v", took)
					}
					if _, err := io.Copy(io.Discard, events); err == nil {
						t.Error("the client got all")
					}
				})
			})
		}
	}
}
