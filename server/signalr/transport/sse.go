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
	control    *http.ResponseController
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
		writer: x.writer, control: http.NewResponseController(x.writer),
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
	_ = s.control.SetWriteDeadline(time.Now().Add(s.connection.endpoint.options.TransportSendTimeout))
	if _, err := s.writer.Write(data); err != nil {
		return err
	}
	return s.control.Flush()
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
