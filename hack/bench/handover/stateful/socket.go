package stateful

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/frame"
	"github.com/chatcluster/chatcluster/server/signalr/protocol"
)

const (
	// openTimeout is how long Microsoft's clients bear silence, an attempt to open included.
	openTimeout  = 30 * time.Second
	writeTimeout = 10 * time.Second
	// tendInterval is how often a client looks whether it has to acknowledge, to ping, or to give up.
	tendInterval  = time.Second
	pingInterval  = 15 * time.Second
	serverTimeout = 30 * time.Second

	readBuffer     = 8 << 10
	maximumMessage = 1 << 20
)

var (
	errCloseFrame = errors.New("close frame")
	errSilent     = errors.New("the server was silent for too long")
)

// lostError says that a socket ended in a way that the session outlives.
type lostError struct{ error }

func (e lostError) Unwrap() error { return e.error }

// resumable tells whether the session goes on after what a socket ended with.
func resumable(err error) bool {
	var lost lostError
	return errors.As(err, &lost)
}

// socket is one WebSocket of a client. serve runs it; send may be called meanwhile.
type socket struct {
	client *Client
	conn   net.Conn
	opened time.Time
	early  []byte // came with the answer to the upgrade
	opcode frame.Opcode
	frames frame.Reader
	// input are bytes that make no whole hub message yet.
	input      []byte
	handshaken bool
	heard      atomic.Int64 // when something came last, Unix nanoseconds
	silent     atomic.Bool  // closed because nothing came

	mu     sync.Mutex    // guards output
	output []byte        // frames to write
	wake   chan struct{} // holds one token while output waits
}

// dial opens a WebSocket of the connection with that token.
func (c *Client) dial(ctx context.Context, token string) (*socket, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.target.address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	reader := bufio.NewReaderSize(conn, readBuffer)
	header, err := frame.Upgrade(conn, reader, c.target.host, c.target.socketPath(token))
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	s := &socket{client: c, conn: conn, opened: time.Now(), opcode: frame.Text, handshaken: true, wake: make(chan struct{}, 1)}
	if c.options.Protocol.Binary() {
		s.opcode = frame.Binary
	}
	s.heard.Store(time.Now().UnixNano())
	s.early, _ = reader.Peek(reader.Buffered())
	c.options.Observer.Opened(header)
	return s, nil
}

// shakeHands agrees on the hub protocol.
func (s *socket) shakeHands(ctx context.Context) error {
	const version = 2 // has Ack and Sequence
	s.handshaken = false
	request := protocol.HandshakeRequest{Protocol: s.client.options.Protocol.Name(), Version: version}
	s.send(protocol.AppendHandshakeRequest(nil, request))
	if err := s.flush(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for buffer := make([]byte, readBuffer); !s.handshaken; {
		if err := s.receive(buffer); err != nil {
			return fmt.Errorf("handshake: %w", err)
		}
	}
	return nil
}

// serve handles what comes until the socket ends, and returns why. The error is a lostError if the session may go on.
func (s *socket) serve(ctx context.Context) error {
	running, stop := context.WithCancel(ctx)
	var writer sync.WaitGroup
	writer.Go(func() { s.write(running) })
	defer writer.Wait()
	defer stop()
	leave := context.AfterFunc(running, s.close)
	defer leave()
	buffer := make([]byte, readBuffer)
	for {
		if err := s.receive(buffer); err != nil {
			s.close()
			return err
		}
	}
}

func (s *socket) close() { _ = s.conn.Close() }

// receive reads once and handles what has come.
func (s *socket) receive(buffer []byte) error {
	data := s.early
	s.early = nil
	if len(data) == 0 {
		n, err := s.conn.Read(buffer)
		if err != nil {
			return s.lost(err)
		}
		data = buffer[:n]
	}
	s.heard.Store(time.Now().UnixNano())
	return s.frames.Feed(data, s)
}

// lost tells a socket that broke from one that the client gave up.
func (s *socket) lost(err error) error {
	if s.silent.Load() {
		return errSilent
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("the socket ended")
	}
	return lostError{err}
}

// Data implements frame.Handler.
func (s *socket) Data(piece []byte) error {
	s.input = append(s.input, piece...)
	rest := s.input
	for len(rest) > 0 {
		length, err := s.next(rest)
		if err != nil {
			return err
		}
		if length == 0 {
			break
		}
		rest = rest[length:]
	}
	s.input = append(s.input[:0], rest...)
	return nil
}

// next handles the first message of input and returns its length, 0 if it is not complete.
func (s *socket) next(input []byte) (length int, err error) {
	if !s.handshaken {
		refusal, length, err := protocol.ParseHandshakeResponse(input, maximumMessage)
		switch {
		case err != nil:
			return 0, fmt.Errorf("read the answer to the handshake: %w", err)
		case refusal != "":
			return 0, fmt.Errorf("the server refuses: %s", refusal)
		}
		s.handshaken = length > 0
		return length, nil
	}
	message, length, err := s.client.options.Protocol.Decode(input, maximumMessage)
	if err != nil {
		return 0, fmt.Errorf("read a hub message: %w", err)
	}
	if message == nil {
		return length, nil
	}
	return length, s.client.handle(message)
}

// Control implements frame.Handler.
func (s *socket) Control(opcode frame.Opcode, payload []byte) error {
	switch opcode {
	case frame.Ping:
		s.queue(frame.Pong, payload)
	case frame.Close:
		return errCloseFrame
	}
	return nil
}
