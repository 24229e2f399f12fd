package protocol

import "testing"

// What the demo's page sends and gets.
var (
	sendMessage    = &Invocation{ID: "12", Target: "SendMessage", Arguments: []any{"ann", "hello, world"}}
	receiveMessage = &Invocation{Target: "ReceiveMessage", Arguments: []any{"ann", "hello, world", "Server 5000"}}
)

var protocols = []Protocol{JSON{}, MessagePack{}}

func BenchmarkDecodeSendMessage(b *testing.B) {
	for _, protocol := range protocols {
		input, err := protocol.Append(nil, sendMessage)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(protocol.Name(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(input)))
			for b.Loop() {
				if _, _, err := protocol.Decode(input, 32768); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkUnmarshalString(b *testing.B) {
	for _, protocol := range protocols {
		raw := encodeValue(b, protocol, "hello, world")
		b.Run(protocol.Name(), func(b *testing.B) {
			b.ReportAllocs()
			var text string
			for b.Loop() {
				if err := protocol.Unmarshal(raw, &text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	messages := map[string]Message{
		"ReceiveMessage": receiveMessage,
		"struct":         &Invocation{Target: "Receive", Arguments: []any{address{"Main Street", "12345"}}},
		"ping":           Ping{},
	}
	for name, message := range messages {
		for _, protocol := range protocols {
			b.Run(name+"/"+protocol.Name(), func(b *testing.B) {
				b.ReportAllocs()
				buffer := make([]byte, 0, 256)
				for b.Loop() {
					if _, err := protocol.Append(buffer, message); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// TestAllocationsStayFew guards the numbers that the throughput of a server rests on: a decoded call with two
// arguments is the call with room for them, two strings and the two boxed arguments; encoding needs only the buffer.
func TestAllocationsStayFew(t *testing.T) {
	for _, protocol := range protocols {
		input, err := protocol.Append(nil, sendMessage)
		if err != nil {
			t.Fatal(err)
		}
		decode := testing.AllocsPerRun(100, func() {
			if _, _, err := protocol.Decode(input, 32768); err != nil {
				t.Error(err)
			}
		})
		buffer := make([]byte, 0, 256)
		encode := testing.AllocsPerRun(100, func() {
			if _, err := protocol.Append(buffer, receiveMessage); err != nil {
				t.Error(err)
			}
		})
		if decode > 5 || encode > 0 {
			t.Errorf("%s: %v allocations to decode, %v to encode", protocol.Name(), decode, encode)
		}
	}
}
