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
