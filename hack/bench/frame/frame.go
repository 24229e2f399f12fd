// Package frame speaks the client's side of WebSocket framing (RFC 6455, section 5) and cuts the
// payload into hub messages. But for Upgrade it does no I/O: bytes come in as the network delivers them, in any pieces.
//
// A load generator shares the processors with the servers it measures, so this is made to cost next to
// nothing: payloads are looked at where they lie in the read buffer, and only what spans two reads is copied.
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Opcode is the kind of a frame.
type Opcode byte

// The opcodes of RFC 6455, section 5.2.
const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	Close        Opcode = 0x8
	Ping         Opcode = 0x9
	Pong         Opcode = 0xA
)

const (
	finalBit      = 0x80
	reservedBits  = 0x70
	opcodeBits    = 0x0F
	maskBit       = 0x80
	lengthBits    = 0x7F
	length16      = 126
	length64      = 127
	maxHeader     = 10
	maxControl    = 125
	maxPayload    = 1 << 40
	shortHeader   = 2
	header16      = 4
	maskKeyLength = 4
)

// ErrProtocol is wrapped by every error that a Reader reports about the server's framing.
var ErrProtocol = errors.New("websocket protocol violated by the server")

// Append adds one final frame, masked with key as clients must, to dst and returns the longer slice.
func Append(dst []byte, opcode Opcode, key [maskKeyLength]byte, payload []byte) []byte {
	dst = append(dst, finalBit|byte(opcode))
	switch size := len(payload); {
	case size < length16:
		dst = append(dst, maskBit|byte(size))
	case size <= 0xFFFF:
		dst = binary.BigEndian.AppendUint16(append(dst, maskBit|length16), uint16(size))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, maskBit|length64), uint64(size))
	}
	dst = append(dst, key[:]...)
	for i, b := range payload {
		dst = append(dst, b^key[i%maskKeyLength])
	}
	return dst
}

// Handler gets what a Reader finds. The slices belong to the caller of Feed: they are valid during the call only.
// An error ends Feed and is returned by it.
type Handler interface {
	// Data gets the next piece of the payload of text or binary frames, in order.
	Data(piece []byte) error
	// Control gets a whole Close, Ping or Pong.
	Control(opcode Opcode, payload []byte) error
}

// Reader reads the frames that a server sends. The zero value is ready. Not for concurrent use.
type Reader struct {
	header  [maxHeader]byte
	have    int // bytes of header that have come
	inside  bool
	opcode  Opcode
	left    uint64 // payload bytes of this frame still to come
	control []byte
}

// Feed takes the next bytes of the connection and calls handler for what they complete.
// After an error the Reader is of no use.
func (r *Reader) Feed(data []byte, handler Handler) error {
	var err error
	for {
		if !r.inside {
			if data, err = r.takeHeader(data); err != nil || !r.inside {
				return err
			}
		}
		if r.left > 0 && len(data) == 0 {
			return nil
		}
		if data, err = r.takePayload(data, handler); err != nil {
			return err
		}
	}
}

func (r *Reader) takeHeader(data []byte) ([]byte, error) {
	for {
		need := r.headerLength()
		if r.have == need {
			return data, r.begin()
		}
		if len(data) == 0 {
			return nil, nil
		}
		n := copy(r.header[r.have:need], data)
		r.have += n
		data = data[n:]
	}
}

// headerLength is how long the header is, as far as its first two bytes have come to tell.
func (r *Reader) headerLength() int {
	if r.have < shortHeader {
		return shortHeader
	}
	switch r.header[1] & lengthBits {
	case length16:
		return header16
	case length64:
		return maxHeader
	default:
		return shortHeader
	}
}

// begin reads the complete header and opens its payload.
func (r *Reader) begin() error {
	first, second := r.header[0], r.header[1]
	r.opcode, r.left = Opcode(first&opcodeBits), uint64(second&lengthBits)
	switch r.left {
	case length16:
		r.left = uint64(binary.BigEndian.Uint16(r.header[2:]))
	case length64:
		r.left = binary.BigEndian.Uint64(r.header[2:])
	}
	r.have, r.inside, r.control = 0, true, r.control[:0]
	return checkHeader(first, second, r.opcode, r.left)
}

func checkHeader(first, second byte, opcode Opcode, length uint64) error {
	switch {
	case first&reservedBits != 0:
		return fmt.Errorf("%w: reserved bits set, no extension was agreed", ErrProtocol)
	case second&maskBit != 0:
		return fmt.Errorf("%w: masked frame", ErrProtocol)
	case opcode > Binary && opcode < Close || opcode > Pong:
		return fmt.Errorf("%w: unknown opcode %#x", ErrProtocol, byte(opcode))
	case opcode >= Close && (length > maxControl || first&finalBit == 0):
		return fmt.Errorf("%w: control frame that is fragmented or longer than %d bytes", ErrProtocol, maxControl)
	case length > maxPayload:
		return fmt.Errorf("%w: frame of %d bytes", ErrProtocol, length)
	}
	return nil
}

func (r *Reader) takePayload(data []byte, handler Handler) ([]byte, error) {
	piece := data
	if uint64(len(piece)) > r.left {
		piece = piece[:r.left]
	}
	r.left -= uint64(len(piece))
	r.inside = r.left > 0
	data = data[len(piece):]
	if r.opcode < Close {
		return data, handler.Data(piece)
	}
	r.control = append(r.control, piece...)
	if r.inside {
		return data, nil
	}
	return data, handler.Control(r.opcode, r.control)
}
