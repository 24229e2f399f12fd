package transport

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// servePost takes what a client of server-sent events or long polling sends. It is answered when the bytes are queued.
func (x *exchange) servePost() {
	if x.request.Body != http.NoBody { // else the server is reading on already, to notice when the client leaves
		body := x.patientBody()
		defer body.release()
		x.request.Body = body
	}
	connection := x.receiver()
	if connection == nil {
		return
	}
	defer connection.endPost()
	if connection.Kind() == WebSockets {
		x.respond(http.StatusMethodNotAllowed, bodyNoPost)
		return
	}
	connection.posting.Lock() // the bytes of two requests must not mix
	defer connection.posting.Unlock()
	chunk := chunks.Get().(*[4096]byte)
	defer chunks.Put(chunk)
	for {
		n, err := x.request.Body.Read(chunk[:])
		if n > 0 && !connection.receive(nil, chunk[:n]) {
			x.respond(http.StatusNotFound, "")
			return
		}
		if errors.Is(err, io.EOF) {
			x.respond(http.StatusOK, "")
			return
		}
		if err != nil {
			x.refuseBody(err)
			return
		}
	}
}

// receiver finds the connection and lets a POST, or a DELETE, in. It waits while the connection is on its way to another
// server.
func (x *exchange) receiver() *Connection {
	for {
		connection := x.connection()
		if connection == nil || connection.beginPost() {
			return connection
		}
	}
}

// refuseBody answers a request whose body did not come to its end.
func (x *exchange) refuseBody(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		x.respond(http.StatusRequestTimeout, "")
		return
	}
	x.respond(http.StatusBadRequest, "")
}

// The least speed of a body, and for how long it may be slower, as in ASP.NET Core's web server. Without them a client
// that sends nothing would hold up all further requests of its connection, and the end of the server.
const (
	minimumBodyRate = 240 // bytes per second
	bodyGrace       = 5 * time.Second
)

// patientBody reads the body of a request, as long as it comes fast enough. Only the time in which it is read counts: when
// the connection has to wait for room, that is not its client's fault.
type patientBody struct {
	io.ReadCloser
	// multiplexed is for HTTP/2, where a deadline ends the body when it comes, whether it is being read or not.
	multiplexed bool
	waited      time.Duration
	received    int
	// ended is the error that ended it. Whoever forwards a body reads it once more at its end. By then the HTTP server reads
	// what comes next, to notice when the client leaves: a deadline would be that of the client's connection.
	ended error

	// mu guards control, which is nil once the request has been answered: a body that is forwarded may be read for longer.
	mu      sync.Mutex
	control *http.ResponseController
}

func (x *exchange) patientBody() *patientBody {
	return &patientBody{
		ReadCloser: x.request.Body, multiplexed: x.request.ProtoMajor > 1, control: http.NewResponseController(x.writer),
	}
}

// Read implements io.Reader.
func (b *patientBody) Read(buffer []byte) (int, error) {
	if b.ended != nil {
		return 0, b.ended
	}
	began := time.Now()
	patience := bodyGrace + time.Duration(b.received)*time.Second/minimumBodyRate - b.waited
	b.limit(began.Add(patience))
	n, err := b.ReadCloser.Read(buffer)
	b.waited += time.Since(began)
	b.received += n
	b.ended = err
	if err == nil && b.multiplexed {
		b.limit(time.Time{})
	}
	return n, err
}

func (b *patientBody) limit(deadline time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.control != nil {
		_ = b.control.SetReadDeadline(deadline)
	}
}

// release leaves the deadlines alone from now on: they would be those of the next request, or of one that is gone.
func (b *patientBody) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.control = nil
}
