package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/chatcluster/chatcluster/hack/e2e/crowd"
	"github.com/chatcluster/chatcluster/hack/e2e/ledger"
)

// table is what the clients counted in each disturbance.
type table struct {
	rows    []row
	skipped []skipped
}

// skipped is what could not happen here, and why.
type skipped struct{ name, reason string }

type row struct {
	name    string
	outcome crowd.Outcome
}

func (t *table) add(name string, outcome crowd.Outcome) { t.rows = append(t.rows, row{name, outcome}) }

func (t *table) skip(name string, reason error) {
	t.skipped = append(t.skipped, skipped{name, strings.ReplaceAll(reason.Error(), "\n", " ")})
}

// heading is the first row; its columns are those of cells.
func heading() []string {
	return []string{"disturbance", "took", "sent", "received", "lost", "doubled", "failed calls", "reconnects", "longest pause"}
}

func (r row) cells() []string {
	o := r.outcome
	return []string{
		r.name, o.Took.Round(100 * time.Millisecond).String(), fmt.Sprint(o.Said), fmt.Sprint(o.Expected - o.Lost), fmt.Sprint(o.Lost),
		fmt.Sprint(o.Doubled), fmt.Sprint(o.Failed), fmt.Sprint(o.Reconnects), o.Pause.Round(10 * time.Millisecond).String(),
	}
}

// String is the table for a terminal.
func (t *table) String() string {
	var out strings.Builder
	writer := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(writer, strings.Join(heading(), "\t")+"\t")
	for _, row := range t.rows {
		fmt.Fprintln(writer, strings.Join(row.cells(), "\t")+"\t")
	}
	writer.Flush()
	for _, s := range t.skipped {
		fmt.Fprintf(&out, "%s: skipped: %s\n", s.name, s.reason)
	}
	return out.String()
}

// markdown is the table for a document.
func (t *table) markdown() string {
	var out strings.Builder
	line := func(cells []string) { fmt.Fprintf(&out, "| %s |\n", strings.Join(cells, " | ")) }
	line(heading())
	out.WriteString("| --- |" + strings.Repeat(" ---: |", len(heading())-1) + "\n")
	for _, row := range t.rows {
		line(row.cells())
	}
	return out.String()
}

// print shows the table at the end of a test and keeps it with the artifacts, in a file of that name. What was skipped, all
// tests note in one file.
func (s *suite) print(t *testing.T, name string) {
	t.Helper()
	if len(s.table.rows)+len(s.table.skipped) == 0 {
		return
	}
	t.Logf("what the clients counted:\n%s", s.table)
	if err := os.MkdirAll(s.artifacts, 0o755); err != nil {
		t.Log(err)
		return
	}
	if err := os.WriteFile(filepath.Join(s.artifacts, name+".md"), []byte(s.table.markdown()), 0o644); err != nil {
		t.Log(err)
	}
	skipped, err := os.OpenFile(filepath.Join(s.artifacts, "skipped"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Log(err)
		return
	}
	defer skipped.Close()
	for _, s := range s.table.skipped {
		fmt.Fprintf(skipped, "%s\t%s\n", s.name, s.reason)
	}
}

func TestTheTableHasARowForEachDisturbance(t *testing.T) {
	counted := &table{}
	counted.add("none", crowd.Outcome{Report: ledger.Report{Said: 3, Expected: 12, Lost: 2, Pause: 123 * time.Millisecond}, Took: time.Second})
	counted.skip("node stopped", fmt.Errorf("%w: two\nlines", errNotHere))
	want := "| disturbance | took | sent | received | lost | doubled | failed calls | reconnects | longest pause |\n" +
		"| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n" +
		"| none | 1s | 3 | 10 | 2 | 0 | 0 | 0 | 120ms |\n"
	if got := counted.markdown(); got != want {
		t.Errorf("the table is\n%swant\n%s", got, want)
	}
	if got := counted.String(); !strings.HasSuffix(got, "\nnode stopped: skipped: not possible here: two lines\n") {
		t.Errorf("the table for a terminal is\n%s", got)
	}
}
