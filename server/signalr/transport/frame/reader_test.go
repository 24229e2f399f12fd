package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// client builds what a client sends.
type client []byte

var key = [keyLength]byte{0x37, 0xfa, 0x21, 0x3d} // that of the example in RFC 6455, section 5.7

// frame adds a masked frame whose length is written as short as it can be.
func (c client) frame(first byte, payload string) client {
	switch length := len(payload); {
	case length < length16:
		c = append(c, first, maskBit|byte(length))
	case length <= 0xFFFF:
		c = binary.BigEndian.AppendUint16(append(c, first, maskBit|length16), uint16(length))
	default:
		c = binary.BigEndian.AppendUint64(append(c, first, maskBit|length64), uint64(length))
	}
	return c.masked(payload)
}

func (c client) masked(payload string) client {
	c = append(c, key[:]...)
	for i := range len(payload) {
		c = append(c, payload[i]^key[i%keyLength])
	}
	return c
}

// raw adds bytes as they are.
func (c client) raw(bytes ...byte) client { return append(c, bytes...) }

const (
	text, binaryMessage, final = byte(Text), byte(Binary), byte(finalBit)
	ping, closing              = final | byte(Ping), final | byte(Close)
)

func closePayload(code uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, code)) + reason
}

// account notes what a Reader finds, as text.
type account struct{ strings.Builder }

func (a *account) Data(piece []byte) error {
	a.Write(piece)
	return nil
}

func (a *account) Control(opcode Opcode, payload []byte) error {
	fmt.Fprintf(a, "[%X %s]", byte(opcode), payload)
	if opcode == Close {
		return errAccountClosed
	}
	return nil
}

var errAccountClosed = errors.New("closed")

// feed gives input to a new Reader in pieces of at most size bytes.
func feed(input []byte, size int) (string, error) {
	var reader Reader
	var found account
	for len(input) > 0 {
		piece := bytes.Clone(input[:min(size, len(input))])
		input = input[len(piece):]
		if err := reader.Feed(piece, &found); err != nil {
			return found.String(), err
		}
	}
	return found.String(), nil
}

func TestReaderFindsMessagesAndControlFramesHoweverTheyAreCut(t *testing.T) {
	long := strings.Repeat("0123456789", 7_000)
	tests := []struct {
		name  string
		input client
		want  string
	}{
		{"the example of the RFC", client{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}, "Hello"},
		{"an empty message", client{}.frame(final|text, "").frame(final|text, "a"), "a"},
		{"a message of 125 bytes", client{}.frame(final|text, long[:125]), long[:125]},
		{"a message of 126 bytes", client{}.frame(final|binaryMessage, long[:126]), long[:126]},
		{"a message of 65,535 bytes", client{}.frame(final|text, long[:65_535]), long[:65_535]},
		{"a message of 65,536 bytes", client{}.frame(final|text, long[:65_536]), long[:65_536]},
		{"a length longer than it need be", client{}.raw(final|text, maskBit|length64, 0, 0, 0, 0, 0, 0, 0, 2).masked("ab"), "ab"},
		{"fragments", client{}.frame(text, "a").frame(0, "").frame(0, "b").frame(final, "c"), "abc"},
		{"a ping between fragments", client{}.frame(text, "a").frame(ping, "now").frame(final, "b"), "a[9 now]b"},
		{"a ping without payload", client{}.frame(ping, ""), "[9 ]"},
		{"the longest ping", client{}.frame(ping, long[:125]), "[9 " + long[:125] + "]"},
		{"a character in two fragments", client{}.frame(text, "\xe2\x82").frame(final, "\xac!"), "€!"},
		{"binary that is no text", client{}.frame(final|binaryMessage, "\xff\xfe"), "\xff\xfe"},
		{"text after binary", client{}.frame(final|binaryMessage, "\xe2").frame(final|text, "a"), "\xe2a"},
	}
	for _, test := range tests {
		for _, size := range []int{1, 2, 3, 7, 1 << 20} {
			if got, err := feed(test.input, size); got != test.want || err != nil {
				t.Errorf("%s, in pieces of %d: got %.80q, %v, want %.80q", test.name, size, got, err, test.want)
			}
		}
	}
}

func TestReaderHandsOverClosesThatMayBeSent(t *testing.T) {
	for _, payload := range []string{
		"", closePayload(1000, ""), closePayload(1001, "going"), closePayload(1014, ""), closePayload(3000, "€"), closePayload(4999, strings.Repeat("r", 123)),
	} {
		input := client{}.frame(closing, payload).raw(0xff, 0xff) // what follows a close does not count
		for _, size := range []int{1, 5, 1000} {
			if got, err := feed(input, size); got != "[8 "+payload+"]" || !errors.Is(err, errAccountClosed) {
				t.Errorf("close %q in pieces of %d: got %q, %v", payload, size, got, err)
			}
		}
	}
}

