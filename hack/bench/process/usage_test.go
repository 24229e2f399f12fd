package process

import (
	"strings"
	"testing"
	"time"
)

func TestParseStatFindsProcessorTimeBehindAnyName(t *testing.T) {
	t.Parallel()
	const rest = " S 1 100 100 0 -1 4194560 1 2 3 4 250 50 7 8 20 0 1 0 12345"
	for _, name := range []string{"hubserver", "a b", "x) R 9 (y", ""} {
		got, err := parseStat("4242 (" + name + ")" + rest)
		if want := 3 * time.Second; err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", name, got, err, want)
		}
	}
	for _, text := range []string{"", "4242 (x) S 1", "4242 (x)" + strings.Replace(rest, "250", "many", 1)} {
		if got, err := parseStat(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func TestParseResidentReadsKibibytes(t *testing.T) {
	t.Parallel()
	got, err := parseResident("Name:\tx\nVmRSS:\t   1234 kB\nThreads:\t1\n")
	if err != nil || got != 1234<<10 {
		t.Errorf("got %d, %v", got, err)
	}
	for _, text := range []string{"", "Name:\tzombie\n", "VmRSS:\tmuch kB\n"} {
		if got, err := parseResident(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}

func TestMachineTimeIsAllButIdle(t *testing.T) {
	t.Parallel()
	const text = "cpu  100 20 300 9999 8888 4 50 6 700 800\ncpu0 1 2 3\nbtime 12345\n"
	if got, want := parseMachine(text), 4800*time.Millisecond; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, text := range []string{"", "cpu  many"} {
		if got := parseMachine(text); got != 0 {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestSteadyNeedsEnoughLooksThatAgree(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		values []int64
		want   bool
	}{
		"too few":         {[]int64{100, 100}, false},
		"equal":           {[]int64{5, 100, 100, 100}, true},
		"within 1%":       {[]int64{1000, 1005, 1010}, true},
		"growing":         {[]int64{1000, 1010, 1020}, false},
		"back and forth":  {[]int64{1000, 900, 1000}, false},
		"only older ones": {[]int64{100, 100, 100, 200}, false},
	} {
		if got := steady(tc.values, 3); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	t.Parallel()
	var output tail
	if got := output.quote(); got != "" {
		t.Errorf("no output is quoted as %q", got)
	}
	for range 1000 {
		if _, err := output.Write([]byte("line\n")); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = output.Write([]byte("the last\n"))
	if got := output.quote(); !strings.HasSuffix(got, "the last") || len(got) > tailBytes+100 {
		t.Errorf("quote of %d bytes ends %q", len(got), got[len(got)-20:])
	}
}
