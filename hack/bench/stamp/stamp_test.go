package stamp_test

import (
	"math"
	"strings"
	"testing"

	"github.com/chatcluster/chatcluster/hack/bench/stamp"
)

func TestParseReadsWhatAppendWrote(t *testing.T) {
	t.Parallel()
	for _, want := range []stamp.Stamp{
		{},
		{Tag: 1, Sequence: 2, Nanoseconds: 3},
		{Tag: 0xDEADBEEF, Sequence: math.MaxUint32, Nanoseconds: 1<<48 - 1},
	} {
		for _, size := range []int{stamp.Size, 64, 1000} {
			text := stamp.Append(nil, want, size)
			if len(text) != size {
				t.Errorf("text of %d bytes, want %d", len(text), size)
			}
			if got, ok := stamp.Parse(append(text, `","Server 1"`...)); !ok || got != want {
				t.Errorf("parsed %+v (%v), want %+v", got, ok, want)
			}
		}
	}
}

func TestParseRefusesWhatIsNoStamp(t *testing.T) {
	t.Parallel()
	good := string(stamp.Append(nil, stamp.Stamp{Tag: 7}, stamp.Size))
	for name, text := range map[string]string{
		"empty":       "",
		"cut off":     good[:len(good)-1],
		"other mark":  "x" + good[1:],
		"bad tag":     good[:3] + "g" + good[4:],
		"bad number":  good[:12] + "-" + good[13:],
		"bad time":    good[:stamp.Size-1] + "X",
		"other words": strings.Repeat("hello ", 10),
	} {
		if got, ok := stamp.Parse([]byte(text)); ok {
			t.Errorf("%s: parsed as %+v", name, got)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	text := stamp.Append(nil, stamp.Stamp{Tag: 0xDEADBEEF, Sequence: 12345, Nanoseconds: 1e12}, 64)
	for b.Loop() {
		if _, ok := stamp.Parse(text); !ok {
			b.Fatal("no stamp")
		}
	}
}
