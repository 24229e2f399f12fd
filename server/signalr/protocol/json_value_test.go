package protocol

import (
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"
)

type color int

type address struct {
	Street  string
	ZIPCode string `json:"zip"`
}

type embedded struct {
	Shared string
	Inner  int
}

type hidden struct{ FromHidden int }

type person struct {
	embedded
	*hidden
	UserName  string
	ID        int
	Shared    string
	URLPath   string
	Home      address
	Others    []address
	ByName    map[string]address
	Pointer   *address
	Any       any
	Color     color
	Bytes     []byte
	When      time.Time
	Skipped   string    `json:"-"`
	Dash      string    `json:"-,"` //nolint:staticcheck // as encoding/json has it
	Omitted   string    `json:",omitempty"`
	Zero      time.Time `json:"zero,omitzero"`
	Quoted    int64     `json:",string"`
	Tagged    string    `json:"Tagged_Name"`
	unexposed string
}

type shout string

func (s shout) MarshalText() ([]byte, error) { return []byte(strings.ToUpper(string(s))), nil }

type broken struct{ err error }

func (b broken) MarshalJSON() ([]byte, error) { return []byte("{]"), b.err }

type onPointer struct{ A int }

func (*onPointer) MarshalJSON() ([]byte, error) { return []byte(`"pointer"`), nil }

type chain *chain

func ptr[T any](value T) *T { return &value }

