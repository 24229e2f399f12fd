package protocol

import (
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"
)

// The corpus in testdata/fuzz runs with every go test. To search for more, one target at a time:
//
//	go test -run '^$' -fuzz '^FuzzJSONDecode$' -fuzztime 60s -fuzzminimizetime 10x ./server/signalr/protocol
//
// Without -fuzzminimizetime most of the time goes into shrinking inputs whose coverage varies by the order of a map.

func FuzzJSONDecode(f *testing.F) {
	for _, test := range written {
		f.Add([]byte(test.text+"\x1e"), 0)
	}
	f.Add([]byte("{\"type\":1,\"target\":\"\\ud83d\\ude00\",\"arguments\":[[1.5e-3,{\"a\":null}],true]}\x1e{}"), 64)
	f.Fuzz(func(t *testing.T, input []byte, limit int) {
		checkDecode(t, JSON{}, input, limit)
		message, length, err := JSON{}.Decode(input, 0)
		if err == nil && length > 0 && !json.Valid(input[:length-1]) {
			t.Errorf("took what is no JSON as %v", message)
		}
	})
}

func FuzzMessagePackDecode(f *testing.F) {
	for _, test := range written {
		encoded, err := MessagePack{}.Append(nil, test.message)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded, 0)
	}
	f.Add([]byte("\x82\x80\x80\x80\x00\x91\x06"), 64)
	f.Fuzz(func(t *testing.T, input []byte, limit int) {
		checkDecode(t, MessagePack{}, input, limit)
	})
}

// checkDecode holds for any input whatever: nothing beyond the input is taken; an incomplete message is no error; a
// message is the same with or without what follows it; and what was decoded can be encoded and decoded again.
func checkDecode(t *testing.T, protocol Protocol, input []byte, limit int) {
	message, length, err := protocol.Decode(input, limit)
	if length < 0 || length > len(input) || err != nil && (length != 0 || message != nil) || length == 0 && message != nil {
		t.Fatalf("got %v, %d, %v", message, length, err)
	}
	if limit > 0 && (length > limit || err == nil && length == 0 && len(input) > limit) {
		t.Fatalf("the limit of %d was passed: %d of %d bytes", limit, length, len(input))
	}
	var malformed *InvalidError
	if err != nil {
		if !errors.As(err, &malformed) && !errors.Is(err, ErrTooLarge) {
			t.Fatalf("got %v", err)
		}
		return
	}
	for end := range length {
		if early, taken, err := protocol.Decode(input[:end:end], limit); early != nil || taken != 0 || err != nil {
			t.Fatalf("%d of %d bytes: got %v, %d, %v", end, length, early, taken, err)
		}
	}
	if message == nil {
		return
	}
	again, taken, err := protocol.Decode(input[:length:length], limit)
	if err != nil || taken != length {
		t.Fatalf("alone it takes %d of %d bytes: %v", taken, length, err)
	}
	mustEqual(t, "alone", message, again)
	reencode(t, protocol, message)
}

func reencode(t *testing.T, protocol Protocol, message Message) {
	if checkMessage(message) != nil {
		return // an empty id or target, which JSON peers may send but nobody sends to them
	}
	if invocation, ok := message.(*Invocation); ok {
		for _, argument := range invocation.Arguments {
			bindFuzzed(t, protocol, argument.(Raw))
		}
	}
	encoded, err := protocol.Append(nil, message)
	if err != nil {
		t.Fatal(err)
	}
	decoded, length, err := protocol.Decode(encoded, 0)
	if err != nil || length != len(encoded) {
		t.Fatalf("encoded it takes %d of %d bytes: %v", length, len(encoded), err)
	}
	mustEqual(t, "encoded", message, decoded)
}

func FuzzJSONUnmarshal(f *testing.F) {
	for _, seed := range []string{`"a\u00e9\ud83d\ude00"`, `-1.5e+3`, `[1,null,{"Text":"x","bytes":"AQI="}]`, `{"text":"x","inner":{"list":[1]}}`, `true`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { bindFuzzed(t, JSON{}, raw) })
}

