package protocol

import (
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tinylib/msgp/msgp"
)

type packed struct {
	embedded
	*Extra
	UserName string
	ID       int    `msgpack:"id"`
	Skipped  string `msgpack:"-"`
	Omitted  []int  `msgpack:",omitempty"`
	Other    *address
}

type Extra struct{ FromExtra string }

// custom writes and reads itself as tinylib/msgp generates it.
type custom struct {
	value int
	err   error
}

func (c custom) MarshalMsg(buffer []byte) ([]byte, error) {
	if c.value == -1 {
		return append(buffer, 0x92), nil
	}
	return msgp.AppendInt(buffer, c.value), c.err
}

func (c *custom) UnmarshalMsg(buffer []byte) ([]byte, error) {
	value, rest, err := msgp.ReadIntBytes(buffer)
	c.value = value
	return rest, err
}

func TestMessagePackWritesValuesAsTheReferenceDoes(t *testing.T) {
	tests := []struct {
		name  string
		value any
		want  string
	}{
		{"nil", nil, "c0"}, {"true", true, "c3"}, {"text", "é", "a2c3a9"}, {"bytes", []byte{1, 2}, "c4020102"}, {"nil bytes", []byte(nil), "c0"},
		{"integers are as short as can be", []any{0, 127, 128, 255, 256, 65535, 65536, 1 << 32, -1, -32, -33, -128, -129, -32769, int64(math.MinInt64), uint64(math.MaxUint64)},
			"dc0010 00 7f cc80 ccff cd0100 cdffff ce00010000 cf0000000100000000 ff e0 d0df d080 d1ff7f d2ffff7fff d38000000000000000 cfffffffffffffffff"},
		{"integer types", []any{int8(-1), int16(200), int32(3), uint(4), uint8(200), uint16(6), uint32(7), color(8)}, "98 ff ccc8 03 04 ccc8 06 07 08"},
		{"floats", []any{1.5, float32(1.5)}, "92 cb3ff8000000000000 ca3fc00000"},
		{"raw", []any{Raw("\x93\x01\x02\x03"), Raw(nil)}, "92 93010203 c0"},
		{"slices", [][]int{{1, 2}, {}, nil}, "93 920102 90 c0"}, {"strings", []string{"a"}, "91a161"}, {"byte array", [2]byte{1, 2}, "92 0102"},
		{"map", map[string]any{"Key One": 1, "b": nil}, "82 a1'b' c0 a7'Key One' 01"}, {"nil map", map[string]int(nil), "c0"},
		{"map of numbers", map[int]string{2: "b", -1: "a"}, "82 02 a1'b' ff a1'a'"},
		{"struct", packed{UserName: "ann", ID: 1, Skipped: "x", Other: &address{"s", "z"}},
			"85 a6'Shared' a0 a5'Inner' 00 a8'UserName' a3'ann' a2'id' 01 a5'Other' 82 a6'Street' a1's' a7'ZIPCode' a1'z'"},
		{"embedded pointer", packed{Extra: &Extra{"e"}, Omitted: []int{1}},
			"87 a6'Shared' a0 a5'Inner' 00 a9'FromExtra' a1'e' a8'UserName' a0 a2'id' 00 a7'Omitted' 9101 a5'Other' c0"},
		{"times", []any{time.Unix(1, 0), ptr(time.Unix(1, 5)), time.Unix(-1, 0), (*time.Time)(nil)},
			"94 d6ff00000001 d7ff0000001400000001 c70cff00000000ffffffffffffffff c0"},
		{"text marshaler", netip.MustParseAddr("::1"), "a3'::1'"},
		{"own marshaler", []any{custom{value: 300}, &custom{value: 5}}, "92 d1012c 05"}, // tinylib/msgp writes positive numbers signed
		{"json", []any{json.RawMessage(`{"a":[1,-2,1.5,18446744073709551615,"x",null,true]}`), json.RawMessage(nil), json.Number("7"), json.Number("")},
			"94 81 a1'a' 97 01 fe cb3ff8000000000000 cfffffffffffffffff a1'x' c0 c3 c0 07 00"},
		{"pointers", []any{ptr(ptr(5)), (*int)(nil)}, "92 05 c0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			encoded, err := appendMessagePackValue(nil, test.value, 1)
			if err != nil {
				t.Fatal(err)
			}
			want := unhex(t, test.want)
			if string(encoded) != string(want) {
				t.Errorf("got  %x\nwant %x", encoded, want)
			}
		})
	}
}

