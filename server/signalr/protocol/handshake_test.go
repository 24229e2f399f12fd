package protocol

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestHandshakeRequests(t *testing.T) {
	tests := []struct {
		text string
		want HandshakeRequest
	}{
		{`{"protocol":"json","version":1}`, HandshakeRequest{"json", 1}},
		{`{"version":2,"protocol":"messagepack"}`, HandshakeRequest{"messagepack", 2}},
		{` {"protocol":"json" , "version" : -5 } `, HandshakeRequest{"json", -5}},
		{`{"protocol":"json","version":1,"type":6,"x":{"y":[1]}}`, HandshakeRequest{"json", 1}},
		{`{"protocol":"x","protocol":"js\u006fn","version":9,"version":1}`, HandshakeRequest{"json", 1}},
		{`{"protocol":"","version":9001}`, HandshakeRequest{"", 9001}},
	}
	for _, test := range tests {
		input := []byte(test.text + "\x1e{\"type\":6}\x1e")
		request, length, err := ParseHandshakeRequest(input, len(test.text)+1)
		if err != nil || request != test.want || length != len(test.text)+1 {
			t.Errorf("%s: got %v, %d, %v", test.text, request, length, err)
		}
		for end := range len(test.text) + 1 {
			if _, length, err := ParseHandshakeRequest(input[:end], len(test.text)+1); length != 0 || err != nil {
				t.Fatalf("%q: got %d, %v", input[:end], length, err)
			}
		}
	}
}

func TestHandshakeErrorsReadAsThoseOfTheReference(t *testing.T) {
	const failed = "An unexpected error occurred during connection handshake. InvalidDataException: "
	tests := []struct{ text, want string }{
		{`{"protocol":"json"}`, failed + `Missing required property 'version'. Message content: {"protocol":"json"}`},
		{`{"version":1}`, failed + `Missing required property 'protocol'. Message content: {"version":1}`},
		{"{\"Protocol\":\"\xff\",\"version\":1}", failed + "Missing required property 'protocol'. Message content: {\"Protocol\":\"\ufffd\",\"version\":1}"},
		{`{}`, failed + "Missing required property 'protocol'. Message content: {}"},
		{`{"protocol":null,"version":1}`, failed + "Expected 'protocol' to be of type String."},
		{`{"protocol":"json","version":"1"}`, failed + "Expected 'version' to be of type Number."},
		{`{"protocol":"json","version":1.0}`, failed + "Expected an integer of 32 bits."},
		{`{"protocol":"json","version":99999999999}`, failed + "Expected an integer of 32 bits."},
		{`{"protocol":"\ud800","version":1}`, failed + "Property 'protocol' is not valid UTF-8."},
		{`{"\ud800":"json","version":1}`, failed + "A property name is not valid UTF-8."},
		{`[]`, failed + "Expected a JSON object."},
		{`foo`, failed + "Error reading JSON at byte 0."},
		{``, failed + "Error reading JSON at byte 0."},
		{`{"protocol":"json","version":1}x`, failed + "Error reading JSON at byte 31."},
		{`{"protocol":"json","version":1,}`, failed + "Error reading JSON at byte 31."},
	}
	for _, test := range tests {
		_, length, err := ParseHandshakeRequest([]byte(test.text+"\x1e"), 0)
		if err == nil || length != 0 {
			t.Errorf("%s: got %d, %v", test.text, length, err)
			continue
		}
		if got := HandshakeErrorText(err, true); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.text, got, test.want)
		}
		if got := HandshakeErrorText(err, false); got != "An unexpected error occurred during connection handshake." {
			t.Errorf("%s: without details: %s", test.text, got)
		}
		if strings.Contains(err.Error(), "content") {
			t.Errorf("%s: the error for the log shows the message: %v", test.text, err)
		}
	}
}

func TestHandshakeIsBounded(t *testing.T) {
	_, _, err := ParseHandshakeRequest([]byte(strings.Repeat(" ", 100)), 100)
	if !errors.Is(err, ErrTooLarge) {
		t.Fatalf("got %v", err)
	}
	for _, canceled := range []error{err, context.DeadlineExceeded} {
		if got := HandshakeErrorText(canceled, true); got != "Handshake was canceled." {
			t.Errorf("%v: got %q", canceled, got)
		}
	}
}

// binaryProtocol stands for any protocol that needs bytes.
type binaryProtocol struct{ JSON }

func (binaryProtocol) Name() string { return "messagepack" }
func (binaryProtocol) Binary() bool { return true }

func TestHandshakeSelectsTheProtocol(t *testing.T) {
	both := []Protocol{JSON{}, binaryProtocol{}}
	tests := []struct {
		request   HandshakeRequest
		protocols []Protocol
		binary    bool
		want      string
	}{
		{HandshakeRequest{"json", 1}, both, false, ""},
		{HandshakeRequest{"JSON", 2}, both, true, ""},
		{HandshakeRequest{"json", -5}, both, true, ""},
		{HandshakeRequest{"MessagePack", 0}, both, true, ""},
		{HandshakeRequest{"x", 77}, both, true, "The protocol 'x' is not supported."},
		{HandshakeRequest{"messagepack", 1}, both[:1], true, "The protocol 'messagepack' is not supported."},
		{HandshakeRequest{"json", 3}, both, true, "The server does not support version 3 of the 'json' protocol."},
		{HandshakeRequest{"messagepack", 3}, both, false, "The server does not support version 3 of the 'messagepack' protocol."},
		{HandshakeRequest{"messagepack", 1}, both, false, "Cannot use the 'messagepack' protocol on the current transport. The transport does not support 'Binary' transfer format."},
	}
	for _, test := range tests {
		selected, err := test.request.Select(test.protocols, test.binary)
		if test.want == "" {
			if err != nil || !strings.EqualFold(test.protocols[selected].Name(), test.request.Protocol) {
				t.Errorf("%v: got %v, %v", test.request, selected, err)
			}
			continue
		}
		if err == nil || HandshakeErrorText(err, false) != test.want {
			t.Errorf("%v: got %v, %v", test.request, selected, err)
		}
	}
}

func TestHandshakeResponses(t *testing.T) {
	tests := map[string]string{"": "{}\x1e", "The protocol '<\"é\">' is not supported.": "{\"error\":\"The protocol '<\\\"é\\\">' is not supported.\"}\x1e"}
	for text, want := range tests {
		response := AppendHandshakeResponse([]byte("before"), text)
		if string(response) != "before"+want {
			t.Errorf("got %q", response)
		}
		got, length, err := ParseHandshakeResponse(append(response[6:], "more"...), 0)
		if err != nil || got != text || length != len(want) {
			t.Errorf("got %q, %d, %v", got, length, err)
		}
	}
	if _, length, err := ParseHandshakeResponse([]byte("{}"), 0); length != 0 || err != nil {
		t.Errorf("incomplete: got %d, %v", length, err)
	}
	for _, wrong := range []string{`{"type":6}`, `{"error":5}`, `x`} {
		if _, _, err := ParseHandshakeResponse([]byte(wrong+"\x1e"), 0); err == nil {
			t.Errorf("%s was taken", wrong)
		}
	}
}

func TestHandshakeRequestRoundTrip(t *testing.T) {
	request := HandshakeRequest{"json", 2}
	encoded := AppendHandshakeRequest(nil, request)
	if string(encoded) != "{\"protocol\":\"json\",\"version\":2}\x1e" {
		t.Errorf("got %q", encoded)
	}
	if read, _, err := ParseHandshakeRequest(encoded, 0); err != nil || read != request {
		t.Errorf("got %v, %v", read, err)
	}
}
