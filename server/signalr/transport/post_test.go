package transport

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// timedRequest is a response whose request has a deadline.
type timedRequest struct {
	http.ResponseWriter
	deadline time.Time
}

func (r *timedRequest) SetReadDeadline(deadline time.Time) error {
	r.deadline = deadline
	return nil
}

// slowReader gives a few bytes at a time, each after a pause.
type slowReader struct {
	rest  *bytes.Reader
	pause time.Duration
}

func (r *slowReader) Read(buffer []byte) (int, error) {
	time.Sleep(r.pause)
	return r.rest.Read(buffer[:min(len(buffer), 240)])
}

func (r *slowReader) Close() error { return nil }

func TestABodyMayBeSlowOnlyToAPoint(t *testing.T) {
	for _, test := range []struct {
		name             string
		pause, processed time.Duration
		inTime           bool
	}{
		{"as fast as it must be", time.Second, 0, true},
		{"too slow", 2 * time.Second, 0, false},
		{"a connection that has no room", 0, time.Minute, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				request := &timedRequest{ResponseWriter: httptest.NewRecorder()}
				body := &patientBody{
					ReadCloser: &slowReader{rest: bytes.NewReader(make([]byte, 20*240)), pause: test.pause},
					control:    http.NewResponseController(request),
				}
				inTime := true
				for {
					_, err := body.Read(make([]byte, 4096))
					inTime = inTime && !time.Now().After(request.deadline)
					if errors.Is(err, io.EOF) {
						break
					}
					time.Sleep(test.processed)
				}
				if inTime != test.inTime {
					t.Errorf("in time: %v", inTime)
				}
			})
		})
	}
}
