package balance

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestStepsOfADrain(t *testing.T) {
	goodbye := Goodbye{Delay: 5 * time.Second, Period: 10 * time.Second, Rate: 200, Patience: 20 * time.Second, Deadline: time.Minute}
	alone := Goodbye{Period: 10 * time.Second, Rate: 200, Deadline: time.Minute}
	stays := goodbye
	stays.Stays = true
	crowd := func(now time.Duration, takers int) Scene {
		return Scene{Now: now, Last: now - 100*time.Millisecond, Takers: takers, Stateful: 1200, Movable: 1000, Stateless: 100}
	}
	with := func(s Scene, change func(*Scene)) Scene {
		change(&s)
		return s
	}
	for name, test := range map[string]struct {
		plan  Goodbye
		scene Scene
		want  Step
	}{
		"before load balancers have noticed": {goodbye, crowd(4*time.Second, 2), Step{}},
		"one taker":                          {goodbye, crowd(10*time.Second, 1), Step{SendAway: 20, Tell: 51}},
		"two takers":                         {goodbye, crowd(10*time.Second, 2), Step{SendAway: 40, Tell: 51}},
		"no taker":                           {goodbye, crowd(24*time.Second, 0), Step{}},
		"no taker, and no more patience":     {goodbye, crowd(30*time.Second, 0), Step{Tell: 651, TellAll: true}},
		"no taker of one that stays":         {stays, crowd(30*time.Second, 0), Step{}},
		"the first taker came late": {
			goodbye, with(crowd(25*time.Second, 1), func(s *Scene) { s.Waited = 20 * time.Second }), Step{SendAway: 20, Tell: 51},
		},
		"a pause is not made up for":   {goodbye, with(crowd(20*time.Second, 1), func(s *Scene) { s.Last = 0 }), Step{SendAway: 40, Tell: 100}},
		"few are left":                 {goodbye, with(crowd(10*time.Second, 1), func(s *Scene) { s.Movable = 3 }), Step{SendAway: 3, Tell: 51}},
		"some have been told":          {goodbye, with(crowd(10*time.Second, 1), func(s *Scene) { s.Stateless, s.Told = 60, 40 }), Step{SendAway: 20, Tell: 11}},
		"all at once without a period": {Goodbye{Rate: 200, Deadline: time.Minute}, crowd(0, 1), Step{Tell: 100}},
		"a slow rate": {
			Goodbye{Rate: 2, Deadline: time.Minute},
			with(crowd(9*time.Second, 1), func(s *Scene) { s.Last, s.Stateless = 8400*time.Millisecond, 0 }), Step{SendAway: 1},
		},
		"alone, nobody is sent away":               {alone, crowd(time.Second, 0), Step{Tell: 131, TellAll: true}},
		"alone with one client":                    {alone, Scene{Stateful: 1}, Step{Tell: 1, TellAll: true}},
		"the deadline":                             {goodbye, crowd(time.Minute, 1), Step{Tell: 1300, TellAll: true}},
		"the deadline, no taker":                   {goodbye, crowd(time.Minute, 0), Step{Tell: 1300, TellAll: true}},
		"the deadline of one that stays":           {stays, crowd(time.Minute, 1), Step{SendAway: 20, Tell: 100}},
		"the deadline of one that stays, no taker": {stays, crowd(time.Minute, 0), Step{}},
	} {
		if got := test.plan.Next(test.scene); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

// However the machine delays the steps: nobody is told before the time, all are in the end, and the rate is kept.
func TestADrainEndsAtItsPace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := Goodbye{
			Delay: time.Duration(rapid.IntRange(0, 5).Draw(t, "delay")) * time.Second, Period: time.Duration(rapid.IntRange(0, 10).Draw(t, "period")) * time.Second,
			Rate: rapid.IntRange(1, 300).Draw(t, "rate"), Deadline: 2 * time.Hour,
		}
		takers := rapid.IntRange(1, 3).Draw(t, "takers")
		s := Scene{Takers: takers, Movable: rapid.IntRange(0, 500).Draw(t, "movable"), Stateless: rapid.IntRange(0, 500).Draw(t, "stateless")}
		movable, stateless := s.Movable, s.Stateless
		for s.Movable+s.Stateless > 0 {
			step := plan.Next(s)
			if step.SendAway < 0 || step.SendAway > s.Movable || step.Tell < 0 || step.Tell > s.Stateless || step.TellAll {
				t.Fatalf("%+v in %+v", step, s)
			}
			if s.Now < plan.Delay && step != (Step{}) {
				t.Fatalf("%+v at %v, before the delay is over", step, s.Now)
			}
			if step.SendAway > 0 {
				s.Last = s.Now
			}
			s.Movable -= step.SendAway
			s.Stateless, s.Told = s.Stateless-step.Tell, s.Told+step.Tell
			seconds := max(0, s.Now-plan.Delay).Seconds()
			if sent := float64(movable - s.Movable); sent > seconds*float64(plan.Rate*takers)+1e-6 {
				t.Fatalf("%v sent away after %v s", sent, seconds)
			}
			if told := float64(s.Told); told > 1 && s.Now < plan.Delay+plan.Period && told > 1+seconds/plan.Period.Seconds()*float64(stateless)+1e-6 {
				t.Fatalf("%v told after %v s", told, seconds)
			}
			s.Now += time.Duration(rapid.IntRange(1, 400).Draw(t, "pause")) * time.Millisecond
			if s.Now > time.Hour {
				t.Fatalf("it does not end: %+v", s)
			}
		}
	})
}
