package handover

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatcluster/chatcluster/hack/bench/handover/book"
)

func TestOutcomeIsATableWithNotes(t *testing.T) {
	t.Parallel()
	var o Outcome
	o.Rows = []Row{
		{Phase: "quiet", Who: "all", Took: 15 * time.Second, Report: book.Report{Clients: 550, Said: 1500, Received: 825_000, Pause: 21 * time.Millisecond}},
		{Phase: "kill", Who: "its clients", Took: 900 * time.Millisecond, Report: book.Report{Clients: 180, Lost: 7, Doubled: 1, Disordered: 2, Failed: 3, Sockets: 181, Closed: 180, Back: 123 * time.Millisecond}},
		{Phase: "kill", Who: "all others", Report: book.Report{Closed: 1, Away: 1}},
	}
	o.note("kill: noticed after %v", time.Second)
	var text strings.Builder
	if err := o.Print(&text); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
| phase             | clients | took, s |  sent | received | lost | doubled | out of order | failed calls | longest pause, ms | sockets ended | saw a close | all back after, s |
| ----------------- | ------: | ------: | ----: | -------: | ---: | ------: | -----------: | -----------: | ----------------: | ------------: | ----------: | ----------------: |
| quiet             |     550 |    15.0 | 1,500 |  825,000 |    0 |       0 |            0 |            0 |                21 |             0 |           0 |                 – |
| kill: its clients |     180 |     0.9 |     0 |        0 |    7 |       1 |            2 |            3 |                 0 |           181 |         180 |              0.12 |
| kill: all others  |       0 |     0.0 |     0 |        0 |    0 |       0 |            0 |            0 |                 0 |             0 |           1 |        1 not back |

kill: noticed after 1s.
`, "\n")
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Errorf("outcome differs (-want +got):\n%s", diff)
	}
}

func TestGoalsThatWereMissedAreNamed(t *testing.T) {
	t.Parallel()
	good := book.Report{Said: 10, Received: 100, Pause: 900 * time.Millisecond, Sockets: 5}
	for name, test := range map[string]struct {
		row  Row
		want string
	}{
		"all well":                    {Row{goal: unnoticed, Report: good}, ""},
		"lost":                        {Row{goal: unnoticed, Report: book.Report{Lost: 1}}, "1 lost"},
		"doubled and out of order":    {Row{goal: kept, Report: book.Report{Doubled: 1, Disordered: 2}}, "1 doubled, 2 out of order"},
		"failed calls":                {Row{goal: unnoticed, Report: book.Report{Failed: 4}}, "4 failed calls"},
		"a close":                     {Row{goal: unnoticed, Report: book.Report{Closed: 4}}, "4 saw a close"},
		"a pause":                     {Row{goal: unnoticed, Report: book.Report{Pause: time.Second}}, "a pause of 1s"},
		"a pause that must be":        {Row{goal: kept, Report: book.Report{Pause: time.Minute, Lost: 3, Failed: 3}}, ""},
		"a session that ended anyway": {Row{goal: kept, Report: book.Report{Closed: 1}}, "1 saw a close"},
		"back soon after the notice":  {Row{goal: soonBack, Noticed: time.Second, Report: book.Report{Closed: 9, Lost: 9, Back: 3 * time.Second}}, ""},
		"back late":                   {Row{goal: soonBack, Noticed: time.Second, Report: book.Report{Closed: 9, Back: 4 * time.Second}}, "the last is back after 4s"},
		"not back":                    {Row{goal: soonBack, Report: book.Report{Closed: 9, Away: 2}}, "2 not back"},
	} {
		test.row.Phase, test.row.Who = "phase", "all"
		want := []string{"phase, all: " + test.want}
		if test.want == "" {
			want = nil
		}
		o := Outcome{Rows: []Row{test.row}}
		if diff := cmp.Diff(want, o.Missed(DefaultBounds())); diff != "" {
			t.Errorf("%s: missed goals differ (-want +got):\n%s", name, diff)
		}
	}
}

func TestARowSaysWhyCallsFailed(t *testing.T) {
	t.Parallel()
	row := Row{Who: "all", Report: book.Report{Lost: 3, LostByUnaware: 2, Failed: 1, Reasons: map[string]int{"no answer": 1}}}
	for _, want := range []string{"3 lost", "2 of the lost by clients that saw no close", "no answer:1"} {
		if !strings.Contains(row.String(), want) {
			t.Errorf("%q is missing in %q", want, row)
		}
	}
}

func TestEvenAllowsAFewPercent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		counts []int
		want   bool
	}{
		{[]int{183, 183, 184}, true},
		{[]int{175, 180, 195}, true},
		{[]int{275, 275, 0}, false},
		{[]int{3, 3, 0}, true},
		{[]int{30, 20, 10}, false},
	} {
		counts := map[string]int{}
		for i, count := range test.counts {
			counts[string(rune('a'+i))] = count
		}
		if got := even(counts); got != test.want {
			t.Errorf("even(%v) is %v", test.counts, got)
		}
	}
}
