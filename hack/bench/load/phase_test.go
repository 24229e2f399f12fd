package load

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestPaceDoesNotDrift(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		rate    float64
		seconds time.Duration
		planned int64
	}{
		{300, 10 * time.Second, 3000},
		{0.5, 10 * time.Second, 5},
		{3, time.Second, 3},
		{2000, time.Hour, 7_200_000},
	} {
		workload := Workload{Rate: tc.rate, Duration: tc.seconds}
		if got := workload.planned(); got != tc.planned {
			t.Errorf("%g/s for %v plans %d broadcasts, want %d", tc.rate, tc.seconds, got, tc.planned)
		}
		if first := workload.due(0); first != 0 {
			t.Errorf("%g/s: the first is due after %d ns, want 0", tc.rate, first)
		}
		last := time.Duration(workload.due(tc.planned - 1))
		want := time.Duration(float64(tc.planned-1) / tc.rate * 1e9)
		if off := (last - want).Abs(); off > time.Microsecond || last >= tc.seconds {
			t.Errorf("%g/s for %v: the last is due after %v, want %v", tc.rate, tc.seconds, last, want)
		}
	}
}

func TestSummaryIsExactToATenthOfAPercent(t *testing.T) {
	t.Parallel()
	histogram := newHistogram()
	random := rand.New(rand.NewPCG(1, 2))
	values := make([]time.Duration, 20_000)
	for i := range values {
		values[i] = time.Duration(random.ExpFloat64() * float64(5*time.Millisecond)).Truncate(time.Microsecond)
		record(histogram, int64(values[i]))
	}
	slices.Sort(values)
	got := summarise(histogram)
	for name, pair := range map[string][2]time.Duration{
		"p50":   {got.P50, values[10_000-1]},
		"p99":   {got.P99, values[19_800-1]},
		"p99.9": {got.P999, values[19_980-1]},
		"max":   {got.Max, values[20_000-1]},
	} {
		if off := (pair[0] - pair[1]).Abs(); off > pair[1]/1000+time.Microsecond {
			t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
		}
	}
}

func TestRecordKeepsWhatIsOutOfRange(t *testing.T) {
	t.Parallel()
	histogram := newHistogram()
	for _, value := range []time.Duration{-time.Second, 0, time.Hour} {
		record(histogram, int64(value))
	}
	if got := summarise(histogram); histogram.TotalCount() != 3 || got.Max < longestLatency*99/100 {
		t.Errorf("%d values kept, max %v", histogram.TotalCount(), got.Max)
	}
}

func TestBitsetTellsWhatIsNew(t *testing.T) {
	t.Parallel()
	var seen bitset
	for _, position := range []uint32{0, 63, 64, 1000, 1} {
		if !seen.add(position) {
			t.Errorf("%d is not new", position)
		}
		if seen.add(position) {
			t.Errorf("%d is new again", position)
		}
	}
	seen.clear()
	if !seen.add(1000) {
		t.Error("1000 is still there after clear")
	}
}

func TestCallsThatCompleteAfterTheWindowAreNoneOfItsRate(t *testing.T) {
	t.Parallel()
	const window = 2 * time.Second
	current := newPhase(1)
	current.end = int64(window)
	for _, at := range []time.Duration{time.Second, window - 1, window, time.Minute} {
		current.completed(int64(at), "")
	}
	result := Result{Calls: current.calls, InTime: current.inTime, Window: window}
	if result.Calls != 4 || result.CallsPerSecond() != 1 {
		t.Errorf("%d calls, %v per second; want 4 and 1", result.Calls, result.CallsPerSecond())
	}
}
