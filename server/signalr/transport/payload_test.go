package transport

import (
	"bytes"
	"strings"
	"testing"
)

func TestPayloadIsFramedForWebSockets(t *testing.T) {
	for _, test := range []struct {
		name   string
		length int
		binary bool
		header []byte
	}{
		{"empty", 0, false, []byte{0x81, 0}},
		{"text", 5, false, []byte{0x81, 5}},
		{"binary", 125, true, []byte{0x82, 125}},
		{"16-bit length", 126, false, []byte{0x81, 126, 0, 126}},
		{"longest 16-bit length", 65535, false, []byte{0x81, 126, 0xff, 0xff}},
		{"64-bit length", 65536, true, []byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			message := []byte(strings.Repeat("m", test.length))
			payload := NewPayload(message, test.binary)
			if want := append(bytes.Clone(test.header), message...); !bytes.Equal(payload.bytes, want) {
				t.Errorf("frame starts with % x, want % x", payload.bytes[:min(len(payload.bytes), 12)], test.header)
			}
			if !bytes.Equal(payload.Message(), message) || payload.Len() != test.length {
				t.Errorf("the message has changed")
			}
		})
	}
}

func TestFramesOfABatchShareAWebSocketMessageUnlessTheirFormatsDiffer(t *testing.T) {
	var w frameBuilder
	socket := &webSocket{connection: &Connection{closeCode: CloseNormal}}
	for _, test := range []struct {
		name  string
		batch batch
		want  string
	}{
		{"one", batch{messages: []*Payload{text("a")}}, "\x81\x01a"},
		{"two", batch{messages: []*Payload{text("a"), text("bc")}}, "\x81\x03abc"},
		{"text and binary", batch{messages: []*Payload{text("a"), NewPayload([]byte("b"), true)}}, "\x81\x01a\x82\x01b"},
		{"control frame first", batch{raw: []byte("pong"), messages: []*Payload{text("a")}}, "pong\x81\x01a"},
		{"close frame last", batch{messages: []*Payload{text("a")}, last: true}, "\x81\x01a\x88\x02\x03\xe8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := string(w.frame(socket, &test.batch)); got != test.want {
				t.Errorf("frames are %q, want %q", got, test.want)
			}
		})
	}
}