func TestJSONWritesValuesAsTheReferenceDoes(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	tests := []struct {
		name  string
		value any
		want  string
	}{
		{"nil", nil, `null`},
		{"text stays text", "<>&'+` é 😀 \u00a0", "\"<>&'+` é 😀 \u00a0\""},
		{"text is escaped", "\"\\/\b\f\n\r\t\x00\x1e\x7f\u2028\u2029", `"\"\\/\b\f\n\r\t\u0000\u001e\u007f\u2028\u2029"`},
		{"text that is not UTF-8", "a\xff\xed\xa0\x80b\ufffd", "\"a\ufffd\ufffd\ufffd\ufffdb\ufffd\""},
		{"bytes", []byte{0, 1, 2, 0xff, 0xef}, `"AAEC/+8="`}, {"no bytes", []byte{}, `""`}, {"nil bytes", []byte(nil), `null`},
		{"bool", true, `true`},
		{"integers", []any{1, int8(-8), int16(-16), int32(-32), int64(math.MinInt64), uint(1), uint8(8), uint16(16), uint32(32), uint64(math.MaxUint64)},
			`[1,-8,-16,-32,-9223372036854775808,1,8,16,32,18446744073709551615]`},
		{"floats", []any{1.0, 0.1, float32(0.1), 1e20, 1e21, 1e-6, 1e-7, -0.5, math.MaxFloat64, 5e-324, float32(1e-6)},
			`[1,0.1,0.1,100000000000000000000,1e+21,0.000001,1e-07,-0.5,1.7976931348623157e+308,5e-324,0.000001]`},
		{"raw", Raw(`{"a": 1}`), `{"a": 1}`}, {"empty raw", Raw(nil), `null`}, {"raw inside", []any{Raw(`[1]`)}, `[[1]]`},
		{"raw message", json.RawMessage(` {"a":1}`), ` {"a":1}`}, {"no raw message", json.RawMessage(nil), `null`},
		{"numbers as text", []json.Number{"1.50", ""}, `[1.50,0]`},
		{"enum", color(2), `2`},
		{"slices", [][]int{{1, 2}, {}, nil}, `[[1,2],[],null]`}, {"strings", []string{"a", "é"}, `["a","é"]`},
		{"array", [2]byte{1, 2}, `[1,2]`},
		{"map", map[string]any{"Key One": 1, "b": nil, "A": []any{true}}, `{"A":[true],"Key One":1,"b":null}`},
		{"nil map", map[string]int(nil), `null`},
		{"map of numbers", map[int]string{2: "b", 10: "c", -1: "a"}, `{"-1":"a","10":"c","2":"b"}`},
		{"map of unsigned", map[uint8]bool{2: true}, `{"2":true}`},
		{"map of addresses", map[netip.Addr]int{netip.MustParseAddr("::1"): 1}, `{"::1":1}`},
		{"struct", person{
			embedded: embedded{Shared: "lost", Inner: 3}, UserName: "ann", ID: 1, Shared: "won", URLPath: "/", Home: address{"s", "1"},
			Others: []address{{"t", "2"}}, ByName: map[string]address{"Bob": {"u", "3"}}, Pointer: &address{}, Any: &address{},
			Color: 1, Bytes: []byte("x"), When: when, Skipped: "x", Quoted: 7, unexposed: "x"},
			`{"inner":3,"userName":"ann","id":1,"shared":"won","urlPath":"/","home":{"street":"s","zip":"1"},` +
				`"others":[{"street":"t","zip":"2"}],"byName":{"Bob":{"street":"u","zip":"3"}},"pointer":{"street":"","zip":""},` +
				`"any":{"street":"","zip":""},"color":1,"bytes":"eA==","when":"2026-01-02T03:04:05.0000006Z","-":"","quoted":"7","Tagged_Name":""}`},
		{"nulls are written", struct {
			A *int
			B []int
			C map[string]int
			D any
		}{}, `{"a":null,"b":null,"c":null,"d":null}`},
		{"pointers", []any{ptr(ptr(5)), (*int)(nil), (*time.Time)(nil)}, `[5,null,null]`},
		{"text marshaler", shout("hey"), `"HEY"`},
		{"marshaler of the pointer", []any{&onPointer{}, onPointer{A: 1}, []onPointer{{}}}, `["pointer",{"a":1},["pointer"]]`},
		{"quoted", struct {
			A bool    `json:",string"`
			B string  `json:",string"`
			C *int    `json:",string"`
			D []int   `json:",string"` //nolint:staticcheck // ignored, as encoding/json does
			E float64 `json:",string"`
		}{B: `"`, D: []int{1}}, `{"a":"false","b":"\"\\\"\"","c":null,"d":[1],"e":"0"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			encoded, err := appendJSONValue(nil, test.value, 1)
			if err != nil {
				t.Fatal(err)
			}
			if string(encoded) != test.want {
				t.Errorf("got  %s\nwant %s", encoded, test.want)
			}
			if !json.Valid(encoded) {
				t.Error("not valid JSON")
			}
		})
	}
}

func TestJSONRefusesValuesWithoutForm(t *testing.T) {
	failure := errors.New("failure")
	deep := any(1)
	for range 64 {
		deep = []any{deep}
	}
	var loop any
	loop = &loop
	var links chain
	links = &links
	tests := map[string]any{
		"NaN": math.NaN(), "infinity": []float32{float32(math.Inf(1))}, "function": func() {}, "complex": complex(1, 1),
		"map of structs": map[address]int{{}: 1}, "too deep": deep, "pointer to itself": loop, "type of itself": links,
		"broken marshaler": broken{}, "failing marshaler": []broken{{failure}}, "number": json.Number("1x"),
		"two fields of one name": struct {
			URL string
			Url string //nolint:revive // the clash is the point
		}{},
		"inside": map[string]any{"a": struct{ A chan int }{make(chan int)}},
	}
	for name, value := range tests {
		t.Run(name, func(t *testing.T) {
			if encoded, err := appendJSONValue(nil, value, 1); err == nil {
				t.Errorf("wrote %s", encoded)
			}
		})
	}
	if _, err := appendJSONValue(nil, broken{failure}, 1); !errors.Is(err, failure) {
		t.Errorf("the cause is lost: %v", err)
	}
}

func TestCamelCaseIsThatOfSystemTextJSON(t *testing.T) {
	tests := map[string]string{
		"UserName": "userName", "ID": "id", "IDs": "iDs", "URLPath": "urlPath", "X": "x", "already": "already", "A1": "a1",
		"AB1C": "aB1C", "IsOK": "isOK", "ÉtatCivil": "étatCivil", "HTTP2Server": "httP2Server", "": "",
	}
	for name, want := range tests {
		if got := camelCase(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}
