package transport

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// servePost takes what a client of server-sent events or long polling sends. It is answered when the bytes are queued.
func (x *exchange) servePost() {
	if x.request.Body != http.NoBody { // else the server is reading on already, to notice when the client leaves
		x.request.Body = &patientBody{ReadCloser: x.request.Body, control: http.NewResponseController(x.writer)}
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
	control  *http.ResponseController
	waited   time.Duration
	received int
}

// Read implements io.Reader.
func (b *patientBody) Read(buffer []byte) (int, error) {
	began := time.Now()
	patience := bodyGrace + time.Duration(b.received)*time.Second/minimumBodyRate - b.waited
	_ = b.control.SetReadDeadline(began.Add(patience))
	n, err := b.ReadCloser.Read(buffer)
	b.waited += time.Since(began)
	b.received += n
	return n, err
}
