package protocol

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// written holds every kind of message with the bytes that clients get, in the order of properties in which ASP.NET
// Core writes them, without the separator.
var written = []struct {
	name    string
	message Message
	text    string
}{
	{"invocation", &Invocation{Target: "ReceiveMessage", Arguments: []any{"ann", "hi"}},
		`{"type":1,"target":"ReceiveMessage","arguments":["ann","hi"]}`},
	{"invocation without arguments", &Invocation{Target: "Tick"}, `{"type":1,"target":"Tick","arguments":[]}`},
	{"invocation with everything",
		&Invocation{Headers: map[string]string{"traceparent": "00"}, ID: "7", Target: "Upload", Arguments: []any{1}, StreamIDs: []string{"a", "b"}},
		`{"type":1,"headers":{"traceparent":"00"},"invocationId":"7","target":"Upload","arguments":[1],"streamIds":["a","b"]}`},
	{"stream invocation", &Invocation{ID: "s", Target: "Stream", Arguments: []any{3, 0}, Stream: true},
		`{"type":4,"invocationId":"s","target":"Stream","arguments":[3,0]}`},
	{"stream item", &StreamItem{ID: "s", Item: 5}, `{"type":2,"invocationId":"s","item":5}`},
	{"stream item null", &StreamItem{Headers: map[string]string{"a": "b"}, ID: "s"},
		`{"type":2,"headers":{"a":"b"},"invocationId":"s","item":null}`},
	{"completion with result", &Completion{ID: "1", Result: "hi", HasResult: true},
		`{"type":3,"invocationId":"1","result":"hi"}`},
	{"completion with null", &Completion{ID: "1", HasResult: true}, `{"type":3,"invocationId":"1","result":null}`},
	{"completion with nothing", &Completion{ID: "1"}, `{"type":3,"invocationId":"1"}`},
	{"completion with error", &Completion{Headers: map[string]string{"a": "b"}, ID: "1", Error: "no"},
		`{"type":3,"headers":{"a":"b"},"invocationId":"1","error":"no"}`},
	{"completion ignores a result beside an error", &Completion{ID: "1", Error: "no", Result: 1, HasResult: true},
		`{"type":3,"invocationId":"1","error":"no"}`},
	{"cancel", &CancelInvocation{ID: "s"}, `{"type":5,"invocationId":"s"}`},
	{"ping", Ping{}, `{"type":6}`},
	{"close", &Close{}, `{"type":7}`},
	{"close to reconnect", &Close{AllowReconnect: true}, `{"type":7,"allowReconnect":true}`},
	{"close with error", &Close{Error: "Connection closed with an error.", AllowReconnect: true},
		`{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`},
	{"ack", &Ack{SequenceID: 1394}, `{"type":8,"sequenceId":1394}`},
	{"sequence", &Sequence{SequenceID: 1}, `{"type":9,"sequenceId":1}`},
}

func TestJSONWritesWhatClientsRead(t *testing.T) {
	for _, test := range written {
		t.Run(test.name, func(t *testing.T) {
			encoded, err := JSON{}.Append([]byte("before"), test.message)
			if err != nil {
				t.Fatal(err)
			}
			if want := "before" + test.text + "\x1e"; string(encoded) != want {
				t.Errorf("got  %q\nwant %q", encoded, want)
			}
		})
	}
}

func TestJSONRefusesMessagesThatNoPeerWouldTake(t *testing.T) {
	loop := map[string]any{}
	loop["loop"] = loop
	tests := map[string]Message{
		"nil":                     nil,
		"stream without id":       &Invocation{Target: "S", Stream: true},
		"channel as argument":     &Invocation{Target: "S", Arguments: []any{1, make(chan int)}},
		"value holds itself":      &StreamItem{ID: "1", Item: loop},
		"broken raw message":      &StreamItem{ID: "1", Item: json.RawMessage("{\x1e")},
		"two values":              &StreamItem{ID: "1", Item: json.RawMessage("1 2")},
		"broken result":           &Completion{ID: "1", HasResult: true, Result: func() {}},
		"raw message, not UTF-8":  &StreamItem{ID: "1", Item: json.RawMessage("\"\xff\"")},
		"typed nil beside others": (*foreignMessage)(nil),
	}
	for name, message := range tests {
		t.Run(name, func(t *testing.T) {
			buffer, err := JSON{}.Append([]byte("before"), message)
			if err == nil {
				t.Fatalf("wrote %q", buffer)
			}
			if string(buffer) != "before" {
				t.Errorf("the buffer became %q", buffer)
			}
		})
	}
}

type foreignMessage struct{}

func (*foreignMessage) Type() Type { return 42 }

