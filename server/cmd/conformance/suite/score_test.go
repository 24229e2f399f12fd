package suite

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
)

// scores is what the rows came to, by implementation and section.
type scores struct {
	mu sync.Mutex
	// tallies are by implementation and section.
	tallies map[[2]string]*tally
	// implementations are the columns, in order; absent says why one has no scores.
	implementations []string
	absent          map[string]string
	// excepted are the rows in which an exception was shown.
	excepted map[string]bool
}

// tally counts rows.
type tally struct{ passed, failed, skipped, excepted int }

func (t tally) plus(other tally) tally {
	return tally{t.passed + other.passed, t.failed + other.failed, t.skipped + other.skipped, t.excepted + other.excepted}
}

// String is a cell of the table. An exception that was shown is no row passed: the promise was not kept.
func (t tally) String() string {
	all := t.passed + t.failed + t.skipped + t.excepted
	if all == 0 {
		return "-"
	}
	text := fmt.Sprintf("%d of %d", t.passed, all)
	for _, other := range []struct {
		count int
		what  string
	}{{t.excepted, "excepted"}, {t.skipped, "skipped"}, {t.failed, "FAILED"}} {
		if other.count > 0 {
			text += fmt.Sprintf(", %d %s", other.count, other.what)
		}
	}
	return text
}

// column announces an implementation.
func (s *scores) column(i *implementation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.implementations = append(s.implementations, i.name)
	if i.absent != "" {
		s.absent[i.name] = i.absent
	}
}

// note counts a row that has ended.
func (s *scores) note(t *testing.T, i *implementation, section string, row row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [2]string{i.name, section}
	if s.tallies[key] == nil {
		s.tallies[key] = &tally{}
	}
	switch {
	case t.Failed():
		s.tallies[key].failed++
	case t.Skipped():
		s.tallies[key].skipped++
	case i.reference && row.exception != nil:
		s.tallies[key].excepted++
		s.excepted[row.id] = true
	default:
		s.tallies[key].passed++
	}
}

// print writes the table, and below it the exceptions and why there is no more.
func (s *scores) print(out io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tallies) == 0 {
		return
	}
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintf(table, "\nrows passed\t%s\n", strings.Join(s.implementations, "\t"))
	all := map[string]tally{}
	for _, section := range sections {
		cells := []string{section.name}
		for _, name := range s.implementations {
			var score tally
			if noted := s.tallies[[2]string{name, section.name}]; noted != nil {
				score = *noted
			}
			all[name] = all[name].plus(score)
			cells = append(cells, score.String())
		}
		_, _ = fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	cells := []string{"all"}
	for _, name := range s.implementations {
		cells = append(cells, all[name].String())
	}
	_, _ = fmt.Fprintln(table, strings.Join(cells, "\t"))
	_ = table.Flush()
	s.printRemarks(out)
}

func (s *scores) printRemarks(out io.Writer) {
	if len(s.excepted) > 0 {
		_, _ = fmt.Fprintln(out, "\nexcepted: here ASP.NET Core does not keep the promise, and a test shows it")
	}
	for _, section := range sections {
		for _, row := range section.rows {
			if s.excepted[row.id] {
				_, _ = fmt.Fprintf(out, "   %s %s: %s\n", row.id, row.name, row.exception.reason)
			}
		}
	}
	for _, name := range s.implementations {
		if why := s.absent[name]; why != "" {
			_, _ = fmt.Fprintf(out, "\nskipped: %s: %s\n", name, why)
		}
	}
	_, _ = fmt.Fprintln(out)
}
