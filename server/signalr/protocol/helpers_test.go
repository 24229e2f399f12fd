package protocol

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func dereference(pointer any) any { return reflect.ValueOf(pointer).Elem().Interface() }

// encodeValue returns one value as a protocol writes it.
func encodeValue(t testing.TB, protocol Protocol, value any) Raw {
	t.Helper()
	encoded, err := protocol.Append(nil, &StreamItem{ID: "1", Item: value})
	if err != nil {
		t.Fatal(err)
	}
	message, _, err := protocol.Decode(encoded, 0)
	if err != nil {
		t.Fatal(err)
	}
	return message.(*StreamItem).Item.(Raw)
}

// anyText is any text, with much of what is special in JSON and in MessagePack's lengths.
func anyText() *rapid.Generator[string] {
	special := rapid.StringOf(rapid.SampledFrom([]rune("\x00\x1e\x1f\"\\/\n<&é\u2028\ufeff\ufffd😀")))
	return rapid.OneOf(rapid.String(), special, rapid.StringN(0, 300, 300))
}

func someText() *rapid.Generator[string] {
	return anyText().Filter(func(text string) bool { return text != "" })
}

// rawValue is a value as both the protocol writes it and a decoded message holds it.
func rawValue(t *testing.T, protocol Protocol) *rapid.Generator[Raw] {
	return rapid.Custom(func(r *rapid.T) Raw {
		return encodeValue(t, protocol, anyValue(r, 3))
	})
}

// anyValue is a value that both protocols can carry and give back as the same Go value, if numbers are float64.
func anyValue(r *rapid.T, depth int) any {
	kinds := 4
	if depth > 0 {
		kinds = 6
	}
	switch rapid.IntRange(0, kinds-1).Draw(r, "kind") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(r, "bool")
	case 2:
		return rapid.Float64().Draw(r, "number")
	case 3:
		return anyText().Draw(r, "text")
	case 4:
		elements := []any{}
		for range rapid.IntRange(0, 3).Draw(r, "length") {
			elements = append(elements, anyValue(r, depth-1))
		}
		return elements
	default:
		entries := map[string]any{}
		for range rapid.IntRange(0, 3).Draw(r, "length") {
			entries[anyText().Draw(r, "key")] = anyValue(r, depth-1)
		}
		return entries
	}
}

// anyMessage is any valid message as decoding gives it.
func anyMessage(t *testing.T, protocol Protocol) *rapid.Generator[Message] {
	return rapid.Custom(func(r *rapid.T) Message {
		headers := rapid.MapOfN(anyText(), anyText(), 0, 3).Draw(r, "headers")
		if len(headers) == 0 {
			headers = nil
		}
		raw := rawValue(t, protocol)
		switch Type(rapid.IntRange(1, 9).Draw(r, "type")) {
		case TypeInvocation:
			return anyInvocation(r, headers, raw, false)
		case TypeStreamInvocation:
			return anyInvocation(r, headers, raw, true)
		case TypeStreamItem:
			return &StreamItem{Headers: headers, ID: someText().Draw(r, "id"), Item: raw.Draw(r, "item")}
		case TypeCompletion:
			return anyCompletion(r, headers, raw)
		case TypeCancelInvocation:
			return &CancelInvocation{Headers: headers, ID: someText().Draw(r, "id")}
		case TypePing:
			return Ping{}
		case TypeClose:
			return &Close{Error: anyText().Draw(r, "error"), AllowReconnect: rapid.Bool().Draw(r, "reconnect")}
		case TypeAck:
			return &Ack{SequenceID: rapid.Int64().Draw(r, "sequence")}
		default:
			return &Sequence{SequenceID: rapid.Int64().Draw(r, "sequence")}
		}
	})
}

func anyInvocation(r *rapid.T, headers map[string]string, raw *rapid.Generator[Raw], stream bool) Message {
	m := &Invocation{Headers: headers, ID: anyText().Draw(r, "id"), Target: someText().Draw(r, "target"), Arguments: []any{}, Stream: stream}
	if stream {
		m.ID = someText().Draw(r, "stream")
	}
	for range rapid.IntRange(0, 6).Draw(r, "arguments") {
		m.Arguments = append(m.Arguments, raw.Draw(r, "argument"))
	}
	if ids := rapid.SliceOfN(anyText(), 0, 3).Draw(r, "streams"); len(ids) > 0 {
		m.StreamIDs = ids
	}
	return m
}

func anyCompletion(r *rapid.T, headers map[string]string, raw *rapid.Generator[Raw]) Message {
	m := &Completion{Headers: headers, ID: someText().Draw(r, "id")}
	switch rapid.IntRange(0, 2).Draw(r, "kind") {
	case 0:
		m.Error = anyText().Draw(r, "error")
	case 1:
		m.Result, m.HasResult = raw.Draw(r, "result"), true
	}
	return m
}

func mustEqual(t interface {
	Helper()
	Fatalf(string, ...any)
}, what string, want, got any) {
	t.Helper()
	if difference := cmp.Diff(want, got); difference != "" {
		t.Fatalf("%s: %s", what, difference)
	}
}