func TestMessagePackRefusesValuesWithoutForm(t *testing.T) {
	failure := errors.New("failure")
	deep := any(1)
	for range 64 {
		deep = []any{deep}
	}
	var loop any
	loop = &loop
	loops := map[string]any{}
	loops["loop"] = loops
	tests := map[string]any{
		"function": func() {}, "complex": []any{complex(1, 1)}, "too deep": deep, "map of itself": loops, "pointer to itself": loop,
		"broken marshaler": custom{value: -1}, "failing marshaler": []custom{{err: failure}}, "number": json.Number("1x"),
		"json": json.RawMessage("{"), "text": failingText{failure}, "key": map[any]int{complex(1, 1): 1}, "struct": struct{ A chan int }{},
		"two fields of one name": struct {
			A int `msgpack:"a"`
			B int `msgpack:"a"`
		}{},
	}
	for name, value := range tests {
		t.Run(name, func(t *testing.T) {
			if encoded, err := appendMessagePackValue(nil, value, 1); err == nil {
				t.Errorf("wrote %x", encoded)
			}
		})
	}
	for _, value := range []any{custom{err: failure}, failingText{failure}} {
		if _, err := appendMessagePackValue(nil, value, 1); !errors.Is(err, failure) {
			t.Errorf("the cause is lost: %v", err)
		}
	}
}

type failingText struct{ err error }

func (f failingText) MarshalText() ([]byte, error) { return nil, f.err }

