package protocol

import (
	"unicode/utf16"
	"unicode/utf8"
)

const hexadecimalDigits = "0123456789abcdef"

// unescape turns a string literal that a scanner has read into the text it stands for. It returns false for bytes
// that are not UTF-8 and for half surrogate pairs, which no Go or JavaScript client could send on.
func (s jsonString) unescape() (string, bool) {
	if !s.escaped {
		return string(s.literal), utf8.Valid(s.literal)
	}
	text, ok := s.appendUnescaped(make([]byte, 0, len(s.literal)))
	return string(text), ok
}

func (s jsonString) appendUnescaped(text []byte) ([]byte, bool) {
	if !utf8.Valid(s.literal) {
		return text, false
	}
	for i := 0; i < len(s.literal); {
		if s.literal[i] != '\\' {
			text = append(text, s.literal[i])
			i++
			continue
		}
		r, length, ok := unescapeRune(s.literal[i:])
		if !ok {
			return text, false
		}
		text = utf8.AppendRune(text, r)
		i += length
	}
	return text, true
}

// unescapeRune reads the escape sequence, or pair of sequences, that literal starts with.
func unescapeRune(literal []byte) (r rune, length int, ok bool) {
	switch c := literal[1]; c {
	case 'b':
		return '\b', 2, true
	case 'f':
		return '\f', 2, true
	case 'n':
		return '\n', 2, true
	case 'r':
		return '\r', 2, true
	case 't':
		return '\t', 2, true
	case 'u':
		return unescapeUnicode(literal)
	default:
		return rune(c), 2, true
	}
}

func unescapeUnicode(literal []byte) (r rune, length int, ok bool) {
	r, ok = hexadecimal(literal[2:6])
	if !ok || !utf16.IsSurrogate(r) {
		return r, 6, ok
	}
	if len(literal) < 12 || literal[6] != '\\' || literal[7] != 'u' {
		return 0, 0, false
	}
	low, _ := hexadecimal(literal[8:12])
	r = utf16.DecodeRune(r, low)
	return r, 12, r != utf8.RuneError
}

func hexadecimal(digits []byte) (rune, bool) {
	var value rune
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		value = value<<4 | rune(c)
	}
	return value, true
}

// appendJSONString writes text as a string literal. It escapes what JSON demands and, as the reference does, the
// delete character and the two line separators that old JavaScript engines take for line ends; all other text stays
// UTF-8. Bytes that are not UTF-8 become U+FFFD: a text frame must not carry them.
func appendJSONString(buffer []byte, text string) []byte {
	buffer = append(buffer, '"')
	start := 0
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != 0x7F {
				i++
				continue
			}
			buffer = append(buffer, text[start:i]...)
			buffer = appendEscape(buffer, c)
			i++
			start = i
			continue
		}
		r, length := utf8.DecodeRuneInString(text[i:])
		if replacement := replacementFor(r, length); replacement != "" {
			buffer = append(buffer, text[start:i]...)
			buffer = append(buffer, replacement...)
			start = i + length
		}
		i += length
	}
	buffer = append(buffer, text[start:]...)
	return append(buffer, '"')
}

func replacementFor(r rune, length int) string {
	switch {
	case r == utf8.RuneError && length == 1:
		return "\uFFFD"
	case r == '\u2028':
		return `\u2028`
	case r == '\u2029':
		return `\u2029`
	default:
		return ""
	}
}

func appendEscape(buffer []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(buffer, '\\', c)
	case '\b':
		return append(buffer, '\\', 'b')
	case '\f':
		return append(buffer, '\\', 'f')
	case '\n':
		return append(buffer, '\\', 'n')
	case '\r':
		return append(buffer, '\\', 'r')
	case '\t':
		return append(buffer, '\\', 't')
	default:
		return append(buffer, '\\', 'u', '0', '0', hexadecimalDigits[c>>4], hexadecimalDigits[c&0xF])
	}
}
