package transport

import (
	"encoding/binary"
	"errors"
	"os"
	"time"
)

// wake implements sink.
func (s *webSocket) wake() { s.flusher.add(s) }

// flush writes what waits for this socket, without waiting for the socket.
func (s *webSocket) flush(w *nonblockingWriter) {
	if !s.connection.outbox.take(s, &w.batch) {
		return
	}
	data := w.frame(s, &w.batch)
	written, err := w.write(s.raw, data)
	if err != nil {
		s.fail(err)
		return
	}
	if written < len(data) {
		rest := append([]byte(nil), data[written:]...)
		last := w.batch.last
		s.count(&w.batch)
		s.connection.manager.spawn(func() { s.writeRest(rest, last) })
		return
	}
	s.count(&w.batch)
	if w.batch.last {
		s.awaitClose()
		return
	}
	s.flusher.add(s) // what came meanwhile; if nothing did, take says so
}

// writeRest writes what the socket did not take at once and all that follows, until nothing does.
func (s *webSocket) writeRest(rest []byte, last bool) {
	var w frameBuilder
	var next batch
	for {
		_ = s.net.SetWriteDeadline(time.Now().Add(s.connection.endpoint.options.TransportSendTimeout))
		if _, err := s.net.Write(rest); err != nil {
			s.fail(err)
			return
		}
		if last {
			s.awaitClose()
			return
		}
		_ = s.net.SetWriteDeadline(time.Time{})
		if !s.connection.outbox.take(s, &next) {
			return
		}
		rest, last = w.frame(s, &next), next.last
		s.count(&next)
	}
}

// fail ends a socket that cannot be written to. A client that is merely slow loses its connection, one whose network
// is gone may come back.
func (s *webSocket) fail(err error) {
	s.connection.outbox.detach(s)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.connection.Abort(ErrSlowClient)
	}
	_ = s.net.Close()
	s.connection.breaks(s)
}

// awaitClose gives the client time to answer the close frame that has just been written.
func (s *webSocket) awaitClose() {
	s.connection.outbox.detach(s)
	_ = s.net.SetReadDeadline(time.Now().Add(s.connection.endpoint.options.CloseTimeout))
}

func (s *webSocket) count(b *batch) {
	if len(b.messages) > 0 {
		s.connection.manager.options.Observer.Sent(WebSockets, len(b.messages), b.bytes)
	}
}

// frameBuilder makes the bytes of a batch: the messages in one WebSocket message, which clients take apart. It reuses
// its buffer from one batch to the next.
type frameBuilder struct {
	buffer []byte
}

// frame returns the bytes to write. They are valid until the next call.
func (w *frameBuilder) frame(s *webSocket, b *batch) []byte {
	if len(b.raw) == 0 && len(b.messages) == 1 && !b.last {
		return b.messages[0].bytes
	}
	buffer := w.buffer[:0]
	buffer = append(buffer, b.raw...)
	for rest := b.messages; len(rest) > 0; {
		count, bytes := sameFormat(rest)
		buffer = appendHeader(buffer, bytes, rest[0].binary)
		for _, payload := range rest[:count] {
			buffer = append(buffer, payload.Message()...)
		}
		rest = rest[count:]
	}
	if b.last {
		buffer = append(buffer, 0x88, 2)
		buffer = binary.BigEndian.AppendUint16(buffer, s.connection.code())
	}
	if cap(buffer) <= 2*maximumBatch {
		w.buffer = buffer
	}
	return buffer
}

// sameFormat counts the messages at the front that may share a WebSocket message: a text handshake response and a
// binary message may not.
func sameFormat(messages []*Payload) (count, bytes int) {
	for _, payload := range messages {
		if payload.binary != messages[0].binary {
			break
		}
		count++
		bytes += payload.Len()
	}
	return count, bytes
}
