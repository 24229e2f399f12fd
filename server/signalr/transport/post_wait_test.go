package transport

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// fullApplication has room for more only a while after it got something.
type fullApplication struct {
	echo
	pause time.Duration
}

type fullSession struct {
	echoSession
	application *fullApplication
}

func (a *fullApplication) Connect(connection *Connection) Session {
	return &fullSession{echoSession{application: &a.echo, connection: connection}, a}
}

func (s *fullSession) Receive([]byte) <-chan struct{} {
	if s.application.pause == 0 {
		return nil
	}
	room := make(chan struct{})
	time.AfterFunc(s.application.pause, func() { close(room) })
	return room
}

// post sends a body in two parts, the second a while after the first, and returns the status of the answer.
func post(t *testing.T, client http.RoundTripper, pause time.Duration, length int64) int {
	t.Helper()
	const part = "part"
	reader, writer := io.Pipe()
	sent := make(chan struct{})
	defer func() {
		_ = reader.Close()
		<-sent
	}()
	go func() {
		defer close(sent)
		_, _ = io.WriteString(writer, part)
		time.Sleep(pause)
		_, _ = io.WriteString(writer, part)
		_ = writer.Close()
	}()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://hub/?id=c", reader)
	if err != nil {
		t.Fatal(err)
	}
	request.ContentLength = length
	answer, err := client.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

// A connection that has no room may hold a request back for as long as it likes, wherever it is. The client's next requests
// come over the same TCP connection.
func TestAPostThatIsHeldBackIsTaken(t *testing.T) {
	const unknown, known = -1, 8 // the length of the body
	for name, test := range map[string]struct {
		major     int
		forwarded bool
		length    int64
		// held is how long the connection has no room, pause how long the client waits amid the body.
		held, pause time.Duration
		status      int
	}{
		"HTTP/1.1":                               {1, false, known, time.Minute, 0, http.StatusOK},
		"HTTP/1.1, amid the body":                {1, false, unknown, time.Minute, 30 * time.Second, http.StatusOK},
		"HTTP/2":                                 {2, false, known, time.Minute, 0, http.StatusOK},
		"HTTP/2, amid the body":                  {2, false, unknown, time.Minute, 30 * time.Second, http.StatusOK},
		"HTTP/1.1 through another server":        {1, true, known, time.Minute, 0, http.StatusOK},
		"HTTP/1.1 through another, length later": {1, true, unknown, time.Minute, 0, http.StatusOK},
		"HTTP/2 through another server":          {2, true, known, time.Minute, 0, http.StatusOK},
		"HTTP/1.1, by the client's fault":        {1, false, unknown, 0, 30 * time.Second, http.StatusRequestTimeout},
		"HTTP/2, by the client's fault":          {2, false, unknown, 0, 30 * time.Second, http.StatusRequestTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				application := &fullApplication{echo{ended: make(chan error, 1)}, test.held}
				endpoint := newEchoEndpoint(t, application, freshToken{}, nil, 0)
				if test.forwarded {
					endpoint = newEchoEndpoint(t, &echo{}, everyToken{}, newProxyingPeers(serveBy(t, endpoint, 1)), 0)
				}
				client := serveBy(t, endpoint, test.major)
				for range 2 {
					if status := post(t, client, test.pause, test.length); status != test.status {
						t.Errorf("status %d", status)
					}
				}
			})
		})
	}
}

// What forwards a body may read it for a moment longer than its request lasts.
func TestABodyLeavesTheNextRequestAlone(t *testing.T) {
	for name, multiplexed := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			request := &timedRequest{ResponseWriter: httptest.NewRecorder()}
			body := &patientBody{
				ReadCloser:  &slowReader{rest: bytes.NewReader([]byte("late"))},
				multiplexed: multiplexed, control: http.NewResponseController(request),
			}
			body.release()
			untouched := time.Unix(1, 0)
			request.deadline = untouched
			if _, err := body.Read(make([]byte, 4)); err != nil || request.deadline != untouched {
				t.Errorf("%v, the deadline is %v", err, request.deadline)
			}
		})
	}
}
