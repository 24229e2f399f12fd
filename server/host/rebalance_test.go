package host

import (
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

func TestRebalancingRestsWhenItIsInVain(t *testing.T) {
	const rounds = 20
	for name, test := range map[string]struct {
		sent, depart int
		want         bool
	}{
		"nobody leaves":   {sent: 5, depart: 0, want: true},
		"all leave":       {sent: 5, depart: 5},
		"a third leaves":  {sent: 6, depart: 2},
		"nobody was sent": {sent: 0, depart: 0},
	} {
		t.Run(name, func(t *testing.T) {
			var trial effort
			now, departed, rested := time.Now(), 1000, false
			for range rounds {
				rested = rested || trial.inVain(now, departed, test.sent)
				departed += test.depart
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

// sentAway makes a client with stateful reconnect that was sent to another server, and has left its socket. It returns its token.
func sentAway(t *testing.T, from *running) (token string) {
	t.Helper()
	address := from.address() + "/chatHub"
	token = negotiateStateful(t, address)
	c := open(t, address, token)
	eventually(t, "sent away", func() bool { return from.host.hubs.SendSomeAway(1) == 1 })
	if _, err := c.receive(); err == nil {
		t.Fatal("the socket is still open")
	}
	return token
}

// A client on its way is neither sent away twice nor counted as one that will stay.
func TestABalanceKnowsWhoIsOnTheWay(t *testing.T) {
	p := startPair(t)
	address := p.first.address() + "/chatHub"
	token := sentAway(t, p.first)
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

// However many others come meanwhile: what counts is that those who were sent away have gone.
func TestWhoGoesOnElsewhereHasDeparted(t *testing.T) {
	redis := redistest.Start(t) // connections move by the order of its messages
	shared := func(c *config.Config) { c.RedisConnection = redis.Address }
	p := pair{first: start(t, shared), second: start(t, shared)}
	eventually(t, "both ready", func() bool { return p.first.ready() && p.second.ready() })
	address := p.first.address() + "/chatHub"
	token := sentAway(t, p.first)
	if departed := p.first.host.hubs.Departed(); departed != 0 {
		t.Errorf("%d have departed while the client is on its way", departed)
	}
	newcomer := connect(t, address, address)
	c, err := dial(t, p.second.address()+"/chatHub?id="+token, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.send(`{"type":9,"sequenceId":1}`)
	c.expect(`{"type":9,"sequenceId":1}`)
	eventually(t, "departed", func() bool { return p.first.ready() && p.first.host.hubs.Departed() == 1 })
	if connections := p.first.host.hubs.Connections(); connections != 1 {
		t.Errorf("%d connections, want that of the newcomer", connections)
	}
	if departed := p.second.host.hubs.Departed(); departed != 0 {
		t.Errorf("%d have departed from the server that took it", departed)
	}
	_ = newcomer.socket.CloseNow()
}
