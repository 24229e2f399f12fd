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

// A client on its way is neither sent away twice nor counted as one that will stay.
func TestABalanceKnowsWhoIsOnTheWay(t *testing.T) {
	p := startPair(t)
	address := p.first.address() + "/chatHub"
	token := negotiateStateful(t, address)
	c := open(t, address, token)
	eventually(t, "sent away", func() bool { return p.first.host.hubs.SendSomeAway(1) == 1 })
	if _, err := c.receive(); err == nil {
		t.Fatal("the socket is still open")
	}
	if view := p.first.host.view(false); view.Away != 1 || view.Self.Connections != 1 || view.Self.Movable != 0 {
		t.Errorf("while the client is on its way: %+v", view)
	}
	c, err := dial(t, address+"?id="+token, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.send(`{"type":9,"sequenceId":1}`)
	c.expect(`{"type":9,"sequenceId":1}`)
	if view := p.first.host.view(false); view.Away != 0 || view.Self.Connections != 1 {
		t.Errorf("when it is back: %+v", view)
	}
}