func raws(values ...string) []any {
	arguments := make([]any, 0, len(values))
	for _, value := range values {
		arguments = append(arguments, Raw(value))
	}
	return arguments
}

func TestJSONReadsMessages(t *testing.T) {
	echo := &Invocation{ID: "1", Target: "Echo", Arguments: raws(`"a"`)}
	deep := strings.Repeat("[", 62) + strings.Repeat("]", 62)
	tests := []struct {
		name, text string
		want       Message
	}{
		{"invocation", `{"type":1,"invocationId":"1","target":"Echo","arguments":["a"]}`, echo},
		{"any order", `{"arguments":["a"],"target":"Echo","invocationId":"1","type":1}`, echo},
		{"white space", " {\t\"type\" : 1 ,\r\n\"invocationId\":\"1\",\"target\":\"Echo\",\"arguments\":[ \"a\" ] } \n", echo},
		{"unknown properties", `{"type":1,"x":{"type":9,"y":[1,-0.5e+3,true,false,null,{}]},"invocationId":"1","target":"Echo","arguments":["a"]}`, echo},
		{"names are case-sensitive", `{"Type":6,"type":1,"invocationId":"1","target":"Echo","Target":5,"arguments":["a"]}`, echo},
		{"last duplicate wins", `{"type":6,"target":"x","arguments":[1,2],"type":1,"invocationId":"0","invocationId":"1","target":"Echo","arguments":["a"]}`, echo},
		{"escaped name and text", `{"\u0074ype":1,"invocationId":"\u0031","target":"\u0045cho","arguments":["a"]}`, echo},
		{"no id", `{"type":1,"target":"Echo","arguments":[]}`, &Invocation{Target: "Echo", Arguments: raws()}},
		{"empty id", `{"type":1,"invocationId":"","target":"","arguments":[]}`, &Invocation{Arguments: raws()}},
		{"five arguments", `{"type":1,"target":"T","arguments":[1,"\"}]",{"a":[ ]}, [1,2] ,null]}`,
			&Invocation{Target: "T", Arguments: raws("1", `"\"}]"`, `{"a":[ ]}`, "[1,2]", "null")}},
		{"headers and streams", `{"type":1,"headers":{"a":"b","c":"d","a":"e"},"target":"T","arguments":[],"streamIds":["x","\n"]}`,
			&Invocation{Headers: map[string]string{"a": "e", "c": "d"}, Target: "T", Arguments: raws(), StreamIDs: []string{"x", "\n"}}},
		{"empty headers and streams", `{"type":1,"headers":{},"target":"T","arguments":[],"streamIds":[]}`,
			&Invocation{Target: "T", Arguments: raws()}},
		{"stream invocation", `{"type":4,"invocationId":"s","target":"T","arguments":[]}`,
			&Invocation{ID: "s", Target: "T", Arguments: raws(), Stream: true}},
		{"item", `{"type":2,"invocationId":"s","item":{"a":1}}`, &StreamItem{ID: "s", Item: Raw(`{"a":1}`)}},
		{"item null", `{"type":2,"invocationId":"s","item":null}`, &StreamItem{ID: "s", Item: Raw("null")}},
		{"completion", `{"type":3,"invocationId":"s"}`, &Completion{ID: "s"}},
		{"completion null", `{"type":3,"invocationId":"s","result":null}`, &Completion{ID: "s", Result: Raw("null"), HasResult: true}},
		{"completion error", `{"type":3,"invocationId":"s","error":"\ud83d\ude00 <\u00e9>"}`, &Completion{ID: "s", Error: "😀 <é>"}},
		{"cancel", `{"type":5,"invocationId":"s","headers":{"a":"b"}}`, &CancelInvocation{ID: "s", Headers: map[string]string{"a": "b"}}},
		{"ping", `{"type":6}`, Ping{}},
		{"ping with the properties of others", `{"type":6,"error":"a","result":1}`, Ping{}},
		{"nobody looks at this text", "{\"type\":6,\"\xff\":\"\\ud800\xff\"}", Ping{}},
		{"close", `{"type":7}`, &Close{}},
		{"close with everything", `{"type":7,"error":"e","allowReconnect":true}`, &Close{Error: "e", AllowReconnect: true}},
		{"close for good", `{"type":7,"allowReconnect":false}`, &Close{}},
		{"ack", `{"type":8,"sequenceId":9223372036854775807}`, &Ack{SequenceID: 9223372036854775807}},
		{"sequence", `{"type":9,"sequenceId":-1}`, &Sequence{SequenceID: -1}},
		{"unknown type", `{"type":99,"a":"b"}`, nil},
		{"negative type", `{"type":-6}`, nil},
		{"64 levels", `{"type":1,"target":"T","arguments":[` + deep + `]}`, &Invocation{Target: "T", Arguments: raws(deep)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			message, length, err := JSON{}.Decode([]byte(test.text+"\x1e{"), len(test.text)+1)
			if err != nil {
				t.Fatal(err)
			}
			if length != len(test.text)+1 {
				t.Errorf("took %d bytes of %d", length, len(test.text)+1)
			}
			if difference := cmp.Diff(test.want, message); difference != "" {
				t.Error(difference)
			}
		})
	}
}

