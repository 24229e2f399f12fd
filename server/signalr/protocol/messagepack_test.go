package protocol

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// unhex reads hexadecimal digits with spaces and 'quoted text' between them.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	var content []byte
	for i, part := range strings.Split(text, "'") {
		if i%2 == 1 {
			content = append(content, part...)
			continue
		}
		decoded, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		content = append(content, decoded...)
	}
	return content
}

func TestMessagePackWritesWhatClientsRead(t *testing.T) {
	long := strings.Repeat("x", 200)
	tests := []struct {
		name    string
		message Message
		want    string
	}{
		{"invocation", &Invocation{Target: "Receive", Arguments: []any{"ann", 42}}, "13 96 01 80 c0 a7'Receive' 92 a3'ann' 2a 90"},
		{"invocation without arguments", &Invocation{Target: "T"}, "08 96 01 80 c0 a1'T' 90 90"},
		{"invocation with everything",
			&Invocation{Headers: map[string]string{"a": "b"}, ID: "7", Target: "T", Arguments: []any{nil}, StreamIDs: []string{"x", "y"}},
			"12 96 01 81 a1'a' a1'b' a1'7' a1'T' 91 c0 92 a1'x' a1'y'"},
		{"stream invocation", &Invocation{ID: "s", Target: "T", Stream: true}, "09 96 04 80 a1's' a1'T' 90 90"},
		{"stream item", &StreamItem{ID: "s", Item: 5}, "06 94 02 80 a1's' 05"},
		{"stream item null", &StreamItem{ID: "s"}, "06 94 02 80 a1's' c0"},
		{"completion with result", &Completion{ID: "1", Result: "hi", HasResult: true}, "09 95 03 80 a1'1' 03 a2'hi'"},
		{"completion with null", &Completion{ID: "1", HasResult: true}, "07 95 03 80 a1'1' 03 c0"},
		{"completion with nothing", &Completion{ID: "1"}, "06 94 03 80 a1'1' 02"},
		{"completion with error", &Completion{ID: "1", Error: "no"}, "09 95 03 80 a1'1' 01 a2'no'"},
		{"completion ignores a result beside an error", &Completion{ID: "1", Error: "no", Result: 1, HasResult: true}, "09 95 03 80 a1'1' 01 a2'no'"},
		{"cancel", &CancelInvocation{ID: "s"}, "05 93 05 80 a1's'"},
		{"ping", Ping{}, "02 91 06"},
		{"close", &Close{}, "04 93 07 c0 c2"},
		{"close to reconnect", &Close{Error: "e", AllowReconnect: true}, "05 93 07 a1'e' c3"},
		{"ack", &Ack{SequenceID: 1394}, "05 92 08 cd 0572"},
		{"sequence", &Sequence{SequenceID: 1}, "03 92 09 01"},
		{"length of two bytes", &StreamItem{ID: "s", Item: long}, "cf01 94 02 80 a1's' d9c8'" + long + "'"},
		{"text that is not UTF-8", &Completion{ID: "1", Error: "\xff"}, "0a 95 03 80 a1'1' 01 a3 efbfbd"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			encoded, err := MessagePack{}.Append([]byte("before"), test.message)
			if err != nil {
				t.Fatal(err)
			}
			if want := unhex(t, "'before'"+test.want); string(encoded) != string(want) {
				t.Errorf("got  %x\nwant %x", encoded, want)
			}
		})
	}
}

func TestMessagePackLengthPrefixIsRightAtItsBorders(t *testing.T) {
	for _, size := range []int{1, 100, 118, 119, 120, 127, 128, 16300, 16373, 16374, 16375, 16383, 16384, 2097143, 2097144, 2097160} {
		text := strings.Repeat("x", size)
		encoded, err := MessagePack{}.Append([]byte("before"), &StreamItem{ID: "s", Item: text})
		if err != nil {
			t.Fatal(err)
		}
		message, length, err := MessagePack{}.Decode(encoded[6:], len(encoded)-6)
		if err != nil || length != len(encoded)-6 {
			t.Fatalf("%d: took %d of %d bytes: %v", size, length, len(encoded)-6, err)
		}
		var read string
		if err := (MessagePack{}).Unmarshal(message.(*StreamItem).Item.(Raw), &read); err != nil || read != text {
			t.Errorf("%d: got %d characters, %v", size, len(read), err)
		}
	}
}

