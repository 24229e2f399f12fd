package compare

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sample is an outcome of two rounds in which ours and the reference differ in every way that is printed.
func sample() *Outcome {
	faults := section{key: "paced", title: "paced: 300 broadcasts/s", measures: []measure{
		{name: "deliveries per second", goal: &goal{ratio: true, limit: 1.5}},
		{name: "latency p99", unit: "ms", decimals: 2, goal: &goal{ratio: true, atMost: true, limit: 1}},
		{name: "lost", sum: true, goal: &goal{atMost: true}},
		{name: "not measured", goal: &goal{ratio: true, limit: 2}},
	}}
	flood := section{key: "flood", title: "flood", measures: []measure{
		{name: "latency p99", unit: "ms", goal: &goal{atMost: true, limit: 200}},
	}}
	o := newOutcome(faults, []traffic{{section: flood}})
	o.Machine = Machine{Processor: "Some CPU", Cores: 2, System: "linux 6.1", Go: "go1.26", Load: "0.10"}
	o.Redis, o.Date, o.Command = "7.0.15", "2026-01-02", "bench compare"
	o.Contenders = []Column{{Name: "ours", Version: "v1"}, {Name: "reference"}}
	o.Absent = []string{"third: absent, there is no program /x"}
	o.Failures = []string{"round 2, ours: paced: it went wrong"}
	for _, value := range []float64{3000, 1000, 2000} {
		o.add("ours", faults, 0, 2*value)
		o.add("reference", faults, 0, value)
	}
	o.add("ours", faults, 1, 12.5)
	o.add("reference", faults, 1, 10)
	for _, value := range []float64{0, 3} {
		o.add("ours", faults, 2, value)
		o.add("reference", faults, 2, 0)
	}
	o.add("ours", faults, 3, math.NaN())
	o.add("ours", flood, 0, 150)
	o.add("ours", flood, 0, 170)
	return o
}

func TestOutcomePrintsMediansSumsRatiosAndGoals(t *testing.T) {
	t.Parallel()
	outcome := sample()
	outcome.Finish()
	var got strings.Builder
	if err := outcome.Print(&got); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
Some CPU, 2 cores, linux 6.1, go1.26, load at the start 0.10; Redis 7.0.15; 2026-01-02
Command: bench compare
ours: v1
third: absent, there is no program /x

| measure                     |  ours | reference | ours / reference |           goal |
| --------------------------- | ----: | --------: | ---------------: | -------------: |
| **paced: 300 broadcasts/s** |       |           |                  |                |
| deliveries per second       | 4,000 |     2,000 |            2.00× |    ≥ 1.50× met |
| latency p99, ms             | 12.50 |     10.00 |            1.25× | ≤ 1.00× MISSED |
| lost                        |     3 |         0 |                – |       0 MISSED |
| not measured                |     – |         – |                – |        ≥ 2.00× |
| **flood**                   |       |           |                  |                |
| latency p99, ms             |   160 |         – |                – |   ≤ 200 ms met |
FAILED round 2, ours: paced: it went wrong
`, "\n")
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("outcome differs (-want +got):\n%s", diff)
	}
}

func TestGoalsAreOursAlone(t *testing.T) {
	t.Parallel()
	outcome := sample()
	outcome.Contenders = outcome.Contenders[1:]
	outcome.Finish()
	for _, row := range outcome.Rows {
		if row.Goal != "" || row.Met != nil {
			t.Errorf("%s: the reference alone is judged by %q", row.Name, row.Goal)
		}
	}
}

func TestMedianOfRounds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		samples []float64
		want    float64
	}{{[]float64{5}, 5}, {[]float64{9, 1}, 5}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(tc.samples); got != tc.want {
			t.Errorf("median of %v is %v, want %v", tc.samples, got, tc.want)
		}
	}
}

func TestReadContenderRefusesWhatCannotBeRun(t *testing.T) {
	t.Parallel()
	good := `{"name":"other","command":["server","{port}"],"healthPath":"/ok","hubPath":"/hub"}`
	for name, tc := range map[string]struct{ text, want string }{
		"good":         {good, ""},
		"unknown key":  {strings.Replace(good, "name", "nam", 1), `unknown field "nam"`},
		"no command":   {strings.Replace(good, `["server","{port}"]`, `[]`, 1), "must be set"},
		"relative hub": {strings.Replace(good, `"/hub"`, `"hub"`, 1), "must be set"},
		"no JSON":      {"name: other", "invalid character"},
	} {
		path := filepath.Join(t.TempDir(), "contender.json")
		if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadContender(path)
		switch {
		case tc.want == "" && (err != nil || got.Name != "other"):
			t.Errorf("%s: got %+v, %v", name, got, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: got %v, want %q in it", name, err, tc.want)
		}
	}
	if _, err := ReadContender(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: got %v", err)
	}
}

func TestPlaceholdersAreReplaced(t *testing.T) {
	t.Parallel()
	values := placeholders{port: "1234", redis: "127.0.0.1:6379", work: "/tmp/w"}
	got := values.all([]string{"{work}/hubserver", "http://127.0.0.1:{port}", "R={redis}", "{other}"})
	want := []string{"/tmp/w/hubserver", "http://127.0.0.1:1234", "R=127.0.0.1:6379", "{other}"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMachineDescribesItself(t *testing.T) {
	t.Parallel()
	if here := Here(); here.Cores < 1 || here.Go == "" || !strings.Contains(here.String(), here.Go) {
		t.Errorf("machine: %+v", here)
	}
	if got := field("a\t: b\nmodel name\t: Some CPU: fast\n", "model name"); got != "Some CPU: fast" {
		t.Errorf("model name is %q", got)
	}
}