func FuzzMessagePackUnmarshal(f *testing.F) {
	for _, seed := range []string{"\xa2hi", "\xd1\xff\x00", "\x82\xa4Text\xa1x\xa5Inner\x81\xa4List\x91\x01", "\xd6\xff\x00\x00\x00\x01", "\xc4\x02ab"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { bindFuzzed(t, MessagePack{}, raw) })
}

// bindFuzzed binds a value to types of every kind. Whatever is accepted can be written and read again, and then is the
// same.
func bindFuzzed(t *testing.T, protocol Protocol, raw Raw) {
	type target struct {
		Text  string
		Bytes []byte
		Inner *struct{ List []int }
	}
	for _, create := range []func() any{
		func() any { return new(string) }, func() any { return new(int32) }, func() any { return new(uint64) },
		func() any { return new(float64) }, func() any { return new(bool) }, func() any { return new([]byte) },
		func() any { return new(target) }, func() any { return new([]target) }, func() any { return new(map[string]any) },
		func() any { return new(Raw) }, func() any { return new(json.RawMessage) }, func() any { return new(any) },
		func() any { return new(map[int8][2]string) },
	} {
		first, second := create(), create()
		if err := protocol.Unmarshal(raw, first); err != nil {
			var mismatch *BindError
			if !errors.As(err, &mismatch) {
				t.Fatalf("%T: got %v", first, err)
			}
			if !utf8.ValidString(err.Error()) {
				t.Fatalf("%T: the error is no text: %q", first, err)
			}
			continue
		}
		encoded, err := protocol.Append(nil, &StreamItem{ID: "1", Item: dereference(first)})
		if err != nil {
			continue // too deep inside of a message, or not a number
		}
		message, _, err := protocol.Decode(encoded, 0)
		if err != nil {
			t.Fatalf("%T: %v", first, err)
		}
		if err := protocol.Unmarshal(message.(*StreamItem).Item.(Raw), second); err != nil {
			t.Fatalf("%T: %v", first, err)
		}
		third := encodeValue(t, protocol, dereference(second))
		if string(third) != string(message.(*StreamItem).Item.(Raw)) {
			t.Fatalf("%T: %q became %q", first, message.(*StreamItem).Item, third)
		}
	}
}

func FuzzParseHandshakeRequest(f *testing.F) {
	f.Add([]byte("{\"protocol\":\"json\",\"version\":1}\x1e{\"type\":6}\x1e"), 0)
	f.Add([]byte("{\"version\":-2,\"x\":[{}],\"protocol\":\"\\u006d\"}\x1e"), 10)
	f.Fuzz(func(t *testing.T, input []byte, limit int) {
		request, length, err := ParseHandshakeRequest(input, limit)
		if length < 0 || length > len(input) || limit > 0 && length > limit || err != nil && length != 0 {
			t.Fatalf("got %v, %d, %v", request, length, err)
		}
		if text := HandshakeErrorText(err, true); err != nil && (text == "" || !utf8.ValidString(text)) {
			t.Fatalf("the answer to %v is %q", err, text)
		}
		for end := range length {
			if _, taken, err := ParseHandshakeRequest(input[:end:end], limit); taken != 0 || err != nil {
				t.Fatalf("%d of %d bytes: got %d, %v", end, length, taken, err)
			}
		}
		if length == 0 {
			return
		}
		encoded := AppendHandshakeRequest(nil, request)
		if again, taken, err := ParseHandshakeRequest(encoded, 0); again != request || taken != len(encoded) || err != nil {
			t.Fatalf("%q: got %v, %d, %v", encoded, again, taken, err)
		}
	})
}

func FuzzParseHandshakeResponse(f *testing.F) {
	f.Add([]byte("{}\x1e"))
	f.Add([]byte("{\"error\":\"no\"}\x1e{\"type\":6}\x1e"))
	f.Fuzz(func(t *testing.T, input []byte) {
		text, length, err := ParseHandshakeResponse(input, 0)
		if length < 0 || length > len(input) || err != nil && length != 0 {
			t.Fatalf("got %q, %d, %v", text, length, err)
		}
		if length == 0 {
			return
		}
		if again, _, err := ParseHandshakeResponse(AppendHandshakeResponse(nil, text), 0); again != text || err != nil {
			t.Fatalf("%q became %q, %v", text, again, err)
		}
	})
}
