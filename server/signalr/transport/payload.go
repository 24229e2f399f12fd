package transport

import "encoding/binary"

// The WebSocket frame header of a message that fits one frame (RFC 6455, section 5.2).
const (
	finalText   = 0x81
	finalBinary = 0x82
	// maximumHeader is the length of the longest header of a server's frame: no mask, 64-bit length.
	maximumHeader = 10
)

// Payload is one hub message, framed by its hub protocol and ready for any number of connections: they share its
// bytes. It is immutable.
type Payload struct {
	// bytes is the WebSocket frame header and the message behind it, so that the common case, one message to an
	// idle WebSocket, is one write without a copy.
	bytes  []byte
	header int
	binary bool
}

// NewPayload copies message, which is one hub message with its framing. binary tells whether its protocol is a binary one.
func NewPayload(message []byte, binary bool) *Payload {
	header := headerLength(len(message))
	bytes := make([]byte, 0, header+len(message))
	bytes = appendHeader(bytes, len(message), binary)
	return &Payload{bytes: append(bytes, message...), header: header, binary: binary}
}

// Message is the hub message with its framing; it must not be changed.
func (p *Payload) Message() []byte { return p.bytes[p.header:] }

// Len is the length of the message in bytes.
func (p *Payload) Len() int { return len(p.bytes) - p.header }

func headerLength(length int) int {
	switch {
	case length < 126:
		return 2
	case length <= 0xffff:
		return 4
	default:
		return maximumHeader
	}
}

// appendHeader writes the header of an unfragmented, unmasked data frame with length bytes.
func appendHeader(buffer []byte, length int, isBinary bool) []byte {
	first := byte(finalText)
	if isBinary {
		first = finalBinary
	}
	switch headerLength(length) {
	case 2:
		return append(buffer, first, byte(length))
	case 4:
		return binary.BigEndian.AppendUint16(append(buffer, first, 126), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(buffer, first, 127), uint64(length))
	}
}
