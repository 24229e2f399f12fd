package protocol_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/protocol"
)

// inner is promoted into outer.
type inner struct {
	Deep  int
	Maybe *int
}

type outer struct {
	inner
	Number  int `json:"count"`
	Flag    bool
	Text    string
	List    []float64
	Fixed   [2]uint8
	ByName  map[string]int
	Any     any
	Next    *outer
	When    time.Time
	Ignored int `json:"-"`
	Bytes   []byte
}

func TestNullIsNoNumberAndNoBool(t *testing.T) {
	t.Parallel()
	for text, reason := range map[string]string{
		`{"count":null}`:                      "count: JSON null does not fit int",
		`{"COUNT": null}`:                     "COUNT: JSON null does not fit int",
		`{"flag":null}`:                       "flag: JSON null does not fit bool",
		`{"deep":null}`:                       "deep: JSON null does not fit int",
		`{"list":[1,null]}`:                   "list.1: JSON null does not fit float64",
		`{"fixed":[null]}`:                    "fixed.0: JSON null does not fit uint8",
		`{"byName":{"a":1,"b":null}}`:         "byName.b: JSON null does not fit int",
		`{"next":{"next":{"count": null } }}`: "next.next.count: JSON null does not fit int",
	} {
		var into outer
		err := protocol.JSON{}.Unmarshal(protocol.Raw(text), &into)
		var bind *protocol.BindError
		if !errors.As(err, &bind) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: the error is %v, want a BindError with %q", text, err, reason)
		}
	}
	for text, into := range map[string]any{`[1,null]`: &[]int{}, `{"a":null}`: &map[string]bool{}, `[[null]]`: &[][]float32{}} {
		if err := (protocol.JSON{}).Unmarshal(protocol.Raw(text), into); err == nil {
			t.Errorf("%s was read into %T", text, into)
		}
	}
}

func TestNullIsTakenWhereTheTypeHasOne(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]outer{
		`{"text":null,"list":null,"byName":null,"any":null,"next":null,"when":null,"bytes":null,"maybe":null}`: {},
		`{"unknown":null,"Ignored":null,"any":{"a":[null]},"text":"null","count":1}`:                           {Number: 1, Text: "null", Any: map[string]any{"a": []any{nil}}},
		`null`: {},
	} {
		var into outer
		if err := (protocol.JSON{}).Unmarshal(protocol.Raw(text), &into); err != nil || !reflect.DeepEqual(into, want) {
			t.Errorf("%s became %+v, %v; want %+v", text, into, err, want)
		}
	}
	var pointers []*int
	if err := (protocol.JSON{}).Unmarshal(protocol.Raw(`[null]`), &pointers); err != nil || len(pointers) != 1 || pointers[0] != nil {
		t.Errorf("a list of pointers became %v, %v", pointers, err)
	}
}