func TestMessagePackBindsValues(t *testing.T) {
	tests := []struct {
		raw  string
		into any
		want any
	}{
		{"a2'hi'", new(string), "hi"}, {"c0", ptr("before"), ""}, {"a1ff", new(string), "\ufffd"}, {"a1's'", new(shout), shout("s")},
		{"05", new(int), 5}, {"d30000000000000005", new(int8), int8(5)}, {"cf0000000000000005", new(int32), int32(5)}, {"d080", new(int8), int8(-128)},
		{"ccff", new(uint8), uint8(255)}, {"d100ff", new(uint8), uint8(255)}, {"cfffffffffffffffff", new(uint64), uint64(math.MaxUint64)},
		{"cf7fffffffffffffff", new(int64), int64(math.MaxInt64)}, {"d38000000000000000", new(int64), int64(math.MinInt64)}, {"02", new(color), color(2)},
		{"cb3ff8000000000000", new(float64), 1.5}, {"ca3fc00000", new(float64), 1.5}, {"03", new(float64), 3.0}, {"fe", new(float32), float32(-2)},
		{"cfffffffffffffffff", new(float64), float64(math.MaxUint64)}, {"cb7ff0000000000000", new(float32), float32(math.Inf(1))},
		{"c3", new(bool), true},
		{"c4020001", new([]byte), []byte{0, 1}}, {"a2'ab'", new([]byte), []byte("ab")}, {"92 01 ccff", new([]byte), []byte{1, 255}}, {"c0", ptr([]byte{1}), []byte(nil)},
		{"c400", new([]byte), []byte{}}, {"c4020102", new([2]byte), [2]byte{1, 2}}, {"920102", new([2]int), [2]int{1, 2}},
		{"05", new(*int), ptr(5)}, {"c0", ptr(ptr(5)), (*int)(nil)}, {"920102", ptr([]int{9, 9, 9}), []int{1, 2}}, {"90", new([]int), []int{}},
		{"82 a1'a' 01 a1'a' 02", ptr(map[string]int{"old": 1}), map[string]int{"a": 2}}, {"81 05 a1'x'", new(map[int]string), map[int]string{5: "x"}},
		{"81 a3'::1' 01", new(map[netip.Addr]int), map[netip.Addr]int{netip.MustParseAddr("::1"): 1}}, {"a3'::1'", new(netip.Addr), netip.MustParseAddr("::1")},
		{"86 a8'UserName' a1'x' a8'username' a1'y' a2'id' 02 05 06 a5'Other' 82 a6'Street' a1's' 90 91 91 01 a5'Inner' 07", new(packed),
			packed{embedded: embedded{Inner: 7}, UserName: "x", ID: 2, Other: &address{Street: "s"}}},
		{"81 a9'FromExtra' a1'e'", new(packed), packed{Extra: &Extra{"e"}}}, {"c0", ptr(packed{ID: 1}), packed{}},
		{"d6ff00000001", new(time.Time), time.Unix(1, 0).UTC()}, {"b4'2026-01-02T03:04:05Z'", new(time.Time), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		{"c0", ptr(time.Unix(1, 0)), time.Time{}},
		{"920102", new(Raw), Raw("\x92\x01\x02")}, {"c0", new(Raw), Raw("\xc0")},
		{"82 a1'a' 92 01 c4020102 a1'b' c0", new(json.RawMessage), json.RawMessage(`{"a":[1,"AQI="],"b":null}`)},
		{"fe", new(json.Number), json.Number("-2")}, {"cfffffffffffffffff", new(json.Number), json.Number("18446744073709551615")},
		{"cb3ff8000000000000", new(json.Number), json.Number("1.5")}, {"a3'1.5'", new(json.Number), json.Number("1.5")},
		{"c0", ptr(json.Number("5")), json.Number("")}, {"92 01 02", new([]json.Number), []json.Number{"1", "2"}},
		{"97 01 ff ccff cfffffffffffffffff ca3fc00000 c0 c2", new(any), []any{int64(1), int64(-1), int64(255), uint64(math.MaxUint64), 1.5, nil, false}},
		{"84 a1'a' a1'b' 05 c40101 cf8000000000000000 90 fb d6ff00000001", new(any),
			map[string]any{"a": "b", "5": []byte{1}, "9223372036854775808": []any{}, "-5": time.Unix(1, 0).UTC()}},
		{"c0", ptr(any(5)), nil}, {"91 82 a1'a' 01 02 c3", new([]map[any]any), []map[any]any{{"a": int64(1), int64(2): true}}},
	}
	for _, test := range tests {
		if err := (MessagePack{}).Unmarshal(unhex(t, test.raw), test.into); err != nil {
			t.Errorf("%s into %T: %v", test.raw, test.into, err)
			continue
		}
		if difference := cmp.Diff(test.want, dereference(test.into), cmp.AllowUnexported(packed{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); difference != "" {
			t.Errorf("%s: %s", test.raw, difference)
		}
	}
	var own custom
	if err := (MessagePack{}).Unmarshal(Raw("\x07"), &own); err != nil || own.value != 7 {
		t.Errorf("own unmarshaler: got %v, %v", own, err)
	}
}

func TestMessagePackRefusesValuesThatDoNotFit(t *testing.T) {
	tests := []struct {
		raw  string
		into any
		want string
	}{
		{"05", new(string), "cannot bind to string: MessagePack int does not fit string"},
		{"c4026869", new(string), "cannot bind to string: MessagePack bin does not fit string"},
		{"a1'5'", new(int), "cannot bind to int: MessagePack str does not fit int"},
		{"cb4014000000000000", new(int), "cannot bind to int: MessagePack float64 does not fit int"},
		{"c0", new(int), "cannot bind to int: MessagePack nil does not fit int"}, {"c0", new(bool), "cannot bind to bool: MessagePack nil does not fit bool"},
		{"c3", new(int), "cannot bind to int: MessagePack bool does not fit int"}, {"01", new(bool), "cannot bind to bool: MessagePack int does not fit bool"},
		{"a1'x'", new(json.Number), "cannot bind to json.Number: MessagePack str does not fit json.Number"},
		{"9101", new(json.Number), "cannot bind to json.Number: MessagePack array does not fit json.Number"},
		{"cc80", new(int8), "cannot bind to int8: the number does not fit"}, {"ff", new(uint), "cannot bind to uint: the number does not fit"},
		{"cf8000000000000000", new(int64), "cannot bind to int64: the number does not fit"}, {"d1ff7f", new(int8), "cannot bind to int8: the number does not fit"},
		{"cd0100", new(uint8), "cannot bind to uint8: the number does not fit"},
		{"cb7fefffffffffffff", new(float32), "cannot bind to float32: the number does not fit"},
		{"91a1'x'", new([]int), "cannot bind to []int: element 0: MessagePack str does not fit int"},
		{"c40101", new([]int), "cannot bind to []int: MessagePack bin does not fit []int"},
		{"93010203", new([2]int), "cannot bind to [2]int: 3 elements do not fit [2]int"}, {"c40101", new([2]byte), "cannot bind to [2]uint8: 1 bytes do not fit [2]uint8"},
		{"92 01 cd0100", new([]byte), "cannot bind to []uint8: element 1: the number does not fit"},
		{"81 a5'Other' 81 a6'Street' c406'secret'", new(packed), "cannot bind to protocol.packed: Other: Street: MessagePack bin does not fit string"},
		{"91 01", new(packed), "cannot bind to protocol.packed: MessagePack array does not fit protocol.packed"},
		{"81 a1'x' 01", new(map[int]int), "cannot bind to map[int]int: key of a map: MessagePack str does not fit int"},
		{"81 01 a6'secret'", new(map[int]int), "cannot bind to map[int]int: value of a map: MessagePack str does not fit int"},
		{"81 91 01 01", new(map[any]int), "cannot bind to map[interface {}]int: key of a map: arrays and maps cannot be keys"},
		{"81 c3 01", new(any), "cannot bind to interface {}: key of a map: only text and integers can be keys here"},
		{"d40501", new(any), "cannot bind to interface {}: MessagePack ext does not fit interface {}"},
		{"d6ff000000", new(time.Time), "cannot bind to time.Time: MessagePack ext does not fit time.Time"},
		{"05", new(time.Time), "cannot bind to time.Time: MessagePack int does not fit time.Time"},
		{"a6'secret'", new(time.Time), "cannot bind to time.Time: the value is not accepted"},
		{"a6'secret'", new(custom), "cannot bind to protocol.custom: the value is not accepted"},
		{"05", new(error), "cannot bind to error: MessagePack int does not fit error"},
		{"05", new(chan int), "cannot bind to chan int: MessagePack int does not fit chan int"},
		{"", new(int), "cannot bind to int: the value is incomplete"}, {"", new(any), "cannot bind to interface {}: the value is incomplete"},
		{"cd01", new(int), "cannot bind to int: the value is incomplete"}, {"a5'abc'", new(string), "cannot bind to string: the value is incomplete"},
		{"cb00", new(float64), "cannot bind to float64: the value is incomplete"}, {"c4ff00", new([]byte), "cannot bind to []uint8: the value is incomplete"},
		{"ddffffffff", new([]int), "cannot bind to []int: the value is incomplete"}, {"dfffffffff", new(map[string]int), "cannot bind to map[string]int: the value is incomplete"},
		{"ddffffffff", new(any), "cannot bind to interface {}: the value is incomplete"}, {"dfffffffff", new(packed), "cannot bind to protocol.packed: the value is incomplete"},
		{"81 a1'x' 92 01", new(packed), "cannot bind to protocol.packed: the value is incomplete"},
		{"c1", new(any), "cannot bind to interface {}: MessagePack <invalid> does not fit interface {}"},
		{"0101", new(int), "cannot bind to int: more than one value"},
		{"05", 5, "cannot bind to int: it is not a pointer to a value"}, {"05", (*int)(nil), "cannot bind to int: it is not a pointer to a value"},
	}
	for _, test := range tests {
		err := MessagePack{}.Unmarshal(unhex(t, test.raw), test.into)
		var mismatch *BindError
		if !errors.As(err, &mismatch) {
			t.Errorf("%s: got %v", test.raw, err)
			continue
		}
		if err.Error() != test.want {
			t.Errorf("%s: got %q, want %q", test.raw, err, test.want)
		}
	}
}

func TestMessagePackBoundsDepthOfValues(t *testing.T) {
	type tree struct{ Children []tree }
	deep := Raw(strings.Repeat("\x91", 100000))
	trees := Raw(strings.Repeat("\x81\xa8Children\x91", 1000))
	for _, test := range []struct {
		raw  Raw
		into any
	}{{deep, new(any)}, {deep, new(Raw)}, {deep, new(json.RawMessage)}, {append(trees, 0xc0), new(tree)}} {
		if err := (MessagePack{}).Unmarshal(test.raw, test.into); !errors.Is(err, errTooDeep) {
			t.Errorf("%T: got %v", test.into, err)
		}
	}
}

func TestMessagePackValuesOutliveTheInput(t *testing.T) {
	for _, into := range []any{new(string), new(Raw), new([]byte), new(any), new(json.RawMessage)} {
		input := Raw("\xa6before")
		if err := (MessagePack{}).Unmarshal(input, into); err != nil {
			t.Fatal(err)
		}
		want, _ := appendMessagePackValue(nil, dereference(into), 0)
		copy(input, "\xa6after!")
		if got, _ := appendMessagePackValue(nil, dereference(into), 0); string(got) != string(want) {
			t.Errorf("%T changed with the input buffer", into)
		}
	}
}
