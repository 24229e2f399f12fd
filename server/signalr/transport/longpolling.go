package transport

import (
	"context"
	"errors"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// poll is one long-polling request that waits for something to send.
type poll struct {
	requestSink
	// forwarded tells that it came through another server.
	forwarded bool
	// left is closed, once, when the client shall poll elsewhere, parked when the connection has no poll any more.
	left, parked chan struct{}
	leaving      sync.Once
}

func newPoll(forwarded bool) *poll {
	return &poll{requestSink: newRequestSink(), forwarded: forwarded, left: make(chan struct{}), parked: make(chan struct{})}
}

// forwardedPollTimeout is how long a poll waits that came through another server: that one cannot end before it has been
// answered.
const forwardedPollTimeout = 5 * time.Second

// patience is how long the poll waits for something to send, of one that waits for most at its connection's own server.
func (p *poll) patience(most time.Duration) time.Duration {
	if p.forwarded {
		return min(most, forwardedPollTimeout)
	}
	return most
}

// leave ends the poll without a message. It reports false if that was done before.
func (p *poll) leave() (begun bool) {
	p.leaving.Do(func() {
		begun = true
		close(p.left)
	})
	return begun
}

// isPoll tells whether the request is a poll.
func (x *exchange) isPoll() bool {
	return x.request.Method == http.MethodGet && !isWebSocketUpgrade(x.request) && !isEventStream(x.request)
}

func (x *exchange) servePoll() {
	x.setNoCache()
	pending := newPoll(isForwarded(x.request.Context()))
	for {
		connection := x.connection()
		if connection == nil {
			return
		}
		first := connection.Kind() == 0
		if !x.bind(connection, LongPolling) {
			return
		}
		switch {
		case connection.attach(pending, newRequest(x.request, x.user)):
			x.servePending(connection, pending, first)
			return
		case !connection.isLeaving():
			x.respond(http.StatusNotFound, "")
			return
		}
	}
}

// servePending answers a poll of a connection.
func (x *exchange) servePending(connection *Connection, pending *poll, first bool) {
	defer close(pending.parked)
	if first {
		// The first poll only opens the connection: the client waits for its end before it sends the handshake.
		_ = x.respondPoll(nil) // a client that is gone is noticed by its absence
		connection.detach(pending, true, nil)
		return
	}
	x.await(connection, pending)
}

// await answers the poll with what comes first: messages, the end of the connection, a newer poll, the wish that the client
// polls elsewhere, or the timeout.
func (x *exchange) await(connection *Connection, pending *poll) {
	if connection.outbox.exhausted() {
		x.respond(http.StatusNoContent, "")
		connection.detach(pending, false, nil)
		return
	}
	timeout := time.NewTimer(pending.patience(connection.endpoint.options.PollTimeout))
	defer timeout.Stop()
	for {
		select {
		case <-pending.woken:
		case <-pending.aborted: // by a newer poll, or by the end of the connection
			x.respond(http.StatusNoContent, "")
			connection.detach(pending, true, nil)
			return
		case <-pending.left:
			if !pending.forwarded {
				x.writer.Header().Set("Connection", "close") // on the same one the next poll would come here again
			}
			x.respond(http.StatusOK, "")
			connection.detach(pending, true, nil)
			return
		case <-timeout.C:
			x.respond(http.StatusOK, "")
			connection.detach(pending, true, nil)
			return
		case <-x.request.Context().Done():
			connection.detach(pending, true, nil)
			return
		}
		if x.answer(connection, pending) {
			return
		}
	}
}

// answer sends everything that waits. It reports false if there was nothing.
func (x *exchange) answer(connection *Connection, pending *poll) bool {
	var next batch
	var body []byte
	last := false
	for !last && connection.outbox.take(pending, &next) {
		for _, payload := range next.messages {
			body = append(body, payload.Message()...)
		}
		last = next.last
		connection.manager.options.Observer.Sent(LongPolling, len(next.messages), next.bytes)
	}
	switch {
	case len(body) > 0:
		err := x.respondPoll(body)
		connection.detach(pending, err == nil, err)
	case last:
		x.respond(http.StatusNoContent, "")
		connection.detach(pending, false, nil)
	default:
		return false
	}
	return true
}

// respondPoll answers a poll. A client is slow that does not take the next piece in time: for how long all of them take there is no
// limit, as there is none for the other transports.
func (x *exchange) respondPoll(body []byte) error {
	header := x.writer.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	control := http.NewResponseController(x.writer)
	renew := func() { _ = control.SetWriteDeadline(time.Now().Add(x.endpoint.options.TransportSendTimeout)) }
	renew()
	x.writer.WriteHeader(http.StatusOK)
	for piece := range slices.Chunk(body, maximumBatch) {
		renew()
		if _, err := x.writer.Write(piece); err != nil {
			return slowOrGone(err)
		}
	}
	return nil
}

// noCacheHeaders are what setNoCache sets.
var noCacheHeaders = [...]string{"Cache-Control", "Pragma", "Expires"}

func (x *exchange) setNoCache() {
	header := x.writer.Header()
	header.Set("Cache-Control", "no-cache, no-store")
	header.Set("Pragma", "no-cache")
	header.Set("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")
}

// serveDelete ends a long-polling connection.
func (x *exchange) serveDelete() {
	connection := x.receiver()
	if connection == nil {
		return
	}
	defer connection.endPost()
	if connection.Kind() != LongPolling {
		x.respond(http.StatusBadRequest, bodyNoDelete)
		return
	}
	x.respond(http.StatusAccepted, "")
	connection.Abort(nil)
}

// slowOrGone words the error of a write that failed: a client that does not read is told from one that left.
func slowOrGone(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return ErrSlowClient
	}
	return nil
}