func TestJSONRefusesWhatTheReferenceRefuses(t *testing.T) {
	const reading = "Error reading JSON at byte "
	tests := []struct{ text, detail string }{
		{"", reading + "0."}, {" ", reading + "1."}, {"\xef\xbb\xbf{}", reading + "0."}, {"{", reading + "1."},
		{"[]", "Expected a JSON object."}, {"5", "Expected a JSON object."}, {"null", "Expected a JSON object."},
		{"{}", "Missing required property 'type'."}, {`{"Type":6}`, "Missing required property 'type'."},
		{`{"type":null}`, "Expected 'type' to be of type Number."}, {`{"type":"1"}`, "Expected 'type' to be of type Number."},
		{`{"type":1.0}`, "Expected an integer of 32 bits."}, {`{"type":6e0}`, "Expected an integer of 32 bits."},
		{`{"type":99999999999}`, "Expected an integer of 32 bits."},
		{`{"type":6,}`, reading + "10."}, {`{"type":6/*c*/}`, reading + "9."}, {`{"type":06}`, reading + "9."},
		{`{'type':6}`, reading + "1."}, {`{"type":6`, reading + "9."}, {`{"type":6]`, reading + "9."}, {`{,}`, reading + "1."},
		{`{"type":6 "a":1}`, reading + "10."}, {`{"type"6}`, reading + "7."}, {`{"type":6}x`, reading + "10."},
		{`{"type":6}{"type":6}`, reading + "10."},
		{`{"type":6,"x":nul}`, reading + "14."}, {`{"type":6,"x":NaN}`, reading + "14."}, {`{"type":6,"x":}`, reading + "14."},
		{`{"type":6,"x":-}`, reading + "15."}, {`{"type":6,"x":1.}`, reading + "16."}, {`{"type":6,"x":.5}`, reading + "14."},
		{`{"type":6,"x":1e}`, reading + "16."}, {`{"type":6,"x":+1}`, reading + "14."}, {`{"type":6,"x":-01}`, reading + "16."},
		{`{"type":6,"x":[1,]}`, reading + "17."}, {`{"type":6,"x":[,1]}`, reading + "15."}, {`{"type":6,"x":[1 2]}`, reading + "17."},
		{"{\"type\":6,\"x\":\"a\tb\"}", reading + "16."}, {`{"type":6,"x":"\q"}`, reading + "16."},
		{`{"type":6,"x":"\u12g4"}`, reading + "21."}, {`{"type":6,"x":"\u1`, reading + "16."}, {`{"type":6,"x":"\`, reading + "16."},
		{`{"type":6,"x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + "}", reading + "77."},
		{`{"type":6,"x":` + strings.Repeat(`{"a":`, 100000), reading + "329."},
		{`{"type":6,"\ud800":1}`, "A property name is not valid UTF-8."},

		{`{"type":1,"invocationId":null,"target":"T","arguments":[]}`, "Expected 'invocationId' to be of type String."},
		{`{"type":1,"invocationId":1,"target":"T","arguments":[]}`, "Expected 'invocationId' to be of type String."},
		{"{\"type\":1,\"invocationId\":\"\xff\",\"target\":\"T\",\"arguments\":[]}", "Property 'invocationId' is not valid UTF-8."},
		{`{"type":1,"invocationId":"\ud800","target":"T","arguments":[]}`, "Property 'invocationId' is not valid UTF-8."},
		{`{"type":1,"target":"\udc00\ud800","arguments":[]}`, "Property 'target' is not valid UTF-8."},
		{`{"type":1,"target":null,"arguments":[]}`, "Expected 'target' to be of type String."},
		{`{"type":1,"arguments":[]}`, "Missing required property 'target'."},
		{`{"type":1,"target":"T"}`, "Missing required property 'arguments'."},
		{`{"type":1,"target":"T","arguments":null}`, "Expected 'arguments' to be of type Array."},
		{`{"type":1,"target":"T","arguments":[1,]}`, reading + "38."},
		{`{"type":1,"target":"T","arguments":[x]}`, reading + "36."},
		{`{"type":1,"target":"T","arguments":[],"headers":null}`, "Expected 'headers' to be of type Object."},
		{`{"type":1,"target":"T","arguments":[],"headers":{"a":1}}`, "Expected every header to be of type String."},
		{`{"type":1,"target":"T","arguments":[],"headers":{"a":null}}`, "Expected every header to be of type String."},
		{`{"type":1,"target":"T","arguments":[],"headers":{"a":"\ud800"}}`, "Property 'headers' is not valid UTF-8."},
		{`{"type":1,"target":"T","arguments":[],"headers":{"\ud800":""}}`, "Property 'headers' is not valid UTF-8."},
		{`{"type":1,"target":"T","arguments":[],"headers":{"a":"`, reading + "54."},
		{`{"type":1,"target":"T","arguments":[],"streamIds":null}`, "Expected 'streamIds' to be of type Array."},
		{`{"type":1,"target":"T","arguments":[],"streamIds":[1]}`, "Expected 'streamIds' to be of type String."},
		{`{"type":1,"target":"T","arguments":[],"streamIds":["\ud800"]}`, "Property 'streamIds' is not valid UTF-8."},
		{`{"type":4,"target":"T","arguments":[]}`, "Missing required property 'invocationId'."},
		{`{"type":4,"invocationId":"","target":"T","arguments":[]}`, "Missing required property 'invocationId'."},
		{`{"type":2,"item":1}`, "Missing required property 'invocationId'."},
		{`{"type":2,"invocationId":"x"}`, "Missing required property 'item'."},
		{`{"type":3}`, "Missing required property 'invocationId'."},
		{`{"type":3,"invocationId":"x","error":"e","result":1}`, "The 'error' and 'result' properties are mutually exclusive."},
		{`{"type":3,"invocationId":"x","error":"","result":null}`, "The 'error' and 'result' properties are mutually exclusive."},
		{`{"type":3,"invocationId":"x","error":"\ud800"}`, "Property 'error' is not valid UTF-8."},
		{`{"type":5}`, "Missing required property 'invocationId'."},
		{`{"type":5,"invocationId":""}`, "Missing required property 'invocationId'."},
		{`{"type":7,"error":null}`, "Expected 'error' to be of type String."},
		{`{"type":7,"error":"\ud800"}`, "Property 'error' is not valid UTF-8."},
		{`{"type":7,"allowReconnect":null}`, "Expected 'allowReconnect' to be true or false."},
		{`{"type":7,"allowReconnect":1}`, "Expected 'allowReconnect' to be true or false."},
		{`{"type":8}`, "Missing required property 'sequenceId'."},
		{`{"type":9,"sequenceId":"1"}`, "Expected 'sequenceId' to be of type Number."},
		{`{"type":9,"sequenceId":1.5}`, "Expected an integer of 64 bits."},
		{`{"type":6,"arguments":{}}`, "Expected 'arguments' to be of type Array."},
	}
	for _, test := range tests {
		message, length, err := JSON{}.Decode([]byte(test.text+"\x1e"), 0)
		var malformed *InvalidError
		if !errors.As(err, &malformed) || message != nil || length != 0 {
			t.Errorf("%.80q: got %v, %d, %v", test.text, message, length, err)
			continue
		}
		if malformed.Detail != test.detail {
			t.Errorf("%.80q: got %q, want %q", test.text, malformed.Detail, test.detail)
		}
	}
}

func TestJSONBoundsTheSizeOfAMessage(t *testing.T) {
	tests := []struct {
		name, input string
		limit       int
		length      int
		tooLarge    bool
	}{
		{"nothing", "", 11, 0, false},
		{"incomplete", `{"type":6}`, 11, 0, false},
		{"exactly the limit", "{\"type\":6}\x1e", 11, 11, false},
		{"one byte more", "{\"type\":6} \x1e", 11, 0, true},
		{"too large before its end is there", `{"type":6} `, 11, 0, true},
		{"many small messages", strings.Repeat("{\"type\":6}\x1e", 50), 11, 11, false},
		{"no limit", `{"type":6,"x":"` + strings.Repeat("x", 1<<20), 0, 0, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, length, err := JSON{}.Decode([]byte(test.input), test.limit)
			if length != test.length || errors.Is(err, ErrTooLarge) != test.tooLarge || (err != nil) != test.tooLarge {
				t.Errorf("got %d, %v", length, err)
			}
		})
	}
}

func TestJSONArgumentsAliasTheInput(t *testing.T) {
	input := []byte("{\"type\":1,\"target\":\"T\",\"arguments\":[\"a\",2]}\x1e")
	message, _, err := JSON{}.Decode(input, 0)
	if err != nil {
		t.Fatal(err)
	}
	arguments := message.(*Invocation).Arguments
	first := arguments[0].(Raw)
	if &first[0] != &input[36] {
		t.Error("the argument was copied")
	}
	if cap(first) != len(first) {
		t.Error("appending to the argument would overwrite the input")
	}
}
