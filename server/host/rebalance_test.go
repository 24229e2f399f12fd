package host

import (
	"testing"
	"time"
)

func TestRebalancingRestsWhenItIsInVain(t *testing.T) {
	const rounds = 20
	for name, test := range map[string]struct {
		sent, leave int
		want        bool
	}{
		"nobody leaves":   {sent: 5, leave: 0, want: true},
		"all leave":       {sent: 5, leave: 5},
		"a third leaves":  {sent: 6, leave: 2},
		"nobody was sent": {sent: 0, leave: 0},
	} {
		t.Run(name, func(t *testing.T) {
			var trial effort
			now, connections, rested := time.Now(), 1000, false
			for range rounds {
				rested = rested || trial.inVain(now, connections, test.sent)
				connections -= test.leave
				now = now.Add(rebalanceInterval)
			}
			if rested != test.want || trial.resting(now) != test.want {
				t.Errorf("rested %v, rests %v, want %v", rested, trial.resting(now), test.want)
			}
			if trial.resting(now.Add(restAfterTrial)) {
				t.Error("it rests for ever")
			}
		})
	}
}
