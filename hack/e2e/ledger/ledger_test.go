package ledger

import (
	"errors"
	"testing"
	"time"
)

func at(seconds int) time.Time { return time.Unix(int64(1000+seconds), 0) }

func TestReportCountsWhatEachClientShouldHaveHeard(t *testing.T) {
	for name, test := range map[string]struct {
		story   func(*Ledger)
		want    Report
		settled bool
	}{
		"all heard": {
			func(l *Ledger) {
				l.Join("a", at(0))
				l.Join("b", at(0))
				l.Say("1", at(1))
				l.Answer("1", nil)
				l.Hear("a", "1", at(2))
				l.Hear("b", "1", at(3))
			},
			Report{Said: 1, Expected: 2, Pause: 3 * time.Second}, true,
		},
		"one did not hear": {
			func(l *Ledger) {
				l.Join("a", at(0))
				l.Join("b", at(0))
				l.Say("1", at(1))
				l.Answer("1", nil)
				l.Hear("a", "1", at(1))
			},
			Report{Said: 1, Expected: 2, Lost: 1, Pause: time.Second}, false,
		},
		"what is lost after all is over is counted apart": {
			func(l *Ledger) {
				l.Join("a", at(0))
				l.Say("1", at(1))
				l.Answer("1", nil)
				l.Recovered(at(2))
				l.Say("2", at(2))
				l.Answer("2", nil)
			},
			Report{Said: 2, Expected: 2, Lost: 2, LostLate: 1, Pause: 2 * time.Second}, false,
		},
		"heard twice": {
			func(l *Ledger) {
				l.Join("a", at(0))
				l.Say("1", at(1))
				l.Answer("1", nil)
				l.Hear("a", "1", at(1))
				l.Hear("a", "1", at(2))
			},
			Report{Said: 1, Expected: 1, Doubled: 1, Pause: time.Second}, true,
		},
		"who comes later need not have heard": {
			func(l *Ledger) {
				l.Say("1", at(1))
				l.Answer("1", nil)
				l.Join("late", at(2))
			},
			Report{Said: 1}, true,
		},
		"who comes back should have heard": {
			func(l *Ledger) {
				l.Join("a", at(0))
				l.Say("1", at(1))
				l.Answer("1", nil)
				l.Join("a", at(2))
			},
			Report{Said: 1, Expected: 1, Lost: 1, Pause: time.Second}, false,
		},
		"a failed call is no loss, even if some heard it": {
			func(l *Ledger) {
				l.Join("a", at(0))
				l.Join("b", at(0))
				l.Say("1", at(1))
				l.Hear("a", "1", at(1))
				l.Answer("1", errors.New("gone"))
			},
			Report{Failed: 1, Pause: time.Second}, true,
		},
		"a call that is not answered is not settled": {
			func(l *Ledger) {
				l.Join("a", at(0))
				l.Say("1", at(1))
				l.Hear("a", "1", at(1))
			},
			Report{Failed: 1, Pause: time.Second}, false,
		},
		"the pause at the end lasts until the last word": {
			func(l *Ledger) {
				l.Join("a", at(0))
				l.Say("1", at(1))
				l.Answer("1", nil)
				l.Hear("a", "1", at(1))
				l.Say("2", at(9))
				l.Answer("2", nil)
			},
			Report{Said: 2, Expected: 2, Lost: 1, Pause: 8 * time.Second}, false,
		},
		"what belongs to another phase does not count": {
			func(l *Ledger) {
				l.Join("a", at(0))
				l.Hear("a", "of another phase", at(1))
				l.Answer("of another phase", nil)
			},
			Report{}, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			books := New(at(0))
			test.story(books)
			if got := books.Report(); got != test.want {
				t.Errorf("the report is %+v, want %+v", got, test.want)
			}
			if got := books.Settled(); got != test.settled {
				t.Errorf("settled is %v, want %v", got, test.settled)
			}
		})
	}
}

func TestTwiceNamesThoseWhoHeardMessagesMoreThanOnce(t *testing.T) {
	l := New(at(0))
	for _, client := range []string{"once", "twice"} {
		l.Join(client, at(0))
	}
	for _, id := range []string{"1", "2"} {
		l.Say(id, at(1))
		l.Answer(id, nil)
		l.Hear("once", id, at(1))
		l.Hear("twice", id, at(1))
		l.Hear("twice", id, at(2))
	}
	if got := l.Twice(); len(got) != 1 || got["twice"] != 2 {
		t.Errorf("those who heard messages twice are %v, want that client alone, with 2", got)
	}
}
