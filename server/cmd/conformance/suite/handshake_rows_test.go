package suite

import (
	"time"
)

const handshake = `{"protocol":"json","version":1}`

var handshakeRows = []row{
	{id: "K1", name: "timeout", run: func(x *trial) {
		s := x.server("HANDSHAKE_TIMEOUT=1")
		for name, sent := range map[string]string{"nothing": "", "a part": `{"protocol":"json"`} {
			started := time.Now() // the server's clock begins before the connection is told of
			c := x.connectBy(s, how{silent: true})
			if sent != "" {
				x.must(c.wire.write([]byte(sent), false))
			}
			c.expect(`{"error":"Handshake was canceled."}`)
			x.within("the handshake of "+name, time.Since(started), 500*time.Millisecond, patience)
			c.expectEnd(1000)
		}
	}},
	{id: "K2", name: "unknown protocol", run: refusedHandshake(`{"protocol":"x","version":1}`, "The protocol 'x' is not supported.")},
	{id: "K3", name: "unknown version", run: refusedHandshake(`{"protocol":"json","version":9001}`,
		"The server does not support version 9001 of the 'json' protocol.")},
	{id: "K4", name: "version 2 without stateful reconnect", run: func(x *trial) {
		c := x.connectBy(x.server(), how{version: 2})
		for range 3 {
			check(x, "echo", c.invoke("Echo", "here"), any("here"))
		}
	}},
	{id: "K5", name: "in three pieces", run: func(x *trial) {
		c := x.connectBy(x.server(), how{silent: true})
		for _, piece := range []string{`{"proto`, `col":"json","ver`, `sion":1}` + "\x1e"} {
			x.must(c.wire.write([]byte(piece), false))
		}
		c.expect(`{}`)
		check(x, "echo", c.invoke("Echo", "here"), any("here"))
	}},
	{id: "K6", name: "with an invocation behind it", run: func(x *trial) {
		c := x.connectBy(x.server(), how{silent: true})
		c.send(handshake, echo("1", "a"))
		c.expect(`{}`, completed("1", "a"))
	}},
	{id: "K7", name: "too large", run: func(x *trial) {
		c := x.connectBy(x.server(), how{silent: true})
		started := time.Now()
		x.must(c.wire.write([]byte(`{"protocol":"`+repeated(40_000)), false))
		c.expect(`{"error":"Handshake was canceled."}`)
		x.within("the refusal", time.Since(started), 0, 14*time.Second)
		c.expectEnd(1000)
	}},
	{id: "K8", name: "name in another case", run: func(x *trial) {
		c := x.connectBy(x.server(), how{silent: true})
		c.send(`{"protocol":"JSON","version":1}`)
		c.expect(`{}`)
		check(x, "echo", c.invoke("Echo", "here"), any("here"))
	}},
	{id: "K9", name: "garbage", run: func(x *trial) {
		for _, garbage := range []string{`foo`, `{}`, `{"protocol":"json"}`, `{"version":1}`, `[]`, `{"protocol":1,"version":1}`, ``} {
			refusedHandshake(garbage, "An unexpected error occurred during connection handshake.")(x)
		}
	}},
	{id: "K10", name: "further properties", run: func(x *trial) {
		c := x.connectBy(x.server(), how{silent: true})
		c.send(`{"extra":{"a":[1,null]},"protocol":"json","version":1,"other":"x"}`)
		c.expect(`{}`)
		check(x, "echo", c.invoke("Echo", "here"), any("here"))
	}},
}

// refusedHandshake is a row in which a handshake is refused with a text.
func refusedHandshake(request, text string) func(*trial) {
	return func(x *trial) {
		x.Helper()
		c := x.connectBy(x.server(), how{silent: true})
		c.send(request)
		c.expect(`{"error":"` + text + `"}`)
		c.expectEnd(1000)
	}
}
