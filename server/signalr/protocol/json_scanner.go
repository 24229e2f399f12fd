package protocol

import (
	"strconv"
)

// maximumDepth is how deep objects and arrays of one message may nest, the message itself included: as deep as
// ASP.NET Core reads. Without a bound a small message could exhaust the stack.
const maximumDepth = 64

// scanner walks over one JSON text (RFC 8259), once and without copying. Its methods expect to stand on the byte they
// read and leave the position behind what they read; white space before a token is skipped by whoever moves there.
type scanner struct {
	text     []byte
	position int
}

// jsonString is a string literal without its quotes. Escaped tells that it holds at least one backslash.
type jsonString struct {
	literal []byte
	escaped bool
}

func (s *scanner) syntaxError() error {
	return invalid("Error reading JSON at byte %d.", s.position)
}

// peek returns the byte at the position, 0 (which no token starts with) at the end.
func (s *scanner) peek() byte {
	if s.position < len(s.text) {
		return s.text[s.position]
	}
	return 0
}

func (s *scanner) skipSpace() {
	for s.position < len(s.text) {
		switch s.text[s.position] {
		case ' ', '\t', '\r', '\n':
			s.position++
		default:
			return
		}
	}
}

// end fails unless only white space is left.
func (s *scanner) end() error {
	s.skipSpace()
	if s.position != len(s.text) {
		return s.syntaxError()
	}
	return nil
}

// property moves to the value of an object's next property. It starts on the opening brace (first) or behind the
// previous value; at the closing brace it returns false.
func (s *scanner) property(first bool) (name jsonString, more bool, err error) {
	if more, err = s.next(first, '}'); !more || err != nil {
		return name, false, err
	}
	if name, err = s.readString(); err != nil {
		return name, false, err
	}
	s.skipSpace()
	if s.peek() != ':' {
		return name, false, s.syntaxError()
	}
	s.position++
	s.skipSpace()
	return name, true, nil
}

// element moves to an array's next element, as property does in an object.
func (s *scanner) element(first bool) (more bool, err error) {
	return s.next(first, ']')
}

func (s *scanner) next(first bool, closing byte) (more bool, err error) {
	if first {
		s.position++
	}
	s.skipSpace()
	switch c := s.peek(); {
	case c == closing:
		s.position++
		return false, nil
	case first:
		return true, nil
	case c != ',':
		return false, s.syntaxError()
	}
	s.position++
	s.skipSpace()
	if s.peek() == closing {
		return false, s.syntaxError()
	}
	return true, nil
}

// readValue returns the text of the value at the position, checked to be JSON. depth is the number of objects and
// arrays around it.
func (s *scanner) readValue(depth int) (Raw, error) {
	start := s.position
	if err := s.skipValue(depth); err != nil {
		return nil, err
	}
	return Raw(s.text[start:s.position:s.position]), nil
}

func (s *scanner) skipValue(depth int) error {
	switch s.peek() {
	case '"':
		_, err := s.readString()
		return err
	case '{':
		return s.skipObject(depth + 1)
	case '[':
		return s.skipArray(depth + 1)
	case 't':
		return s.skipLiteral("true")
	case 'f':
		return s.skipLiteral("false")
	case 'n':
		return s.skipLiteral("null")
	default:
		return s.skipNumber()
	}
}

func (s *scanner) skipObject(depth int) error {
	if depth > maximumDepth {
		return s.syntaxError()
	}
	for first := true; ; first = false {
		_, more, err := s.property(first)
		if err != nil || !more {
			return err
		}
		if err := s.skipValue(depth); err != nil {
			return err
		}
	}
}

func (s *scanner) skipArray(depth int) error {
	if depth > maximumDepth {
		return s.syntaxError()
	}
	for first := true; ; first = false {
		more, err := s.element(first)
		if err != nil || !more {
			return err
		}
		if err := s.skipValue(depth); err != nil {
			return err
		}
	}
}

func (s *scanner) skipLiteral(literal string) error {
	end := s.position + len(literal)
	if end > len(s.text) || string(s.text[s.position:end]) != literal {
		return s.syntaxError()
	}
	s.position = end
	return nil
}

func (s *scanner) skipNumber() error {
	if s.peek() == '-' {
		s.position++
	}
	if s.peek() == '0' {
		s.position++
	} else if !s.skipDigits() {
		return s.syntaxError()
	}
	if s.peek() == '.' {
		s.position++
		if !s.skipDigits() {
			return s.syntaxError()
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.position++
		if c = s.peek(); c == '+' || c == '-' {
			s.position++
		}
		if !s.skipDigits() {
			return s.syntaxError()
		}
	}
	return nil
}

func (s *scanner) skipDigits() bool {
	start := s.position
	for s.position < len(s.text) && s.text[s.position]-'0' <= 9 {
		s.position++
	}
	return s.position > start
}

// readInteger reads a number that must be an integer of at most that many bits: 1.0 is not one, as in the reference.
func (s *scanner) readInteger(bits int) (int64, error) {
	start := s.position
	if err := s.skipNumber(); err != nil {
		return 0, err
	}
	value, err := strconv.ParseInt(string(s.text[start:s.position]), 10, bits)
	if err != nil {
		return 0, invalid("Expected an integer of %d bits.", bits)
	}
	return value, nil
}

// readString reads a string literal. Escapes and control characters are checked here, UTF-8 only by whoever needs
// the string: text that nobody looks at is passed over, as in the reference.
func (s *scanner) readString() (jsonString, error) {
	if s.peek() != '"' {
		return jsonString{}, s.syntaxError()
	}
	s.position++
	start, escaped := s.position, false
	for s.position < len(s.text) {
		switch c := s.text[s.position]; {
		case c == '"':
			literal := s.text[start:s.position]
			s.position++
			return jsonString{literal, escaped}, nil
		case c == '\\':
			escaped = true
			if !s.skipEscape() {
				return jsonString{}, s.syntaxError()
			}
		case c < ' ':
			return jsonString{}, s.syntaxError()
		default:
			s.position++
		}
	}
	return jsonString{}, s.syntaxError()
}

func (s *scanner) skipEscape() bool {
	s.position++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.position++
		return true
	case 'u':
		if s.position+5 > len(s.text) {
			return false
		}
		_, ok := hexadecimal(s.text[s.position+1 : s.position+5])
		s.position += 5
		return ok
	default:
		return false
	}
}
