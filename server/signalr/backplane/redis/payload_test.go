package redis

import (
	"bytes"
	"encoding/hex"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	decoded, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

// The bytes are those of the reference's own tests.
func TestInvocationMatchesReferenceBytes(t *testing.T) {
	encodings := []backplane.Encoding{{Protocol: "p1", Frame: []byte{0x2A}}, {Protocol: "p2", Frame: []byte{0x2A}}}
	tests := map[string]struct {
		message backplane.Message
		payload string
	}{
		"nobody excluded": {
			backplane.Message{Encodings: encodings},
			"92 90 82 A2 70 31 C4 01 2A A2 70 32 C4 01 2A",
		},
		"one excluded": {
			backplane.Message{Excluded: []string{"a"}, Encodings: encodings},
			"92 91 A1 61 82 A2 70 31 C4 01 2A A2 70 32 C4 01 2A",
		},
		"client result": {
			backplane.Message{Encodings: encodings[:1], InvocationID: "i", ReturnTo: "r"},
			"94 90 81 A2 70 31 C4 01 2A A1 69 A1 72",
		},
		"no protocol": {backplane.Message{Encodings: []backplane.Encoding{}}, "92 90 80"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			payload := encodeInvocation(test.message, extension{})
			if !bytes.Equal(payload, unhex(t, test.payload)) {
				t.Errorf("encoded as % X, want %s", payload, test.payload)
			}
			if cap(payload) > invocationBound(test.message) {
				t.Errorf("allocated twice: bound %d, capacity %d", invocationBound(test.message), cap(payload))
			}
			decoded, _, err := decodeInvocation(unhex(t, test.payload))
			if err != nil {
				t.Fatal(err)
			}
			if difference := cmp.Diff(test.message, decoded); difference != "" {
				t.Error(difference)
			}
		})
	}
}

func TestGroupCommandMatchesReferenceBytes(t *testing.T) {
	tests := map[string]groupCommand{
		"95 2A A1 53 01 A1 47 A1 43":               {id: 42, server: "S", action: groupAdd, group: "G", connectionID: "C"},
		"95 CE 7F FF FF FF A1 53 02 A1 47 A1 43":   {id: 1<<31 - 1, server: "S", action: groupRemove, group: "G", connectionID: "C"},
		"95 D2 80 00 00 00 A1 53 02 A1 47 A1 43":   {id: -1 << 31, server: "S", action: groupRemove, group: "G", connectionID: "C"},
		"95 01 A1 53 01 A4 C3 A4 3A 2A A1 43":      {id: 1, server: "S", action: groupAdd, group: "ä:*", connectionID: "C"},
		"95 CC 80 A1 53 01 A0 A1 43":               {id: 128, server: "S", action: groupAdd, connectionID: "C"},
		"95 CD 01 00 A1 53 01 A1 47 A1 43":         {id: 256, server: "S", action: groupAdd, group: "G", connectionID: "C"},
		"95 FF A1 53 01 A1 47 A1 43":               {id: -1, server: "S", action: groupAdd, group: "G", connectionID: "C"},
		"95 2A A1 53 01 A1 47 D9 20 " + hex32('C'): {id: 42, server: "S", action: groupAdd, group: "G", connectionID: strings.Repeat("C", 32)},
	}
	for text, command := range tests {
		if payload := encodeGroupCommand(command); !bytes.Equal(payload, unhex(t, text)) {
			t.Errorf("%+v encoded as % X, want %s", command, payload, text)
		}
		if decoded, err := decodeGroupCommand(unhex(t, text)); err != nil || decoded != command {
			t.Errorf("%s decoded as %+v, %v", text, decoded, err)
		}
	}
}

func hex32(character byte) string { return hex.EncodeToString(bytes.Repeat([]byte{character}, 32)) }

func TestAcknowledgementMatchesReferenceBytes(t *testing.T) {
	for id, text := range map[int32]string{0: "91 00", 180: "91 CC B4", 384: "91 CD 01 80", 70000: "91 CE 00 01 11 70"} {
		if payload := encodeAcknowledgement(id); !bytes.Equal(payload, unhex(t, text)) {
			t.Errorf("%d encoded as % X, want %s", id, payload, text)
		}
		if decoded, err := decodeAcknowledgement(unhex(t, text)); err != nil || decoded != id {
			t.Errorf("%s decoded as %d, %v", text, decoded, err)
		}
	}
}

func TestCompletionSurvivesEncoding(t *testing.T) {
	for _, size := range []int{0, 1, 255, 256, 65535, 65536} {
		answer := completion{protocol: "json", frame: bytes.Repeat([]byte{7}, size)}
		decoded, err := decodeCompletion(encodeCompletion(answer))
		if err != nil || decoded.protocol != answer.protocol || !bytes.Equal(decoded.frame, answer.frame) {
			t.Errorf("%d bytes came back as %d, %v", size, len(decoded.frame), err)
		}
	}
}

