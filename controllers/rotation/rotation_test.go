package rotation_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/chatcluster/chatcluster/controllers/rotation"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// rules number the secrets.
func rules(introduce, retire time.Duration) rotation.Rules {
	count := 0
	return rotation.Rules{IntroduceFor: introduce, RetireFor: retire, Generate: func() string {
		count++
		return fmt.Sprintf("%08d-secret", count)
	}}
}

func TestASecretIsMadeOnce(t *testing.T) {
	r := rules(0, time.Minute)
	first, _ := r.Next(rotation.Secret{}, "", true, noon)
	if first.Current == "" || first.Other != "" || first.Lineage == "" {
		t.Fatalf("the first is %+v", first)
	}
	again, wait := r.Next(first, "", true, noon.Add(24*time.Hour))
	if again != first || wait != 0 {
		t.Errorf("it became %+v, again after %s", again, wait)
	}
}

func TestASecretThatWasLostBeginsAnotherLine(t *testing.T) {
	r := rules(0, time.Minute)
	first, _ := r.Next(rotation.Secret{}, "", true, noon)
	second, _ := r.Next(rotation.Secret{Answered: "1"}, "1", true, noon)
	if second.Lineage == first.Lineage || second.Current == first.Current {
		t.Errorf("%+v follows %+v", second, first)
	}
}

func TestAnExchangeGoesThroughItsStages(t *testing.T) {
	r := rules(0, time.Minute)
	settled, _ := r.Next(rotation.Secret{}, "", true, noon)
	state, _ := r.Next(settled, "please", true, noon)
	if state.Stage != rotation.Introducing || state.Current != settled.Current || !slices.Equal(r.Announce(state, noon), state.Accepted()) {
		t.Fatalf("asked for, it is %+v", state)
	}
	if stays, wait := r.Next(state, "please", false, noon.Add(time.Hour)); stays != state || wait == 0 {
		t.Fatalf("not known yet, it is %+v, again after %s", stays, wait)
	}
	used, wait := r.Next(state, "please", true, noon)
	if used.Stage != rotation.Retiring || used.Current != state.Other || used.Other != state.Current || wait != time.Minute {
		t.Fatalf("known, it is %+v, again after %s", used, wait)
	}
	if r.Announce(used, noon) != nil {
		t.Error("there is something to announce while the old one is still good")
	}
	late := noon.Add(time.Minute)
	if got := r.Announce(used, late); !slices.Equal(got, []string{used.Current}) {
		t.Errorf("at last %v is announced", got)
	}
	if stays, _ := r.Next(used, "please", false, late); stays != used {
		t.Errorf("the old one was forgotten before all knew: %+v", stays)
	}
	done, wait := r.Next(used, "please", true, late)
	if done.Stage != rotation.Settled || done.Other != "" || done.Lineage != settled.Lineage || wait != 0 {
		t.Errorf("in the end it is %+v, again after %s", done, wait)
	}
	if again, _ := r.Next(done, "please", true, late); again != done {
		t.Errorf("one request was answered twice: %+v", again)
	}
}

// TestNobodyEverUsesWhatOthersDoNotAccept plays users, who hear of the state late, and those who accept secrets, who know what
// was announced to them.
func TestNobodyEverUsesWhatOthersDoNotAccept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const late = 3 * time.Minute
		r, now := rules(0, late), noon
		state, _ := r.Next(rotation.Secret{}, "", true, now)
		accepted := state.Accepted()
		history := []struct {
			since time.Time
			use   string
		}{{now, state.Current}}
		for step := range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 120).Draw(t, "seconds")) * time.Second)
			request := fmt.Sprint(rapid.IntRange(1, 3).Draw(t, "request"))
			known := true
			if announce := r.Announce(state, now); announce != nil {
				if known = rapid.Bool().Draw(t, "reached"); known {
					accepted = announce
				}
			}
			state, _ = r.Next(state, request, known, now)
			if history[len(history)-1].use != state.Current {
				history = append(history, struct {
					since time.Time
					use   string
				}{now, state.Current})
			}
			for at, one := range history {
				// It is in use until the last one has heard of its successor.
				if at+1 < len(history) && now.Sub(history[at+1].since) >= late {
					continue
				}
				if !slices.Contains(accepted, one.use) {
					t.Fatalf("step %d: %s is in use, accepted are %v", step, one.use, accepted)
				}
			}
		}
	})
}