func TestBothRefuseMessagesThatNoPeerWouldTake(t *testing.T) {
	tests := map[string]Message{
		"nil":                    nil,
		"no target":              &Invocation{},
		"stream without id":      &Invocation{Target: "S", Stream: true},
		"item without id":        &StreamItem{},
		"completion without id":  &Completion{},
		"cancel without id":      &CancelInvocation{},
		"channel as argument":    &Invocation{Target: "S", Arguments: []any{1, make(chan int)}},
		"channel as item":        &StreamItem{ID: "1", Item: make(chan int)},
		"channel as result":      &Completion{ID: "1", Result: make(chan int), HasResult: true},
		"message of another kin": &foreignMessage{},
	}
	for name, message := range tests {
		for _, protocol := range []Protocol{JSON{}, MessagePack{}} {
			buffer, err := protocol.Append([]byte("before"), message)
			if err == nil || string(buffer) != "before" {
				t.Errorf("%s in %s: got %q, %v", name, protocol.Name(), buffer, err)
			}
		}
	}
}

func TestMessagePackReadsMessages(t *testing.T) {
	echo := &Invocation{ID: "1", Target: "Echo", Arguments: raws("\xa1a")}
	deep := strings.Repeat("91", 61) + "90"
	tests := []struct {
		name, body string
		want       Message
	}{
		{"invocation", "96 01 80 a1'1' a4'Echo' 91 a1'a' 90", echo},
		{"old clients send no stream ids", "95 01 80 a1'1' a4'Echo' 91 a1'a'", echo},
		{"further elements", "98 01 80 a1'1' a4'Echo' 91 a1'a' 90 05 81 a1'a' 91 01", echo},
		{"wide forms", "dd00000006 d3 0000000000000001 df00000000 db00000001'1' da0004'Echo' dc0001 a1'a' dd00000000", echo},
		{"no id", "96 01 80 c0 a1'T' 90 90", &Invocation{Target: "T", Arguments: raws()}},
		{"empty id", "96 01 80 a0 a1'T' 90 90", &Invocation{Target: "T", Arguments: raws()}},
		{"headers and streams", "96 01 82 a1'a' a1'b' a1'a' a0 c0 a1'T' 90 92 a1'x' a0",
			&Invocation{Headers: map[string]string{"a": ""}, Target: "T", Arguments: raws(), StreamIDs: []string{"x", ""}}},
		{"many arguments", "96 01 80 c0 a1'T' 97 01 cd0100 c0 c3 c4020102 81 a1'k' 92 01 02 d6ff00000001 90",
			&Invocation{Target: "T", Arguments: raws("\x01", "\xcd\x01\x00", "\xc0", "\xc3", "\xc4\x02\x01\x02", "\x81\xa1k\x92\x01\x02", "\xd6\xff\x00\x00\x00\x01")}},
		{"stream invocation", "96 04 80 a1's' a1'T' 90 90", &Invocation{ID: "s", Target: "T", Arguments: raws(), Stream: true}},
		{"text that is not UTF-8", "96 01 80 c0 a3 eda080 90 90", &Invocation{Target: "\ufffd\ufffd\ufffd", Arguments: raws()}},
		{"item", "94 02 80 a1's' cb3ff8000000000000", &StreamItem{ID: "s", Item: Raw("\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00")}},
		{"item nil", "95 02 80 a1's' c0 07", &StreamItem{ID: "s", Item: Raw("\xc0")}},
		{"completion", "94 03 80 a1's' 02", &Completion{ID: "s"}},
		{"completion, more", "95 03 81 a1'a' a1'b' a1's' 02 05", &Completion{Headers: map[string]string{"a": "b"}, ID: "s"}},
		{"completion nil", "95 03 80 a1's' 03 c0", &Completion{ID: "s", Result: Raw("\xc0"), HasResult: true}},
		{"completion error", "95 03 80 a1's' 01 a1'e'", &Completion{ID: "s", Error: "e"}},
		{"completion error nil", "95 03 80 a1's' 01 c0", &Completion{ID: "s"}},
		{"cancel", "93 05 80 a1's'", &CancelInvocation{ID: "s"}},
		{"ping", "91 06", Ping{}}, {"ping, more", "93 06 01 02", Ping{}},
		{"close of old peers", "92 07 c0", &Close{}}, {"close", "93 07 a1'e' c3", &Close{Error: "e", AllowReconnect: true}},
		{"close, more", "94 07 c0 c2 01", &Close{}},
		{"ack", "92 08 cf7fffffffffffffff", &Ack{SequenceID: 9223372036854775807}}, {"sequence", "92 09 d0ff", &Sequence{SequenceID: -1}},
		{"unknown type", "92 63 01", nil}, {"negative type", "91 ff", nil},
		{"64 levels", "96 01 80 c0 a1'T' 91" + deep + "90", &Invocation{Target: "T", Arguments: raws(string(unhex(t, deep)))}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			input := insertPrefix(append([]byte{0}, unhex(t, test.body)...), 0, len(unhex(t, test.body)))
			message, length, err := MessagePack{}.Decode(append(input, 0x02), len(input))
			if err != nil {
				t.Fatal(err)
			}
			if length != len(input) {
				t.Errorf("took %d bytes of %d", length, len(input))
			}
			if difference := cmp.Diff(test.want, message); difference != "" {
				t.Error(difference)
			}
		})
	}
}

