package protocol

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestJSONBindsValues(t *testing.T) {
	type nested struct {
		UserName string
		List     []int
		Map      map[string]string
		Missing  *string
	}
	tests := []struct {
		raw  string
		into any
		want any
	}{
		{`"a\u00e9\ud83d\ude00\n\/"`, new(string), "aé😀\n/"}, {`""`, ptr("before"), ""}, {`null`, ptr("before"), ""},
		{`"s"`, new(shout), shout("s")},
		{`5`, new(int), 5}, {`-0`, new(int), 0}, {`-128`, new(int8), int8(-128)}, {`255`, new(uint8), uint8(255)},
		{`18446744073709551615`, new(uint64), uint64(18446744073709551615)}, {`2`, new(color), color(2)},
		{`5`, new(float64), 5.0}, {`1E+3`, new(float64), 1000.0}, {`0.1`, new(float32), float32(0.1)},
		{`true`, new(bool), true}, {`false`, ptr(true), false},
		{`"AAEC/+8="`, new([]byte), []byte{0, 1, 2, 0xff, 0xef}}, {`""`, new([]byte), []byte{}}, {`null`, ptr([]byte{1}), []byte(nil)},
		{`5`, new(*int), ptr(5)}, {`null`, ptr(ptr(5)), (*int)(nil)},
		{`[1,2]`, new([]int), []int{1, 2}}, {`{"Key One":1}`, new(map[string]int), map[string]int{"Key One": 1}},
		{`{"USERNAME":"x","list":[1],"map":{"A":"b"},"zzz":[{}]}`, new(nested), nested{"x", []int{1}, map[string]string{"A": "b"}, nil}},
		{`{"userName":"a","UserName":"b"}`, new(nested), nested{UserName: "b"}},
		{`[1,"a",null,{"b":false}]`, new(any), []any{1.0, "a", nil, map[string]any{"b": false}}},
		{`"2026-01-02T03:04:05Z"`, new(time.Time), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		{`{"a":1}`, new(Raw), Raw(`{"a":1}`)}, {`[]`, new(json.RawMessage), json.RawMessage(`[]`)}, {`null`, new(Raw), Raw("null")},
		{`1.50`, new(json.Number), json.Number("1.50")},
	}
	for _, test := range tests {
		if err := (JSON{}).Unmarshal(Raw(test.raw), test.into); err != nil {
			t.Errorf("%s: %v", test.raw, err)
			continue
		}
		if difference := cmp.Diff(test.want, dereference(test.into)); difference != "" {
			t.Errorf("%s: %s", test.raw, difference)
		}
	}
}

func TestJSONRefusesValuesThatDoNotFit(t *testing.T) {
	type nested struct{ A struct{ B int } }
	tests := []struct {
		raw  string
		into any
		want string
	}{
		{`5`, new(string), "cannot bind to string: JSON number does not fit"},
		{`"5"`, new(int), "cannot bind to int: JSON string does not fit"},
		{`5.0`, new(int), "cannot bind to int: the number does not fit"},
		{`1e2`, new(int), "cannot bind to int: the number does not fit"},
		{`null`, new(int), "cannot bind to int: JSON null does not fit"},
		{`null`, new(bool), "cannot bind to bool: JSON null does not fit"},
		{`null`, new(float64), "cannot bind to float64: JSON null does not fit"},
		{`128`, new(int8), "cannot bind to int8: the number does not fit"},
		{`-1`, new(uint), "cannot bind to uint: the number does not fit"},
		{`1E400`, new(float64), "cannot bind to float64: the number does not fit"},
		{`1`, new(bool), "cannot bind to bool: JSON number does not fit"},
		{`{}`, new(bool), "cannot bind to bool: JSON object does not fit"},
		{``, new(int), "cannot bind to int: JSON nothing does not fit"},
		{`1x`, new(int), "cannot bind to int: JSON number does not fit"},
		{`"a"b"`, new(string), "cannot bind to string: JSON string does not fit"},
		{`"\ud800"`, new(string), "cannot bind to string: the text is not valid UTF-8"},
		{"\"\xff\"", new(string), "cannot bind to string: the text is not valid UTF-8"},
		{`["\\\ud800"]`, new([]string), "cannot bind to []string: the text is not valid UTF-8"},
		{"[\"\xff\"]", new(any), "cannot bind to interface {}: the text is not valid UTF-8"},
		{"[\"\xff\"]", new(Raw), "cannot bind to protocol.Raw: it is not valid JSON"},
		{`[`, new(json.RawMessage), "cannot bind to json.RawMessage: it is not valid JSON"},
		{`[1,`, new([]int), "cannot bind to []int: it is not valid JSON"},
		{`"AAE"`, new([]byte), "cannot bind to []uint8: the string is not base64"},
		{`"AAF="`, new([]byte), "cannot bind to []uint8: the string is not base64"},
		{`"AA-_"`, new([]byte), "cannot bind to []uint8: the string is not base64"},
		{`"AAEC\n"`, new([]byte), "cannot bind to []uint8: the string is not base64"},
		{`[1,2]`, new([]byte), "cannot bind to []uint8: JSON array does not fit"},
		{`{"a":{"b":"secret"}}`, new(nested), "cannot bind to protocol.nested: A.B: JSON string does not fit int"},
		{`{"a":{"b":12345.5}}`, new(nested), "cannot bind to protocol.nested: A.B: JSON number does not fit int"},
		{`[]`, new(nested), "cannot bind to protocol.nested: JSON array does not fit protocol.nested"},
		{`"secret"`, new(time.Time), "cannot bind to time.Time: the value is not accepted"},
		{`5`, 5, "cannot bind to int: it is not a pointer to a value"},
		{`5`, (*int)(nil), "cannot bind to int: it is not a pointer to a value"},
		{`5`, nil, "cannot bind to <nil>: it is not a pointer to a value"},
	}
	for _, test := range tests {
		err := JSON{}.Unmarshal(Raw(test.raw), test.into)
		var mismatch *BindError
		if !errors.As(err, &mismatch) {
			t.Errorf("%s: got %v", test.raw, err)
			continue
		}
		if err.Error() != test.want {
			t.Errorf("%s: got %q, want %q", test.raw, err, test.want)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows the value", test.raw)
		}
	}
}

func TestJSONValuesOutliveTheInput(t *testing.T) {
	for _, into := range []any{new(string), new(Raw), new(json.RawMessage), new(any)} {
		input := Raw(`"before"`)
		if err := (JSON{}).Unmarshal(input, into); err != nil {
			t.Fatal(err)
		}
		want, _ := appendJSONValue(nil, dereference(into), 0)
		copy(input, `"after!"`)
		if got, _ := appendJSONValue(nil, dereference(into), 0); string(got) != string(want) {
			t.Errorf("%T changed with the input buffer", into)
		}
	}
}

func TestJSONWritesAndReadsStructs(t *testing.T) {
	original := person{
		embedded: embedded{Inner: 3}, UserName: "ann", ID: 1, Shared: "s", Home: address{"s", "1"}, Others: []address{{"t", "2"}},
		ByName: map[string]address{"Bob": {"u", "3"}}, Pointer: &address{"v", "4"}, Color: 1, Bytes: []byte("x"),
		When: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Dash: "d", Omitted: "o", Quoted: 7, Tagged: "g",
	}
	encoded, err := appendJSONValue(nil, original, 1)
	if err != nil {
		t.Fatal(err)
	}
	var read person
	if err := (JSON{}).Unmarshal(encoded, &read); err != nil {
		t.Fatal(err)
	}
	if difference := cmp.Diff(original, read, cmp.AllowUnexported(person{})); difference != "" {
		t.Error(difference)
	}
}