func TestReaderRefusesWhatClientsMustNotSend(t *testing.T) {
	tests := []struct {
		name  string
		input client
		code  uint16
	}{
		{"a frame without a mask", client{final | text, 1, 'a'}, 1002},
		{"the first reserved bit: compression was not agreed", client{}.frame(final|text|0x40, "a"), 1002},
		{"the other reserved bits", client{}.frame(final|text|0x30, "a"), 1002},
		{"data opcode 3", client{}.frame(final|3, "a"), 1002},
		{"control opcode 11", client{}.frame(final|0xB, "a"), 1002},
		{"a ping in fragments", client{}.frame(byte(Ping), "a"), 1002},
		{"a ping of 126 bytes", client{}.raw(ping, maskBit|length16), 1002},
		{"a continuation of nothing", client{}.frame(final, "a"), 1002},
		{"a continuation after the end", client{}.frame(final|text, "a").frame(final, "b"), 1002},
		{"a message within a message", client{}.frame(text, "a").frame(final|text, "b"), 1002},
		{"a length of 2 to the 63", client{}.raw(final|text, maskBit|length64, 0x80, 0, 0, 0, 0, 0, 0, 0).masked(""), 1002},
		{"a close of one byte", client{}.frame(closing, "a"), 1002},
		{"a close with code 999", client{}.frame(closing, closePayload(999, "")), 1002},
		{"a close with code 1004", client{}.frame(closing, closePayload(1004, "")), 1002},
		{"a close with code 1005", client{}.frame(closing, closePayload(1005, "")), 1002},
		{"a close with code 1006", client{}.frame(closing, closePayload(1006, "")), 1002},
		{"a close with code 1015", client{}.frame(closing, closePayload(1015, "")), 1002},
		{"a close with code 2999", client{}.frame(closing, closePayload(2999, "")), 1002},
		{"a close with code 5000", client{}.frame(closing, closePayload(5000, "")), 1002},
		{"a close reason that is no text", client{}.frame(closing, closePayload(1000, "\xff")), 1007},
		{"text that is no UTF-8", client{}.frame(text, "a\xffb"), 1007},
		{"text that ends within a character", client{}.frame(final|text, "\xe2\x82"), 1007},
		{"a character that goes wrong in the next fragment", client{}.frame(text, "\xe2\x82").frame(0, "a"), 1007},
		{"a surrogate", client{}.frame(final|text, "\xed\xa0\x80"), 1007},
		{"a character beyond Unicode", client{}.frame(final|text, "\xf4\x90\x80\x80"), 1007},
	}
	for _, test := range tests {
		for _, size := range []int{1, 2, 1000} {
			_, err := feed(test.input, size)
			if violation := (*Error)(nil); !errors.As(err, &violation) || violation.Code != test.code {
				t.Errorf("%s, in pieces of %d: got %v, want code %d", test.name, size, err, test.code)
			} else if len(violation.Reason) > MaximumControl-2 {
				t.Errorf("%s: the reason does not fit a close frame", test.name)
			}
		}
	}
}

func TestReaderRefusesTextAsSoonAsItIsWrong(t *testing.T) {
	input := client{}.raw(text, maskBit|length16, 0xff, 0xff).masked("fine\xf4\x90") // 65,529 bytes are missing
	if _, err := feed(input, 1); err == nil {
		t.Error("waits for the rest of a message that cannot become valid")
	}
}

func TestReaderGathersNothingOfData(t *testing.T) {
	var reader Reader
	var found account
	input := client{}.raw(final|binaryMessage, maskBit|length64, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff).masked("abc")
	if allocated := testing.AllocsPerRun(10, func() {
		reader = Reader{}
		found.Reset()
		_ = reader.Feed(bytes.Clone(input), &found)
	}); allocated > 3 { // the clone, and the account's text
		t.Errorf("%v allocations for a frame that claims 2 to the 47 bytes", allocated)
	}
	if found.String() != "abc" {
		t.Errorf("got %q, want what has come at once", found.String())
	}
}

// What a client sends means the same however the network cuts it, and fragments the same as a whole message.
func TestReaderDoesNotDependOnCuts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var input client
		var want strings.Builder
		for _, message := range rapid.SliceOfN(rapid.String(), 0, 5).Draw(t, "messages") {
			want.WriteString(message)
			first := text
			for len(message) > 0 && rapid.Bool().Draw(t, "fragment") {
				cut := rapid.IntRange(0, len(message)).Draw(t, "cut")
				input = input.frame(first, message[:cut])
				message, first = message[cut:], 0
				if rapid.Bool().Draw(t, "ping") {
					input = input.frame(ping, "p")
				}
			}
			input = input.frame(final|first, message)
		}
		got, err := feed(input, rapid.IntRange(1, 40).Draw(t, "size"))
		if got = strings.ReplaceAll(got, "[9 p]", ""); err != nil || got != strings.ReplaceAll(want.String(), "[9 p]", "") {
			t.Fatalf("got %q, %v, want %q", got, err, want.String())
		}
	})
}

func TestAppendWritesControlFramesOfServers(t *testing.T) {
	if got := Append(nil, Pong, []byte("abc")); string(got) != "\x8a\x03abc" {
		t.Errorf("got %q", got)
	}
}

// The corpus in testdata/fuzz runs with every go test.
func FuzzReader(f *testing.F) {
	f.Add([]byte(client{}.frame(text, "a\xe2\x82").frame(ping, "now").frame(final, "\xacb").frame(closing, closePayload(1000, "bye"))), uint8(3))
	f.Add([]byte(client{}.frame(final|binaryMessage, strings.Repeat("x", 200)).frame(ping, "")), uint8(1))
	f.Add([]byte{0x81, 0x05, 'H', 'e', 'l', 'l', 'o'}, uint8(2))
	f.Fuzz(func(t *testing.T, input []byte, size uint8) {
		whole, wholeErr := feed(input, max(len(input), 1))
		cut, cutErr := feed(input, int(size)+1)
		if (wholeErr == nil) != (cutErr == nil) || wholeErr == nil && whole != cut {
			t.Fatalf("whole: %q, %v; in pieces of %d: %q, %v", whole, wholeErr, int(size)+1, cut, cutErr)
		}
		violation := (*Error)(nil)
		if wholeErr != nil && !errors.Is(wholeErr, errAccountClosed) && !errors.As(wholeErr, &violation) {
			t.Fatalf("got %v", wholeErr)
		}
		if len(whole) > 2*len(input)+16 {
			t.Fatalf("found %d bytes in %d", len(whole), len(input))
		}
	})
}