func TestMessagePackRefusesBrokenMessages(t *testing.T) {
	tests := []struct{ body, detail string }{
		{"", "Expected an array."}, {"05", "Expected an array."}, {"810102", "Expected an array."}, {"c1", "Expected an array."},
		{"90", "Reading 'messageType' as Int32 failed."}, {"91", "Reading 'messageType' as Int32 failed."},
		{"91 a1'1'", "Reading 'messageType' as Int32 failed."}, {"91 c0", "Reading 'messageType' as Int32 failed."},
		{"91 cf0000010000000000", "Reading 'messageType' as Int32 failed."}, {"91 cb4018000000000000", "Reading 'messageType' as Int32 failed."},
		{"91 d3", "Reading 'messageType' as Int32 failed."},
		{"91 01", "Reading 'headers' as Map failed."}, {"96 01 c0 a0 a1'T' 90 90", "Reading 'headers' as Map failed."},
		{"96 01 90 c0 a1'T' 90 90", "Reading 'headers' as Map failed."}, {"96 01 dfffffffff", "Reading 'headers' as Map failed."},
		{"96 01 81 a1'a' 05 c0 a1'T' 90 90", "Reading 'headers' as Map of String failed."},
		{"96 01 81 a1'a' c0 a0 a1'T' 90 90", "Reading 'headers' as Map of String failed."},
		{"96 01 81 05 a1'a' c0 a1'T' 90 90", "Reading 'headers' as Map of String failed."},
		{"92 01 80", "Reading 'invocationId' as String failed."}, {"96 01 80 05 a1'T' 90 90", "Reading 'invocationId' as String failed."},
		{"96 01 80 dbffffffff", "Reading 'invocationId' as String failed."},
		{"93 01 80 c0", "Reading 'target' as String failed."}, {"96 01 80 c0 05 90 90", "Reading 'target' as String failed."},
		{"96 01 80 a0 c0 90 90", "Null or empty target for Invocation message."}, {"96 01 80 c0 a0 90 90", "Null or empty target for Invocation message."},
		{"94 01 80 c0 a1'T'", "Reading 'arguments' as Array failed."}, {"96 01 80 c0 a1'T' c0 90", "Reading 'arguments' as Array failed."},
		{"96 01 80 c0 a1'T' 80 90", "Reading 'arguments' as Array failed."}, {"96 01 80 c0 a1'T' ddffffffff 01", "Reading 'arguments' as Array failed."},
		{"96 01 80 c0 a1'T' 91 c1 90", "Reading the arguments failed."}, {"96 01 80 c0 a1'T' 91 ddffffffff 90", "Reading the arguments failed."},
		{"96 01 80 c0 a1'T' 91 dfffffffff 90", "Reading the arguments failed."}, {"96 01 80 c0 a1'T' 91 c6ffffffff 90", "Reading the arguments failed."},
		{"95 01 80 c0 a1'T' 91 92 01", "Reading the arguments failed."}, {"95 01 80 c0 a1'T' 91 c7ff05", "Reading the arguments failed."},
		{"96 01 80 c0 a1'T' 91" + strings.Repeat("91", 62) + "90 90", "Reading the arguments failed."},
		{"96 01 80 c0 a1'T' 91" + strings.Repeat("81c0", 100000), "Reading the arguments failed."},
		{"96 01 80 c0 a1'T' 90 c0", "Reading 'streamIds' as Array failed."}, {"96 01 80 c0 a1'T' 90 a1'x'", "Reading 'streamIds' as Array failed."},
		{"96 01 80 c0 a1'T' 90 91 01", "Reading 'streamIds' as Array of String failed."},
		{"96 01 80 c0 a1'T' 90 91 c0", "Reading 'streamIds' as Array of String failed."},
		{"97 01 80 c0 a1'T' 90 90", "Reading the end of the message failed."},
		{"96 01 80 c0 a1'T' 90 90 05", "1 bytes follow the message in its frame."},
		{"96 04 80 c0 a1'T' 90 90", "Null or empty invocation ID for StreamInvocation message."},
		{"96 04 80 a0 a1'T' 90 90", "Null or empty invocation ID for StreamInvocation message."},
		{"94 02 80 c0 01", "Null or empty invocation ID for StreamItem message."}, {"93 02 80 a1'x'", "Missing required property 'item'."},
		{"94 02 80 a1'x'", "Reading 'item' failed."}, {"91 02", "Reading 'headers' as Map failed."},
		{"94 03 80 c0 02", "Null or empty invocation ID for Completion message."}, {"93 03 80 a1'x'", "Reading 'resultKind' as Int32 failed."},
		{"95 03 80 a1'x' 04 05", "Invalid invocation result kind."}, {"94 03 80 a1'x' 03", "Missing required property 'result'."},
		{"94 03 80 a1'x' 01", "Reading 'error' as String failed."}, {"95 03 80 a1'x' 01 05", "Reading 'error' as String failed."},
		{"93 05 80 c0", "Null or empty invocation ID for CancelInvocation message."}, {"92 05 80", "Reading 'invocationId' as String failed."},
		{"91 07", "Reading 'error' as String failed."}, {"92 07 05", "Reading 'error' as String failed."},
		{"93 07 a0 c0", "Reading 'allowReconnect' as Boolean failed."},
		{"91 08", "Reading 'sequenceId' as Int64 failed."}, {"92 08 a1'1'", "Reading 'sequenceId' as Int64 failed."},
		{"92 09 c0", "Reading 'sequenceId' as Int64 failed."}, {"92 09 cfffffffffffffffff", "Reading 'sequenceId' as Int64 failed."},
	}
	for _, test := range tests {
		body := unhex(t, test.body)
		message, length, err := MessagePack{}.Decode(insertPrefix(append([]byte{0}, body...), 0, len(body)), 0)
		var malformed *InvalidError
		if !errors.As(err, &malformed) || message != nil || length != 0 {
			t.Errorf("%.80s: got %v, %d, %v", test.body, message, length, err)
			continue
		}
		if malformed.Detail != test.detail {
			t.Errorf("%.80s: got %q, want %q", test.body, malformed.Detail, test.detail)
		}
	}
}

