package suite

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// The WebSocket opcodes (RFC 6455, section 5.2).
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// socket is the client's end of a WebSocket, frame by frame.
type socket struct {
	conn   net.Conn
	reader *bufio.Reader
}

// closeError is the end of a WebSocket by a close frame.
type closeError struct {
	code   int
	reason string
}

func (e *closeError) Error() string { return fmt.Sprintf("closed with %d %q", e.code, e.reason) }

// dialSocket opens a WebSocket. Without an upgrade the socket is nil, and the response says why.
func dialSocket(ctx context.Context, address string, header http.Header) (*socket, *http.Response, error) {
	target, err := url.Parse(address)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", target.Host)
	if err != nil {
		return nil, nil, fmt.Errorf("open a WebSocket: %w", err)
	}
	s := &socket{conn: conn, reader: bufio.NewReader(conn)}
	response, err := s.upgrade(target, header)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		_ = conn.Close()
		return nil, response, err
	}
	return s, response, nil
}

// upgrade sends the opening handshake. The body of a refusal is read before the connection is closed.
func (s *socket) upgrade(target *url.URL, header http.Header) (*http.Response, error) {
	key := make([]byte, 16)
	_, _ = rand.Read(key)
	request := &http.Request{Method: http.MethodGet, URL: target, Host: target.Host, Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {base64.StdEncoding.EncodeToString(key)},
	}}
	for name, values := range header {
		request.Header[name] = values
	}
	_ = s.conn.SetDeadline(time.Now().Add(patience))
	if err := request.Write(s.conn); err != nil {
		return nil, fmt.Errorf("ask for a WebSocket: %w", err)
	}
	response, err := http.ReadResponse(s.reader, request)
	if err != nil {
		return nil, fmt.Errorf("read the answer to the upgrade: %w", err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(response.Body)
		response.Body = io.NopCloser(bytes.NewReader(body))
	}
	return response, nil
}

// write sends one unfragmented message.
func (s *socket) write(opcode byte, payload []byte) error { return s.writeFrame(opcode, true, payload) }

// writeFrame sends one frame, masked as a client's frames must be.
func (s *socket) writeFrame(opcode byte, final bool, payload []byte) error {
	first := opcode
	if final {
		first |= 0x80
	}
	frame := []byte{first}
	switch {
	case len(payload) < 126:
		frame = append(frame, 0x80|byte(len(payload)))
	case len(payload) <= 0xFFFF:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(len(payload)))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x80|127), uint64(len(payload)))
	}
	mask := [4]byte{0x12, 0x34, 0x56, 0x78}
	frame = append(frame, mask[:]...)
	for i, b := range payload {
		frame = append(frame, b^mask[i%4])
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(patience))
	_, err := s.conn.Write(frame)
	return err
}

// read returns the next message and its opcode. It answers pings and close frames; after the latter it returns a
// *closeError.
func (s *socket) read() (opcode byte, message []byte, err error) {
	for {
		kind, final, payload, err := s.readFrame()
		if err != nil {
			return 0, nil, err
		}
		switch kind {
		case opPing:
			_ = s.write(opPong, payload)
			continue
		case opPong:
			continue
		case opClose:
			_ = s.write(opClose, payload)
			return 0, nil, parseClose(payload)
		case opContinuation:
		default:
			opcode = kind
		}
		message = append(message, payload...)
		if final {
			return opcode, message, nil
		}
	}
}

func parseClose(payload []byte) error {
	if len(payload) < 2 {
		return &closeError{code: 1005}
	}
	return &closeError{code: int(binary.BigEndian.Uint16(payload)), reason: string(payload[2:])}
}

func (s *socket) readFrame() (opcode byte, final bool, payload []byte, err error) {
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	var head [2]byte
	if _, err := io.ReadFull(s.reader, head[:]); err != nil {
		return 0, false, nil, err
	}
	if head[0]&0x70 != 0 || head[1]&0x80 != 0 {
		return 0, false, nil, errors.New("the server sent a frame with reserved bits or a mask")
	}
	length := uint64(head[1])
	if length >= 126 {
		extended := make([]byte, map[uint64]int{126: 2, 127: 8}[length])
		if _, err := io.ReadFull(s.reader, extended); err != nil {
			return 0, false, nil, err
		}
		length = 0
		for _, b := range extended {
			length = length<<8 | uint64(b)
		}
	}
	payload = make([]byte, length)
	_, err = io.ReadFull(s.reader, payload)
	return head[0] & 0x0F, head[0]&0x80 != 0, payload, err
}

// close sends a close frame; the server's comes with the next read.
func (s *socket) close(code int) error {
	return s.write(opClose, binary.BigEndian.AppendUint16(nil, uint16(code)))
}

// cut drops the connection without a close frame, as a network that is gone does.
func (s *socket) cut() { _ = s.conn.Close() }
