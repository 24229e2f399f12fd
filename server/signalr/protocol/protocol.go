// Package protocol turns SignalR hub messages into bytes and back: the handshake, the JSON protocol and the
// MessagePack protocol, as Microsoft's HubProtocol.md specifies them. It does no I/O and keeps no state, so every
// value here is safe for concurrent use.
package protocol

import "errors"

// MaximumVersion is the highest version of the hub protocols that is spoken: 2 adds Ack and Sequence to 1.
const MaximumVersion = 2

// ErrTooLarge is the error of a message that exceeds the limit given to Decode, wrapped with the limit.
var ErrTooLarge = errors.New("maximum message size exceeded")

// Protocol encodes and decodes the messages of one hub protocol.
type Protocol interface {
	// Name is the name that the handshake carries: "json" or "messagepack".
	Name() string
	// Binary tells whether the transport must carry bytes that are not UTF-8 text.
	Binary() bool
	// Decode reads the first message of input. It returns the number of bytes it took; 0 with a nil error means
	// that the message is not complete yet. A message of an unknown type is returned as nil with its length, to be
	// skipped. limit bounds the size of one message in bytes, framing included; 0 means no limit. It is checked
	// before the whole message is there, so that a caller never buffers more than limit. An error ends the
	// connection: where the next message starts is then unknown.
	Decode(input []byte, limit int) (message Message, length int, err error)
	// Append encodes message, framing included, behind buffer and returns the extended buffer.
	Append(buffer []byte, message Message) ([]byte, error)
	// Unmarshal decodes one value of a decoded message into the Go value that into points to.
	Unmarshal(raw Raw, into any) error
}