func TestMessagePackFrames(t *testing.T) {
	const invalidPrefix = "invalid message: Messages over 2GB in size are not supported."
	tests := []struct {
		name, input string
		limit       int
		length      int
		want        string
	}{
		{"nothing", "", 3, 0, ""},
		{"incomplete", "02 91", 3, 0, ""},
		{"exactly the limit", "02 91 06", 3, 3, ""},
		{"one byte more", "03 92 06 00", 3, 0, "maximum message size exceeded: more than 3 bytes"},
		{"too large before it is there", "03", 3, 0, "maximum message size exceeded: more than 3 bytes"},
		{"huge claim", "ffffffff07", 3, 0, "maximum message size exceeded: more than 3 bytes"},
		{"huge claim without limit", "ffffffff07 91", 0, 0, ""},
		{"endless prefix within the limit", "8080", 2, 0, "maximum message size exceeded: more than 2 bytes"},
		{"prefix of zeros", "808000", 10, 0, "invalid message: Expected an array."},
		{"longer prefix than needed", "8280808000 9106", 10, 7, ""},
		{"prefix incomplete", "82808080", 10, 0, ""},
		{"2 GiB", "8080808008", 0, 0, invalidPrefix},
		{"fifth byte too large", "ffffffff0f", 0, 0, invalidPrefix},
		{"six bytes", "808080808000", 0, 0, invalidPrefix},
		{"six bytes, the rest not there yet", "8080808080", 0, 0, invalidPrefix},
		{"next message untouched", "02 9106 02 9106", 3, 3, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, length, err := MessagePack{}.Decode(unhex(t, test.input), test.limit)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if length != test.length || text != test.want {
				t.Errorf("got %d, %q", length, text)
			}
			if strings.HasPrefix(test.want, "maximum") && !errors.Is(err, ErrTooLarge) {
				t.Error("it is not ErrTooLarge")
			}
		})
	}
}