func TestAStageIsMissedByThoseWhoListenedOnlyBeforeIt(t *testing.T) {
	r := rotation.Rules{HeardWithin: 3 * time.Minute}
	introducing := rotation.Secret{Current: "a", Other: "b", Stage: rotation.Introducing, Since: noon}
	for name, c := range map[string]struct {
		state rotation.Secret
		until []time.Time
		want  bool
	}{
		"nobody ends":                   {introducing, nil, false},
		"one ended before it":           {introducing, []time.Time{noon.Add(-time.Hour)}, true},
		"one ended before it was heard": {introducing, []time.Time{noon.Add(time.Hour), noon.Add(2 * time.Minute)}, true},
		"one ended after it was heard":  {introducing, []time.Time{noon.Add(3 * time.Minute)}, false},
		"nothing is exchanged":          {rotation.Secret{Current: "a"}, []time.Time{noon.Add(-time.Hour)}, false},
	} {
		if got := r.Missed(c.state, c.until); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// version is a state of a secret and since when it is there.
type version struct {
	since time.Time
	state rotation.Secret
}

// reader is a hub server: it hears of versions late, and of none once it ends.
type reader struct {
	// knows is which version it has heard of last.
	knows int
	// until is when it was told to end; zero while it was not.
	until time.Time
}

// hear lets a reader have the versions that it must have heard of by now, and some that it may have.
func (r *reader) hear(t *rapid.T, history []version, late time.Duration, now time.Time) {
	if !r.until.IsZero() {
		now = r.until
	}
	for at, version := range history {
		if at <= r.knows || version.since.After(now) {
			continue
		}
		if !version.since.Add(late).After(now) || rapid.Bool().Draw(t, "hears early") {
			r.knows = at
		}
	}
}

// comeAndGo lets a reader begin to end, or be gone, or one more come.
func comeAndGo(t *rapid.T, readers []*reader, latest int, now time.Time) []*reader {
	at := rapid.IntRange(0, len(readers)-1).Draw(t, "reader")
	switch event := rapid.SampledFrom([]string{"end", "gone", "come", "nothing"}).Draw(t, "event"); {
	case event == "end" && readers[at].until.IsZero():
		readers[at].until = now
	case event == "gone" && !readers[at].until.IsZero() && len(readers) > 1:
		readers = slices.Delete(readers, at, at+1)
	case event == "come":
		readers = append(readers, &reader{knows: latest})
	}
	return readers
}

// TestReadersThatEndUnderstandTheOthers plays hub servers that come, end slowly and are gone while keys are exchanged: each
// accepts what any other uses.
func TestReadersThatEndUnderstandTheOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const late = 3 * time.Minute
		r, now := rules(late, 10*time.Minute), noon
		r.HeardWithin = late
		state, _ := r.Next(rotation.Secret{}, "", true, now)
		history, readers := []version{{now, state}}, []*reader{{}, {}}
		for step := range rapid.IntRange(1, 80).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 240).Draw(t, "seconds")) * time.Second)
			readers = comeAndGo(t, readers, len(history)-1, now)
			var until []time.Time
			for _, one := range readers {
				if !one.until.IsZero() {
					until = append(until, one.until)
				}
			}
			next, _ := r.Next(state, fmt.Sprint(rapid.IntRange(1, 3).Draw(t, "request")), !r.Missed(state, until), now)
			if next != state {
				state = next
				history = append(history, version{now, state})
			}
			for _, one := range readers {
				one.hear(t, history, late, now)
			}
			for _, one := range readers {
				used := history[one.knows].state.Current
				for _, other := range readers {
					if accepted := history[other.knows].state.Accepted(); !slices.Contains(accepted, used) {
						t.Fatalf("step %d: one uses %s, another accepts %v", step, used, accepted)
					}
				}
			}
		}
	})
}
