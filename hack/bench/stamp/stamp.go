// Package stamp writes and reads the mark that a benchmark message carries: which run it belongs to, which
// broadcast of the run it is, and when it was due. A receiver finds it at a fixed place, so reading it costs
// a few nanoseconds.
package stamp

// Size is the length of a stamp in bytes, all of them printable ASCII that JSON leaves as it is.
const Size = 1 + tagDigits + sequenceDigits + timeDigits

// Mark is the first byte of a stamp.
const Mark = '~'

const (
	tagDigits      = 8
	sequenceDigits = 8
	timeDigits     = 12
	bitsPerDigit   = 4
	digits         = "0123456789abcdef"
	notDigit       = 0xFF
	filler         = 'x'
)

// Stamp identifies one broadcast.
type Stamp struct {
	// Tag is the run. Messages of other runs are told by it.
	Tag uint32
	// Sequence counts the run's broadcasts from 0.
	Sequence uint32
	// Nanoseconds is when the broadcast was due, on the generator's clock; below 2^48 (78 hours).
	Nanoseconds int64
}

// Append adds the stamp and filler up to size bytes in all (at least Size) to dst.
func Append(dst []byte, s Stamp, size int) []byte {
	dst = append(dst, Mark)
	dst = appendHex(dst, uint64(s.Tag), tagDigits)
	dst = appendHex(dst, uint64(s.Sequence), sequenceDigits)
	dst = appendHex(dst, uint64(s.Nanoseconds), timeDigits)
	for range size - Size {
		dst = append(dst, filler)
	}
	return dst
}

// Parse reads the stamp that text starts with; ok is false if it does not start with one.
func Parse(text []byte) (s Stamp, ok bool) {
	if len(text) < Size || text[0] != Mark {
		return Stamp{}, false
	}
	tag, tagOK := parseHex(text[1 : 1+tagDigits])
	sequence, sequenceOK := parseHex(text[1+tagDigits : 1+tagDigits+sequenceDigits])
	due, dueOK := parseHex(text[1+tagDigits+sequenceDigits : Size])
	return Stamp{Tag: uint32(tag), Sequence: uint32(sequence), Nanoseconds: int64(due)}, tagOK && sequenceOK && dueOK
}

func appendHex(dst []byte, value uint64, count int) []byte {
	for shift := (count - 1) * bitsPerDigit; shift >= 0; shift -= bitsPerDigit {
		dst = append(dst, digits[value>>shift&0xF])
	}
	return dst
}

func parseHex(text []byte) (value uint64, ok bool) {
	invalid := byte(0)
	for _, b := range text {
		digit := digitOf(b)
		invalid |= digit
		value = value<<bitsPerDigit | uint64(digit&0xF)
	}
	return value, invalid&0xF0 == 0
}

func digitOf(b byte) byte {
	switch {
	case b >= '0' && b <= '9':
		return b - '0'
	case b >= 'a' && b <= 'f':
		return b - 'a' + 10
	default:
		return notDigit
	}
}
