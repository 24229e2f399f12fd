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
)

// table is what the clients counted in each disturbance.
type table struct {
	rows    []row
	skipped []string // what could not happen, and why
}

type row struct {
	name    string
	outcome crowd.Outcome
}

func (t *table) add(name string, outcome crowd.Outcome) { t.rows = append(t.rows, row{name, outcome}) }

func (t *table) skip(name string, reason error) {
	t.skipped = append(t.skipped, fmt.Sprintf("%s: skipped: %v", name, reason))
}

// heading is the first row; its columns are those of cells.
func heading() []string {
	return []string{"disturbance", "took", "sent", "to be received", "lost", "doubled", "failed calls", "reconnects", "longest pause"}
}

func (r row) cells() []string {
	o := r.outcome
	return []string{
		r.name, o.Took.Round(100 * time.Millisecond).String(), fmt.Sprint(o.Said), fmt.Sprint(o.Expected), fmt.Sprint(o.Lost),
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
	for _, line := range t.skipped {
		fmt.Fprintln(&out, line)
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

// print shows the table at the end of a test and keeps it with the artifacts.
func (s *suite) print(t *testing.T) {
	if len(s.table.rows) == 0 {
		return
	}
	t.Logf("what the clients counted:\n%s", s.table)
	if err := os.MkdirAll(s.artifacts, 0o755); err != nil {
		t.Log(err)
		return
	}
	if err := os.WriteFile(filepath.Join(s.artifacts, "disturbances.md"), []byte(s.table.markdown()), 0o644); err != nil {
		t.Log(err)
	}
}
