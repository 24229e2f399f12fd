package transport

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/transport/frame"
)

// chunks are read buffers. Only a connection that has something to read holds one.
var chunks = sync.Pool{New: func() any { return new([4096]byte) }}

// byteSource reads what a client sends. wait returns when there is something, with a chunk that the caller gives back
// to chunks and how much of it is filled; its error is io.EOF or that of the network.
type byteSource interface {
	wait() (chunk *[4096]byte, filled int, err error)
}

// errClosed says that the client has ended the WebSocket by a close frame.
var errClosed = errors.New("closed by the client")

// start moves what the client sends to the session until the socket ends.
func (s *webSocket) start() {
	s.source = s.newSource()
	early := s.early
	s.early = nil
	if err := s.take(early); err != nil {
		s.end(err)
		return
	}
	s.await()
}

// quiet is how long a client that says little says nothing.
const quiet = time.Second

// await reads what the client sends, on the smallest stack that there is: the many goroutines that wait for quiet clients
// shall not need more. What is done with their bytes takes a deeper stack, and a stack that has grown stays large; so
// after a pause it is done in a goroutine of its own. A client that keeps sending is spared the switching.
func (s *webSocket) await() {
	for {
		chunk, filled, err := s.source.wait()
		now := time.Now()
		paused := now.Sub(s.heard) > quiet
		s.heard = now
		if paused {
			s.connection.manager.spawn(func() {
				if s.received(chunk, filled, err) {
					s.connection.manager.spawn(s.await)
				}
			})
			return
		}
		if !s.received(chunk, filled, err) {
			return
		}
	}
}

// received takes what was awaited. It reports whether there is more to come.
func (s *webSocket) received(chunk *[4096]byte, filled int, err error) bool {
	if err == nil {
		err = s.take(chunk[:filled])
		chunks.Put(chunk)
	}
	if err != nil {
		s.end(err)
		return false
	}
	return true
}

// end is what follows the end of the socket.
func (s *webSocket) end(cause error) {
	s.hangUp()
	s.connection.detach(s, !errors.Is(cause, errClosed), nil)
}

// take reads the frames of data. A client that violates the protocol is told so.
func (s *webSocket) take(data []byte) error {
	err := s.frames.Feed(data, s)
	if violation := (*frame.Error)(nil); errors.As(err, &violation) {
		payload := binary.BigEndian.AppendUint16(nil, violation.Code)
		s.reply(frame.Close, append(payload, violation.Reason...))
	}
	return err
}

// Data implements frame.Handler. A socket that has lost its connection is read to its end.
func (s *webSocket) Data(piece []byte) error {
	s.connection.receive(s, piece)
	return nil
}

// Control implements frame.Handler: a Ping is answered by its Pong, a Close by itself.
func (s *webSocket) Control(opcode frame.Opcode, payload []byte) error {
	switch opcode {
	case frame.Ping:
		s.reply(frame.Pong, payload)
	case frame.Close:
		s.reply(frame.Close, payload)
		return errClosed
	}
	return nil
}

// reply lets a control frame take its turn among the messages.
func (s *webSocket) reply(opcode frame.Opcode, payload []byte) {
	s.connection.outbox.sendRaw(frame.Append(make([]byte, 0, len(payload)+2), opcode, payload))
}

// hangUpTimeout is how long a close frame may take to be written before the socket is closed without.
const hangUpTimeout = time.Second

// hangUp closes the socket. It lets a control frame that was just written out first.
func (s *webSocket) hangUp() {
	if written := s.connection.outbox.hangUp(s); written != nil {
		_ = s.net.SetWriteDeadline(time.Now().Add(hangUpTimeout))
		<-written
	}
	_ = s.net.Close()
}

// smallestRead is the buffer in which a client's next bytes are awaited where that takes one: hub messages of a quiet
// client, pings and acknowledgements, are shorter.
const smallestRead = 64

// bufferedSource awaits the client's bytes in a small buffer of its own: TLS cannot say that there are some without
// reading them.
type bufferedSource struct {
	conn   io.Reader
	buffer [smallestRead]byte
}

// wait implements byteSource.
func (b *bufferedSource) wait() (*[4096]byte, int, error) {
	n, err := b.conn.Read(b.buffer[:])
	if n == 0 && err != nil {
		return nil, 0, err
	}
	chunk := chunks.Get().(*[4096]byte)
	return chunk, copy(chunk[:], b.buffer[:n]), nil
}
