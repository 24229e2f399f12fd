package controllers

import (
	"reflect"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/controllers/redisform"
)

func TestWhatIsRememberedOfRedisIsReadWhoeverWroteIt(t *testing.T) {
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		notes string
		want  redisform.Memory
	}{
		"nothing":            {"", redisform.Memory{}},
		"somebody broke it":  {`{"formed":`, redisform.Memory{}},
		"an operator before": {`{"formed":true,"since":"2026-11-24T12:00:00Z","cause":"data"}`, redisform.Memory{Formed: true}},
		"this operator": {`{"formed":true,"waits":{"data":"2026-11-24T12:00:00Z"}}`,
			redisform.Memory{Formed: true, Waits: map[string]time.Time{"data": noon}}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := readNotes(c.notes); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}