// What other versions of the reference, and other MessagePack writers, may send.
func TestDecodersAcceptOtherWriters(t *testing.T) {
	accepted := map[string]string{
		"more items in an invocation":     "95 90 81 A2 70 31 C4 01 2A A1 69 A1 72 C0",
		"a third item is an extension":    "93 90 81 A2 70 31 C4 01 2A 01",
		"long forms of lengths":           "DD 00 00 00 02 DC 00 00 DF 00 00 00 01 DB 00 00 00 02 70 31 C6 00 00 00 01 2A",
		"a frame as str, before bin came": "92 90 81 A2 70 31 A1 2A",
	}
	for name, text := range accepted {
		if message, _, err := decodeInvocation(unhex(t, text)); err != nil || len(message.Encodings) != 1 ||
			string(message.Encodings[0].Frame) != "*" {
			t.Errorf("%s: %+v, %v", name, message, err)
		}
	}
	for _, text := range []string{"95 D3 00 00 00 00 00 00 00 2A A1 53 CC 01 A1 47 A1 43", "96 D0 2A A1 53 01 A1 47 A1 43 C0"} {
		if command, err := decodeGroupCommand(unhex(t, text)); err != nil || command.id != 42 {
			t.Errorf("%s: %+v, %v", text, command, err)
		}
	}
}

func TestDecodersRefuseMalformedPayloads(t *testing.T) {
	tests := map[string]string{
		"nothing":                          "",
		"not an array":                     "A1 61",
		"nil for excluded":                 "92 C0 80",
		"an array that is too short":       "91 90",
		"excluded is missing":              "92",
		"more excluded than bytes":         "92 DD FF FF FF FF 80",
		"more protocols than bytes":        "92 90 DF FF FF FF FF",
		"two protocols in three bytes":     "92 90 82 A0 C4 00",
		"a frame longer than the payload":  "92 90 81 A2 70 31 C6 FF FF FF FF 2A",
		"a string longer than the payload": "92 91 DB FF FF FF FF 61",
		"a number as protocol":             "92 90 81 01 C4 01 2A",
		"a number as frame":                "92 90 81 A2 70 31 01",
		"the return channel is missing":    "94 90 81 A2 70 31 C4 01 2A A1 69",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			if message, _, err := decodeInvocation(unhex(t, text)); err == nil {
				t.Errorf("decoded as %+v", message)
			}
		})
	}
	for name, text := range map[string]string{
		"unknown action": "95 2A A1 53 03 A1 47 A1 43", "too few items": "94 2A A1 53 01 A1 47", "id over 32 bits": "95 CF FF FF FF FF FF FF FF FF A1 53 01 A1 47 A1 43",
		"empty": "", "id is a string": "95 A1 31 A1 53 01 A1 47 A1 43", "ends early": "95 2A A1 53 01 A1 47",
	} {
		if command, err := decodeGroupCommand(unhex(t, text)); err == nil {
			t.Errorf("group command, %s: decoded as %+v", name, command)
		}
	}
	for _, text := range []string{"", "90", "91", "91 A1 61", "C0"} {
		if id, err := decodeAcknowledgement(unhex(t, text)); err == nil {
			t.Errorf("acknowledgement %q decoded as %d", text, id)
		}
	}
	for _, text := range []string{"", "91 A1 61", "92 A1", "92 01 C4 00", "92 A1 61 C0"} {
		if answer, err := decodeCompletion(unhex(t, text)); err == nil {
			t.Errorf("completion %q decoded as %+v", text, answer)
		}
	}
}

func TestStatedLengthsDoNotAllocate(t *testing.T) {
	for _, text := range []string{"92 DD 7F FF FF FF 80", "92 90 DF 7F FF FF FF", "92 91 DB 7F FF FF FF 61"} {
		payload := unhex(t, text)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 100 {
			_, _, _ = decodeInvocation(payload)
		}
		runtime.ReadMemStats(&after)
		if perCall := (after.TotalAlloc - before.TotalAlloc) / 100; perCall > 4096 {
			t.Errorf("%s: %d bytes allocated for a payload of %d", text, perCall, len(payload))
		}
	}
}

func TestErrorsOfPayloadsHoldNoContents(t *testing.T) {
	_, _, err := decodeInvocation(append(unhex(t, "92 91 A6"), "secret"...))
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
	if _, _, err := decodeInvocation(unhex(t, "92 DD FF FF FF FF")); !errors.Is(err, errLengthTooLong) {
		t.Errorf("error %v", err)
	}
}

// FuzzDecode: no payload makes a decoder panic, and what decodes says the same after encoding it again.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		"92908 2A27031C4012AA27032C4012A", "9491A16181A27031C4012AA169A172", "952AA15301A147A143", "91CE00011170", "92A46A736F6EC4012A",
	} {
		payload, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if message, extra, err := decodeInvocation(payload); err == nil {
			again, _, err := decodeInvocation(encodeInvocation(message, extra))
			if message.InvocationID == "" {
				message.ReturnTo = ""
			}
			if err != nil || !cmp.Equal(message, again) {
				t.Errorf("%+v became %+v, %v", message, again, err)
			}
		}
		if command, err := decodeGroupCommand(payload); err == nil {
			if again, err := decodeGroupCommand(encodeGroupCommand(command)); err != nil || again != command {
				t.Errorf("%+v became %+v, %v", command, again, err)
			}
		}
		if id, err := decodeAcknowledgement(payload); err == nil {
			if again, err := decodeAcknowledgement(encodeAcknowledgement(id)); err != nil || again != id {
				t.Errorf("%d became %d, %v", id, again, err)
			}
		}
		if answer, err := decodeCompletion(payload); err == nil {
			again, err := decodeCompletion(encodeCompletion(answer))
			if err != nil || again.protocol != answer.protocol || !slices.Equal(again.frame, answer.frame) {
				t.Errorf("%+v became %+v, %v", answer, again, err)
			}
		}
	})
}
