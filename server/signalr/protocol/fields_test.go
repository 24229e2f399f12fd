package protocol

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

type (
	fieldsBase struct {
		Deep   string
		Same   int
		Tagged string `json:"tagged"`
		Both   int
	}
	fieldsOther struct {
		Same int
		Name int `json:"Both"`
	}
	fieldsLoop struct {
		*fieldsLoop //nolint:unused // embedding itself is the point
		Loop        int
	}
	// FieldsLoop embeds a pointer to itself.
	FieldsLoop struct {
		*FieldsLoop
		Loop int
	}
	fieldsText string
	// zeroer is zero when it says so.
	zeroer struct{ Value int }
)

func (z zeroer) IsZero() bool { return z.Value == 7 }

// TestFieldsAreThoseOfEncodingJSON compares with the library that reads what is written here: but for the case of names
// the text must be the same.
func TestFieldsAreThoseOfEncodingJSON(t *testing.T) {
	values := map[string]any{
		"promoted": struct{ fieldsBase }{fieldsBase{Deep: "x"}},
		"pointer":  struct{ *FieldsLoop }{&FieldsLoop{nil, 5}}, "nil pointer": struct{ *FieldsLoop }{},
		"itself": FieldsLoop{&FieldsLoop{nil, 6}, 5},
		"ambiguous": struct {
			fieldsBase
			fieldsOther
		}{},
		"outer wins": struct {
			fieldsBase
			Same string
		}{},
		"tag wins": struct {
			fieldsBase
			fieldsOther
			Other int `json:"Same"`
		}{},
		"embedded with a tag": struct {
			FieldsLoop `json:"base"`
			A          int
		}{},
		"hidden pointer": struct{ *fieldsBase }{&fieldsBase{Deep: "x"}},
		"embedded text": struct {
			fieldsText
			A int
		}{},
		"left out": struct {
			fieldsBase `json:"-"`
			A          int
		}{},
		"empty": struct {
			A int            `json:",omitempty"`
			B string         `json:",omitempty"`
			C []int          `json:",omitempty"`
			D map[string]int `json:",omitempty"`
			E *int           `json:",omitempty"`
			F any            `json:",omitempty"`
			G bool           `json:",omitempty"`
			H float64        `json:",omitempty"`
			I struct{}       `json:",omitempty"`
			J [0]int         `json:",omitempty"`
			K [1]int         `json:",omitempty"`
			L time.Time      `json:",omitempty"`
		}{},
		"zero": struct {
			A int         `json:",omitzero"`
			B []int       `json:",omitzero"`
			C time.Time   `json:",omitzero"`
			D zeroer      `json:",omitzero"`
			E zeroer      `json:",omitzero"`
			F *zeroer     `json:",omitzero"`
			G *zeroer     `json:",omitzero"`
			H [2]int      `json:",omitzero"`
			I fieldsOther `json:",omitzero"`
		}{D: zeroer{7}, B: []int{}, G: &zeroer{7}},
	}
	for name, value := range values {
		t.Run(name, func(t *testing.T) {
			want, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			got, err := appendJSONValue(nil, value, 1)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.EqualFold(got, want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestFieldsOfTypesThatEmbedThemselvesEnd(t *testing.T) {
	for _, value := range []any{fieldsLoop{}, FieldsLoop{}, &FieldsLoop{}} {
		for _, protocol := range protocols {
			var back FieldsLoop
			if err := protocol.Unmarshal(encodeValue(t, protocol, value), &back); err != nil {
				t.Errorf("%T in %s: %v", value, protocol.Name(), err)
			}
		}
	}
}

func TestMessagePackFieldsKeepTheirNames(t *testing.T) {
	type options struct {
		fieldsBase
		URL     string
		Renamed int    `msgpack:"re-named"`
		Empty   string `msgpack:"empty,omitempty"`
		Zero    zeroer `msgpack:",omitzero"`
		Dash    int    `msgpack:"-,"`
		Gone    int    `msgpack:"-"`
	}
	fields := messagePackFields.of(reflect.TypeFor[options]()).fields
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		names = append(names, f.name)
	}
	if got := strings.Join(names, " "); got != "Deep Same Tagged Both URL re-named empty Zero -" {
		t.Errorf("got %s", got)
	}
	raw := encodeValue(t, MessagePack{}, options{Zero: zeroer{7}})
	var back map[string]any
	if err := (MessagePack{}).Unmarshal(raw, &back); err != nil || len(back) != 7 {
		t.Errorf("got %v, %v", back, err)
	}
}

func TestFieldsOutOfReachAreErrors(t *testing.T) {
	raw := encodeValue(t, MessagePack{}, map[string]any{"Deep": "x"})
	err := MessagePack{}.Unmarshal(raw, &struct{ *fieldsBase }{})
	if err == nil || !strings.Contains(err.Error(), "Deep is in an embedded *protocol.fieldsBase") {
		t.Errorf("got %v", err)
	}
	into := struct{ *fieldsBase }{&fieldsBase{}}
	if err := (MessagePack{}).Unmarshal(raw, &into); err != nil || into.Deep != "x" {
		t.Errorf("a struct that is there: got %+v, %v", into, err)
	}
	_, err = appendJSONValue(nil, struct {
		fieldsBase `json:"base"`
	}{}, 1)
	if err == nil || !strings.Contains(err.Error(), "must be exported") {
		t.Errorf("got %v", err)
	}
}
