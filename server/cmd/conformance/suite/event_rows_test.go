package suite

import (
	"io"
	"net/http"
	"strings"
)

var eventRows = []row{
	{id: "S1", name: "headers", run: func(x *trial) {
		stream := x.events(x.server())
		check(x, "status", stream.response.StatusCode, http.StatusOK)
		x.expectHeaders(stream.response.Header, "Content-Type", "text/event-stream", "Cache-Control", "no-cache,no-store",
			"Pragma", "no-cache", "Content-Encoding", "identity")
	}},
	{id: "S2", name: "preamble", run: func(x *trial) {
		var preamble [3]byte
		_, err := io.ReadFull(x.events(x.server()).reader, preamble[:])
		x.must(err)
		check(x, "first bytes", string(preamble[:]), ":\r\n")
	}},
	{id: "S3", name: "framing", run: func(x *trial) {
		c := x.connectBy(x.server(), how{transport: events, silent: true})
		c.send(`{"protocol":"json","version":1}`)
		c.expectEvent("data: {}\x1e\r\n\r\n")
		c.send(echo("1", "a"))
		c.expectEvent("data: " + completed("1", "a") + "\x1e\r\n\r\n")
	}},
	{id: "S4", name: "payload of several lines", run: func(x *trial) {
		// No hub message has a line feed unless another server writes it so.
		nodes := x.backplane()
		c := nodes.connectBy(0, how{transport: events})
		nodes.publish(hubName+":connection:"+c.id, []any{[]any{}, map[string]any{
			"json": []byte("{\"type\":1,\n\"target\":\"Lines\",\r\n\"arguments\":[]}\x1e"),
		}})
		c.expectEvent("data: {\"type\":1,\r\ndata: \"target\":\"Lines\",\r\ndata: \"arguments\":[]}\x1e\r\n\r\n")
	}},
	{id: "S5", name: "binary protocol", run: func(x *trial) {
		c := x.connectBy(x.server(), how{transport: events, silent: true})
		x.must(c.wire.write([]byte(packedHandshake), false))
		c.expect(`{"error":"Cannot use the 'messagepack' protocol on the current transport. The transport does not support 'Binary' transfer format."}`)
		c.expectEnd(0)
	}},
	{id: "S6", name: "the client goes", run: func(x *trial) {
		watch := x.observer(x.server())
		c := x.connectBy(x.server(), how{transport: events})
		watch.expectConnected(c.id)
		c.wire.cut()
		watch.expectDisconnected(c.id, "")
		x.expect(x.post(c.address(""), echo("1", "a")+"\x1e"), http.StatusNotFound, unknownID)
	}},
}

// events negotiates a connection and opens its stream.
func (x *trial) events(s *server) *eventWire {
	x.Helper()
	n := x.negotiate(s, "/conformance", "negotiateVersion=1", nil)
	stream, err := openEvents(n.address(s, "/conformance"), nil)
	x.must(err)
	x.Cleanup(stream.cut)
	return stream
}

// expectEvent fails the row unless the next event is that, byte by byte. Pings and broadcasts of other rows do not count.
func (c *client) expectEvent(want string) {
	c.x.Helper()
	for {
		event, err := c.wire.(*eventWire).readRaw()
		c.x.must(err)
		if event != want && (strings.HasPrefix(event, `data: {"type":6}`) || strings.HasPrefix(event, `data: {"type":1,"target":"Receive"`)) {
			continue
		}
		check(c.x, "event", event, want)
		return
	}
}
