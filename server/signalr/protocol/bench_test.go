package protocol

import "testing"

// sendMessage is what the demo's page sends: 64 bytes of arguments and envelope in JSON with the separator left out.
var sendMessage = []byte("{\"type\":1,\"invocationId\":\"12\",\"target\":\"SendMessage\",\"arguments\":[\"ann\",\"hi\"]}\x1e")

var receiveMessage = &Invocation{Target: "ReceiveMessage", Arguments: []any{"ann", "hello, world", "Server 5000"}}

func BenchmarkJSONDecodeSendMessage(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := (JSON{}).Decode(sendMessage, 32768); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJSONUnmarshalString(b *testing.B) {
	b.ReportAllocs()
	raw := Raw(`"hello, world"`)
	var text string
	for b.Loop() {
		if err := (JSON{}).Unmarshal(raw, &text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJSONAppendReceiveMessage(b *testing.B) {
	b.ReportAllocs()
	buffer := make([]byte, 0, 256)
	for b.Loop() {
		if _, err := (JSON{}).Append(buffer, receiveMessage); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJSONAppendStruct(b *testing.B) {
	b.ReportAllocs()
	buffer := make([]byte, 0, 256)
	message := &Invocation{Target: "Receive", Arguments: []any{address{"Main Street", "12345"}}}
	for b.Loop() {
		if _, err := (JSON{}).Append(buffer, message); err != nil {
			b.Fatal(err)
		}
	}
}
