// Package frame reads the frames that WebSocket clients send (RFC 6455, section 5). It does no I/O and has no buffer:
// bytes come in as the network delivers them, in any pieces, and go out from where they lie. So a connection that waits
// for its client costs no more than the fields of a Reader.
package frame

import "encoding/binary"

// Opcode is the kind of a frame (RFC 6455, section 5.2).
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

// The close codes for clients that violate the protocol (RFC 6455, section 7.4.1).
const (
	CodeProtocolError uint16 = 1002
	CodeInvalidText   uint16 = 1007
)

// Error says how a client has violated the protocol. Its connection must be closed with the code and the reason.
type Error struct {
	Code   uint16
	Reason string
}

// Error implements error.
func (e *Error) Error() string { return "websocket protocol violated by the client: " + e.Reason }

func violation(reason string) error { return &Error{Code: CodeProtocolError, Reason: reason} }

// MaximumControl is the longest payload of a control frame, in bytes.
const MaximumControl = 125

const (
	finalBit     = 0x80
	reservedBits = 0x70
	opcodeBits   = 0x0F
	maskBit      = 0x80
	lengthBits   = 0x7F
	length16     = 126
	length64     = 127
	keyLength    = 4
	shortest     = 2
)

// Handler gets what a Reader finds. The slices belong to the caller of Feed: they are valid during the call only. An
// error ends Feed and is returned by it.
type Handler interface {
	// Data gets the next piece of the payload of text or binary messages, in order.
	Data(piece []byte) error
	// Control gets a whole Close, Ping or Pong. The payload of a Close is empty or has a valid code and reason.
	Control(opcode Opcode, payload []byte) error
}

// Reader takes the frames of one client apart. The zero value is ready. Not for concurrent use.
type Reader struct {
	// header is that of the present frame, as far as it has come: have bytes.
	header [shortest + 8 + keyLength]byte
	have   uint8
	// inside is set while the payload of a frame is read; left is what is still to come of it.
	inside bool
	opcode Opcode
	final  bool
	key    [keyLength]byte
	// turn is which byte of the key comes next.
	turn uint8
	left uint64
	// message is Text or Binary from a message's first frame to its last; Continuation between messages.
	message Opcode
	text    textCheck
	// control gathers the payload of a control frame that comes in pieces.
	control []byte
}

// Feed takes the next bytes of the connection, removes the client's masks where they lie, and calls handler for what they
// complete. Its errors are *Error and the handler's; after one the Reader is of no use.
func (r *Reader) Feed(data []byte, handler Handler) error {
	for {
		if !r.inside {
			rest, err := r.takeHeader(data)
			if err != nil || !r.inside {
				return err
			}
			data = rest
		}
		if r.left > 0 && len(data) == 0 {
			return nil
		}
		rest, err := r.takePayload(data, handler)
		if err != nil {
			return err
		}
		data = rest
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
		r.have += uint8(n)
		data = data[n:]
		if r.have >= shortest {
			if err := r.checkStart(); err != nil {
				return nil, err
			}
		}
	}
}

// headerLength is how long the header is, as far as its first two bytes have come to tell.
func (r *Reader) headerLength() uint8 {
	if r.have < shortest {
		return shortest
	}
	switch r.header[1] & lengthBits {
	case length16:
		return shortest + 2 + keyLength
	case length64:
		return shortest + 8 + keyLength
	default:
		return shortest + keyLength
	}
}

// checkStart looks at the first two bytes, before more of a frame that must not be is waited for.
func (r *Reader) checkStart() error {
	opcode, length, final := Opcode(r.header[0]&opcodeBits), r.header[1]&lengthBits, r.header[0]&finalBit != 0
	switch {
	case r.header[0]&reservedBits != 0:
		return violation("reserved bits are set, no extension was agreed")
	case r.header[1]&maskBit == 0:
		return violation("frame without a mask")
	case opcode > Binary && opcode < Close || opcode > Pong:
		return violation("unknown opcode")
	case opcode >= Close && !final:
		return violation("fragmented control frame")
	case opcode >= Close && length > MaximumControl:
		return violation("control frame longer than 125 bytes")
	case opcode == Continuation && r.message == Continuation:
		return violation("continuation of no message")
	case (opcode == Text || opcode == Binary) && r.message != Continuation:
		return violation("message within a message")
	}
	return nil
}

// begin reads the complete header and opens its payload.
func (r *Reader) begin() error {
	r.opcode, r.final = Opcode(r.header[0]&opcodeBits), r.header[0]&finalBit != 0
	switch length := r.header[1] & lengthBits; length {
	case length16:
		r.left = uint64(binary.BigEndian.Uint16(r.header[shortest:]))
	case length64:
		r.left = binary.BigEndian.Uint64(r.header[shortest:])
	default:
		r.left = uint64(length)
	}
	if r.left>>63 != 0 {
		return violation("length with the highest bit set")
	}
	copy(r.key[:], r.header[r.have-keyLength:])
	if r.opcode == Text || r.opcode == Binary {
		r.message = r.opcode
	}
	r.have, r.turn, r.inside, r.control = 0, 0, true, nil
	return nil
}

// takePayload hands over what data has of the present frame's payload and returns what follows it.
func (r *Reader) takePayload(data []byte, handler Handler) ([]byte, error) {
	piece := data[:min(uint64(len(data)), r.left)]
	unmask(piece, r.key, r.turn)
	r.turn = (r.turn + uint8(len(piece)%keyLength)) % keyLength
	r.left -= uint64(len(piece))
	r.inside = r.left > 0
	data = data[len(piece):]
	if r.opcode >= Close {
		return data, r.takeControl(piece, handler)
	}
	return data, r.takeData(piece, handler)
}

func (r *Reader) takeData(piece []byte, handler Handler) error {
	isText, ends := r.message == Text, r.final && !r.inside
	if isText && !r.text.add(piece) || isText && ends && !r.text.complete() {
		return &Error{Code: CodeInvalidText, Reason: "text that is not UTF-8"}
	}
	if ends {
		r.message = Continuation
	}
	if len(piece) == 0 {
		return nil
	}
	return handler.Data(piece)
}

func (r *Reader) takeControl(piece []byte, handler Handler) error {
	if r.inside {
		r.control = append(r.control, piece...)
		return nil
	}
	payload := piece
	if len(r.control) > 0 {
		r.control = append(r.control, piece...)
		payload, r.control = r.control, nil
	}
	if r.opcode == Close {
		if err := checkClose(payload); err != nil {
			return err
		}
	}
	return handler.Control(r.opcode, payload)
}

// Append adds a control frame as servers send it, with a payload of at most MaximumControl bytes, to dst.
func Append(dst []byte, opcode Opcode, payload []byte) []byte {
	dst = append(dst, finalBit|byte(opcode), byte(len(payload)))
	return append(dst, payload...)
}

// unmask applies the key from its byte turn on. It is its own inverse.
func unmask(data []byte, key [keyLength]byte, turn uint8) {
	const word = 8
	if len(data) >= word {
		var turned [word]byte
		for i := range turned {
			turned[i] = key[(int(turn)+i)%keyLength]
		}
		mask := binary.LittleEndian.Uint64(turned[:])
		for len(data) >= word {
			binary.LittleEndian.PutUint64(data, binary.LittleEndian.Uint64(data)^mask)
			data = data[word:] // a multiple of the key's length: turn stays
		}
	}
	for i := range data {
		data[i] ^= key[(int(turn)+i)%keyLength]
	}
}
