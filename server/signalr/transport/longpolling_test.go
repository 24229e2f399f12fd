package transport

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAPollIsAnsweredAtThePaceOfItsClient(t *testing.T) {
	const pieces, timeout = 12, time.Second
	for name, test := range map[string]struct {
		// pause is what the client takes for each piece.
		pause time.Duration
		slow  bool
	}{
		"a piece in time, all of them not": {timeout / 2, false},
		"no piece in time":                 {2 * timeout, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				application := &echo{ended: make(chan error, 1)}
				endpoint := newEchoEndpoint(t, application, freshToken{}, nil, timeout)
				client := serveBy(t, endpoint, 1)
				_ = openPoll(t, client).Close()
				connection, _ := endpoint.manager.known("c")
				connection.Start(text("begin"))
				for range pieces {
					if err := connection.Send(text(strings.Repeat("x", maximumBatch))); err != nil {
						t.Fatal(err)
					}
				}
				body := openPoll(t, client)
				defer func() { _ = body.Close() }()
				got, err := readSlowly(body, test.pause)
				if whole := err == nil && got == len("begin")+pieces*maximumBatch; whole == test.slow {
					t.Errorf("the client got %d bytes, %v", got, err)
				}
				if !test.slow {
					return
				}
				if cause := <-application.ended; !errors.Is(cause, ErrSlowClient) {
					t.Errorf("the connection has ended with %v", cause)
				}
			})
		})
	}
}

// openPoll sends a poll of the connection c and returns the body of its answer.
func openPoll(t *testing.T, client *http.Transport) io.ReadCloser {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://hub/?id=c", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status)
	}
	return answer.Body
}

// readSlowly reads to the end, with a pause after each piece.
func readSlowly(body io.Reader, pause time.Duration) (total int, err error) {
	for {
		count, err := io.CopyN(io.Discard, body, maximumBatch)
		total += int(count)
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		time.Sleep(pause)
	}
}
