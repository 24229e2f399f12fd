package handover

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/handover/book"
	"github.com/chatcluster/chatcluster/hack/bench/table"
)

// Outcome is what the clients of a trial saw.
type Outcome struct {
	Rows []Row
	// Notes say what rows have no column for.
	Notes []string

	phase string // the one under way
}

// Row is what became of a phase, for some or all clients.
type Row struct {
	// Phase is what happened, Who the clients that the row is about.
	Phase, Who string
	// Took is how long the disturbance lasted, until all clients had a session; Noticed when the balancer knew of it.
	Took, Noticed time.Duration
	book.Report

	goal goal
}

// goal is what a row should be like.
type goal int

const (
	unnoticed goal = iota // the clients notice nothing
	soonBack              // they have lost their server without a word, and soon have another
	kept                  // calls may fail and messages get lost, but no session is
)

// Bounds are how long something may last. A busy machine needs more.
type Bounds struct {
	// Pause is how long clients that should notice nothing may hear nothing.
	Pause time.Duration
	// Return is how long after the balancer has noticed the death of a server its clients may be without another.
	Return time.Duration
}

// DefaultBounds are those for a machine that does nothing else.
func DefaultBounds() Bounds { return Bounds{Pause: time.Second, Return: 2 * time.Second} }

func (o *Outcome) note(format string, values ...any) {
	o.Notes = append(o.Notes, fmt.Sprintf(format, values...))
}

// Missed says which goals were not reached.
func (o *Outcome) Missed(bounds Bounds) (missed []string) {
	for _, row := range o.Rows {
		if wrong := row.missed(bounds); len(wrong) > 0 {
			missed = append(missed, fmt.Sprintf("%s, %s: %s", row.Phase, row.Who, strings.Join(wrong, ", ")))
		}
	}
	return missed
}

func (r Row) missed(bounds Bounds) (wrong []string) {
	none := func(count int, what string) {
		if count > 0 {
			wrong = append(wrong, fmt.Sprint(count, " ", what))
		}
	}
	none(r.Doubled, "doubled")
	none(r.Disordered, "out of order")
	none(r.Away, "not back")
	if r.goal != soonBack {
		none(r.Closed, "saw a close")
	}
	switch r.goal {
	case unnoticed:
		none(r.Lost, "lost")
		none(r.Failed, "failed calls")
		if r.Pause >= bounds.Pause {
			wrong = append(wrong, fmt.Sprintf("a pause of %v", r.Pause.Round(time.Millisecond)))
		}
	case soonBack:
		if r.Back > r.Noticed+bounds.Return {
			wrong = append(wrong, fmt.Sprintf("the last is back after %v", r.Back.Round(time.Millisecond)))
		}
	case kept:
	}
	return wrong
}

// String is the row in a line, with the reasons for what went wrong.
func (r Row) String() string {
	text := fmt.Sprintf("%s: %d said, %d received, %d lost, %d doubled, %d out of order, %d failed, pause %v, %d sockets ended, %d closes",
		r.Who, r.Said, r.Received, r.Lost, r.Doubled, r.Disordered, r.Failed, r.Pause.Round(time.Millisecond), r.Sockets, r.Closed)
	if r.LostByUnaware > 0 {
		text += fmt.Sprintf("; %d of the lost by clients that saw no close", r.LostByUnaware)
	}
	if len(r.Reasons) > 0 {
		text += fmt.Sprintf("; calls failed: %v", r.Reasons)
	}
	return text
}

// Print writes the table and the notes.
func (o *Outcome) Print(out io.Writer) error {
	t := table.Table{Header: []string{
		"phase", "clients", "took, s", "sent", "received", "lost", "doubled", "out of order", "failed calls", "longest pause, ms",
		"sockets ended", "saw a close", "all back after, s",
	}}
	for _, r := range o.Rows {
		name, back := r.Phase, table.Missing
		if r.Who != "all" {
			name += ": " + r.Who
		}
		if r.Closed > 0 {
			back = table.Number(r.Back.Seconds(), 2)
		}
		if r.Away > 0 {
			back = fmt.Sprint(r.Away, " not back")
		}
		t.Add(name, count(r.Clients), table.Number(r.Took.Seconds(), 1), count(r.Said), count(r.Received), count(r.Lost), count(r.Doubled),
			count(r.Disordered), count(r.Failed), count(int(r.Pause.Milliseconds())), count(r.Sockets), count(r.Closed), back)
	}
	if err := t.Render(out); err != nil {
		return err
	}
	for _, note := range o.Notes {
		if _, err := fmt.Fprintf(out, "\n%s.\n", note); err != nil {
			return fmt.Errorf("write notes: %w", err)
		}
	}
	return nil
}

func count(value int) string { return table.Number(float64(value), 0) }
