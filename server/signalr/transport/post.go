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
	connection := x.connection()
	if connection == nil {
		return
	}
	if connection.Kind() == WebSockets {
		x.respond(http.StatusMethodNotAllowed, bodyNoPost)
		return
	}
	connection.posting.Lock() // the bytes of two requests must not mix
	defer connection.posting.Unlock()
	body := &patientBody{body: x.request.Body, control: http.NewResponseController(x.writer), started: time.Now()}
	chunk := chunks.Get().(*[4096]byte)
	defer chunks.Put(chunk)
	for {
		n, err := body.Read(chunk[:])
		if n > 0 && !x.pass(connection, body, chunk[:n]) {
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

// refuseBody answers a request whose body did not come to its end.
func (x *exchange) refuseBody(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		x.respond(http.StatusRequestTimeout, "")
		return
	}
	x.respond(http.StatusBadRequest, "")
}

// pass gives the connection a part of a body. The time that the connection takes is not the client's.
func (x *exchange) pass(connection *Connection, body *patientBody, part []byte) bool {
	began := time.Now()
	defer func() { body.started = body.started.Add(time.Since(began)) }()
	return connection.receive(nil, part)
}

// The least speed of a body, and for how long it may be slower, as in ASP.NET Core's web server. Without them a client
// that sends nothing would hold up all further requests of its connection, and the end of the server.
const (
	minimumBodyRate = 240 // bytes per second
	bodyGrace       = 5 * time.Second
)

// patientBody reads the body of a request, as long as it comes fast enough.
type patientBody struct {
	body     io.Reader
	control  *http.ResponseController
	started  time.Time
	received int
}

// Read implements io.Reader.
func (b *patientBody) Read(buffer []byte) (int, error) {
	_ = b.control.SetReadDeadline(b.started.Add(bodyGrace + time.Duration(b.received)*time.Second/minimumBodyRate))
	n, err := b.body.Read(buffer)
	b.received += n
	return n, err
}
