package suite

import (
	"time"
)

var keepAliveRows = []row{
	{id: "P1", name: "ping", run: func(x *trial) {
		s := x.server(quick...)
		for _, h := range []how{{}, {packed: true}, {transport: events}} {
			c := x.connectBy(s, h)
			c.control = true
			want := `{"type":6}`
			if h.packed {
				want = "\x91\x06"
			}
			check(x, "first message of an idle connection", c.receive(), want)
			check(x, "second message", c.receive(), want)
		}
	}},
	{id: "P2", name: "a client that never pings", run: func(x *trial) {
		c := x.connect(x.server(quick...))
		x.idle(7 * time.Second)
		check(x, "echo", c.invoke("Echo", "here"), any("here"))
	}},
	{id: "P3", name: "silence after a ping", run: func(x *trial) {
		watch := x.observer(x.server(quick...))
		c := x.connect(x.server(quick...))
		started := time.Now()
		c.send(`{"type":6}`)
		c.expect(closedWithError)
		x.within("the timeout", time.Since(started), 2500*time.Millisecond, patience)
		c.expectEnd(1000)
		watch.expectDisconnected(c.id, "Client hasn't sent a message/ping within the configured ClientTimeoutInterval.")
	}},
	{id: "P4", name: "every message counts", run: func(x *trial) {
		// The timeout is long enough for a machine on which a call of half a second takes several.
		c := x.connect(x.server("CLIENT_TIMEOUT_INTERVAL=10"))
		c.send(`{"type":6}`)
		for started := time.Now(); time.Since(started) < 14*time.Second; {
			check(x, "result", c.invoke("Delay", 500, "here"), any("here"))
		}
	}},
	{id: "P5", name: "a long call with another behind it", run: func(x *trial) {
		c := x.connect(x.server(quick...))
		c.send(`{"type":6}`, call("1", "Delay", "6000", `"slow"`), echo("2", "behind"))
		c.expect(completed("1", "slow"), completed("2", "behind"))
	}},
}
