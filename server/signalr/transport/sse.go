package transport

import (
	"bytes"
	"net/http"
	"sync"
	"time"
)

// eventStream is the response of a server-sent events request: the outbox is written to it until either side ends.
type eventStream struct {
	requestSink
	connection *Connection
	writer     http.ResponseWriter
	limit      sendLimit
}

// requestSink is a sink whose request has a goroutine that waits.
type requestSink struct {
	woken   chan struct{}
	aborted chan struct{}
	once    sync.Once
}

func newRequestSink() requestSink {
	return requestSink{woken: make(chan struct{}, 1), aborted: make(chan struct{})}
}

// wake implements sink.
func (s *requestSink) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// abort implements attachment.
func (s *requestSink) abort() { s.once.Do(func() { close(s.aborted) }) }

// isEventStream tells whether the request is for server-sent events.
func isEventStream(r *http.Request) bool {
	return r.Method == http.MethodGet && accepts(r, "text/event-stream")
}

func (x *exchange) serveEvents() {
	connection := x.connection()
	if connection == nil || !x.bind(connection, ServerSentEvents) {
		return
	}
	if status := connection.reserve(); status != 0 {
		x.respond(status, "")
		return
	}
	stream := &eventStream{
		requestSink: newRequestSink(), connection: connection,
		writer: x.writer, limit: x.sendLimit(connection.endpoint.options.TransportSendTimeout),
	}
	x.setEventHeaders()
	if stream.write([]byte(":\r\n")) != nil || !connection.attach(stream, nil) { // the comment makes browsers report the stream as open
		connection.release()
		return
	}
	err := stream.run(x.request.Context().Done())
	connection.detach(stream, false, err)
}

func (x *exchange) setEventHeaders() {
	header := x.writer.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-cache,no-store")
	header.Set("Pragma", "no-cache")
	header.Set("Content-Encoding", "identity")
}

// run writes events until the client is gone (nil), the connection ends (nil) or a write fails.
func (s *eventStream) run(gone <-chan struct{}) error {
	var next batch
	var buffer []byte
	for {
		select {
		case <-gone:
			return nil
		case <-s.aborted:
			return nil
		case <-s.woken:
		}
		for s.connection.outbox.take(s, &next) {
			buffer = appendEvent(buffer[:0], next.messages)
			if err := s.write(buffer); err != nil {
				return slowOrGone(err)
			}
			s.connection.manager.options.Observer.Sent(ServerSentEvents, len(next.messages), next.bytes)
			if next.last {
				return nil
			}
		}
	}
}

func (s *eventStream) write(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	s.limit.begin()
	defer s.limit.end()
	if _, err := s.writer.Write(data); err != nil {
		return err
	}
	return s.limit.control.Flush()
}

// sendLimit is how long each write of a response may take.
type sendLimit struct {
	control *http.ResponseController
	timeout time.Duration
	// multiplexed is for HTTP/2, where a deadline ends the response when it comes, whether it is being written or not: it is
	// taken back behind every write. Over HTTP/1.1 that does no harm, and the last one is for the end of the response, which
	// the server writes by itself.
	multiplexed bool
}

func (x *exchange) sendLimit(timeout time.Duration) sendLimit {
	return sendLimit{control: http.NewResponseController(x.writer), timeout: timeout, multiplexed: x.request.ProtoMajor > 1}
}

func (l *sendLimit) begin() { _ = l.control.SetWriteDeadline(time.Now().Add(l.timeout)) }

func (l *sendLimit) end() {
	if l.multiplexed {
		_ = l.control.SetWriteDeadline(time.Time{})
	}
}

// appendEvent makes one event of messages: each of its lines is a data field (TransportProtocols.md, "Server-Sent Events").
func appendEvent(buffer []byte, messages []*Payload) []byte {
	if len(messages) == 0 {
		return buffer
	}
	buffer = append(buffer, "data: "...)
	for _, payload := range messages {
		rest := payload.Message()
		for {
			line, after, more := bytes.Cut(rest, []byte{'\n'})
			if !more {
				buffer = append(buffer, rest...)
				break
			}
			buffer = append(buffer, bytes.TrimSuffix(line, []byte{'\r'})...)
			buffer = append(buffer, "\r\ndata: "...)
			rest = after
		}
	}
	return append(buffer, "\r\n\r\n"...)
}
