package frame

import (
	"encoding/binary"
	"unicode/utf8"
)

// textCheck tells whether text that comes in pieces is UTF-8, as soon as it is not.
type textCheck struct {
	// begun is a character of which the last piece had only the beginning, count its bytes so far.
	begun [utf8.UTFMax]byte
	count uint8
}

// add reports whether the text may still be valid.
func (t *textCheck) add(piece []byte) bool {
	for len(piece) > 0 && t.count > 0 {
		t.begun[t.count] = piece[0]
		t.count++
		piece = piece[1:]
		if character := t.begun[:t.count]; utf8.FullRune(character) {
			if !utf8.Valid(character) {
				return false
			}
			t.count = 0
		}
	}
	if utf8.Valid(piece) {
		return true
	}
	end := len(piece)
	for i := 1; i < utf8.UTFMax && i <= end; i++ {
		if last := piece[end-i:]; utf8.RuneStart(last[0]) {
			t.count = uint8(copy(t.begun[:], last))
			return !utf8.FullRune(last) && utf8.Valid(piece[:end-i])
		}
	}
	return false
}

// complete reports whether the text may end here.
func (t *textCheck) complete() bool { return t.count == 0 }

// checkClose looks at the payload of a Close: nothing, or a code that may be sent and a reason in UTF-8 (RFC 6455,
// section 7.4).
func checkClose(payload []byte) error {
	const codeLength = 2
	switch {
	case len(payload) == 0:
		return nil
	case len(payload) < codeLength:
		return violation("close frame with half a code")
	case !mayBeSent(binary.BigEndian.Uint16(payload)):
		return violation("close code that must not be sent")
	case !utf8.Valid(payload[codeLength:]):
		return &Error{Code: CodeInvalidText, Reason: "close reason that is not UTF-8"}
	}
	return nil
}

// mayBeSent tells close codes that peers use from those that are reserved (RFC 6455, section 7.4, and the registry of
// IANA for 1012 to 1014).
func mayBeSent(code uint16) bool {
	switch code {
	case 1004, 1005, 1006:
		return false
	}
	return code >= 1000 && code <= 1014 || code >= 3000 && code <= 4999
}
