package cluster

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// onceBody is the body of a request that may be forwarded to one server after another, until one of them has begun to read it.
type onceBody struct {
	body io.ReadCloser
	// begun is set when some of the body may have been read, over when the attempt is.
	begun, over atomic.Bool
}

var errAttemptOver = errors.New("the request is not forwarded any more")

// once returns a copy of the request for one attempt, and what ends it and tells whether there may be no other one.
func once(r *http.Request) (attempt *http.Request, end func() (final bool)) {
	if r.Body == nil || r.Body == http.NoBody {
		return r, func() bool { return false }
	}
	body := &onceBody{body: r.Body}
	attempt = r.WithContext(r.Context())
	attempt.Body = body
	return attempt, func() bool {
		body.over.Store(true)
		return body.begun.Load()
	}
}

// Read implements io.Reader.
func (b *onceBody) Read(buffer []byte) (int, error) {
	b.begun.Store(true)
	if b.over.Load() {
		return 0, errAttemptOver
	}
	return b.body.Read(buffer)
}

// Close implements io.Closer. The body itself stays open: another attempt may follow.
func (*onceBody) Close() error { return nil }

// untracedTransport carries requests to peers. What a peer says before its answer, to ask for the body, is not for the client: a
// ReverseProxy would pass it on, and drop all headers of the answer that have been set before.
type untracedTransport struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (u untracedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Expect") != "" {
		r = r.WithContext(untraced{r.Context()})
	}
	return u.RoundTripper.RoundTrip(r)
}

// untraced is a context without values, so that nobody traces what is done with it.
type untraced struct{ context.Context }

// Value implements context.Context.
func (untraced) Value(any) any { return nil }

// AfterFunc spares contexts that are derived from this one a goroutine.
func (c untraced) AfterFunc(run func()) (stop func() bool) { return context.AfterFunc(c.Context, run) }
