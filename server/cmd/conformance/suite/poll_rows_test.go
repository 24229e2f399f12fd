package suite

import (
	"net/http"
	"time"
)

var pollRows = []row{
	{id: "L1", name: "first poll", run: func(x *trial) {
		n := x.negotiate(x.server(), "/conformance", "negotiateVersion=1", nil)
		a := x.get(n.address(x.server(), "/conformance"))
		x.expect(a, http.StatusOK, "")
		x.expectHeaders(a.header, "Content-Type", "application/octet-stream", "Content-Length", "0")
	}},
	{id: "L2", name: "handshake", run: func(x *trial) {
		c := x.connectBy(x.server(), how{transport: longPolling, silent: true})
		a := x.post(c.address(""), `{"protocol":"json","version":1}`+"\x1e")
		x.expect(a, http.StatusOK, "")
		x.expectHeaders(a.header, "Content-Type", "text/plain")
		a = x.get(c.address(""))
		x.expect(a, http.StatusOK, "{}\x1e")
		x.expectHeaders(a.header, "Content-Type", "application/octet-stream", "Content-Length", "3")
		address := x.negotiate(x.server(), "/conformance", "negotiateVersion=1", nil).address(x.server(), "/conformance")
		x.expect(x.post(address, `{"protocol":"x","version":1}`+"\x1e"), http.StatusOK, "")
		x.expect(x.get(address), http.StatusOK, "") // only now there is a transport that can carry the answer
		x.expect(x.get(address), http.StatusOK, `{"error":"The protocol 'x' is not supported."}`+"\x1e")
	}},
	{id: "L3", name: "timeout", run: func(x *trial) {
		c := x.connectBy(x.server(quick...), how{transport: longPolling})
		started := time.Now()
		a := x.get(c.address(""))
		x.within("a poll without messages", time.Since(started), 1500*time.Millisecond, patience)
		x.expect(a, http.StatusOK, "")
		x.expectHeaders(a.header, "Content-Type", "text/plain", "Content-Length", "0")
		check(x, "echo after it", c.invoke("Echo", "here"), any("here"))
	}},
	{id: "L4", name: "a newer poll", run: func(x *trial) {
		c := x.connectBy(x.server(), how{transport: longPolling})
		older := x.pendingPoll(c)
		newer := x.startPoll(c)
		x.expect(<-older, http.StatusNoContent, "")
		c.send(echo("1", "a"))
		x.expect(<-newer, http.StatusOK, completed("1", "a")+"\x1e")
	}},
	{id: "L5", name: "several messages", run: func(x *trial) {
		c := x.connectBy(x.server(), how{transport: longPolling})
		other := x.connect(x.server())
		for _, text := range []string{"a", "b", "c"} {
			other.invoke("SendClient", c.id, x.tag(text))
		}
		message := func(text string) string {
			return `{"type":1,"target":"Receive","arguments":["` + x.tag(text) + "\"]}\x1e"
		}
		x.expect(x.get(c.address("")), http.StatusOK, message("a")+message("b")+message("c"))
	}},
	{id: "L6", name: "DELETE while polling", run: func(x *trial) {
		watch := x.observer(x.server())
		c := x.connectBy(x.server(), how{transport: longPolling})
		pending := x.pendingPoll(c)
		a := x.remove(c.address(""))
		x.expect(a, http.StatusAccepted, "")
		x.expectHeaders(a.header, "Content-Type", "text/plain")
		switch a = <-pending; {
		case a.status == http.StatusOK && a.body == `{"type":7,"allowReconnect":true}`+"\x1e": // its client does not listen
		case a.status == http.StatusNotFound: // the end of the poll before it was told a moment before it waited itself
		default:
			x.expect(a, http.StatusNoContent, "")
		}
		watch.expectDisconnected(c.id, "")
		x.expectGone(c)
	}},
	{id: "L7", name: "DELETE between polls", run: func(x *trial) {
		watch := x.observer(x.server())
		c := x.connectBy(x.server(), how{transport: longPolling})
		watch.expectConnected(c.id)
		x.expect(x.remove(c.address("")), http.StatusAccepted, "")
		watch.expectDisconnected(c.id, "")
		x.expectGone(c)
	}},
	{id: "L8", name: "a client that stays away", run: func(x *trial) {
		watch := x.observer(x.server())
		c := x.connectBy(x.server(), how{transport: longPolling})
		x.idle(afterDisconnectTimeout)
		watch.expectDisconnected(c.id, "")
		x.expectGone(c)
	}},
	{id: "L9", name: "the hub aborts", run: func(x *trial) {
		c := x.connectBy(x.server(), how{transport: longPolling})
		c.send(tell("Abort"))
		a := x.get(c.address(""))
		x.expect(a, http.StatusOK, `{"type":7}`+"\x1e")
		a = x.get(c.address(""))
		x.expect(a, http.StatusNoContent, "")
		x.expectGone(c)
	}},
	{id: "L10", name: "no pings", run: func(x *trial) {
		c := x.connectBy(x.server(quick...), how{transport: longPolling})
		for range 3 { // each lasts two intervals
			x.expect(x.get(c.address("")), http.StatusOK, "")
		}
	}},
	{id: "L11", name: "no caching", run: func(x *trial) {
		c := x.connectBy(x.server(quick...), how{transport: longPolling, silent: true})
		address := c.address("")
		polled := func(status int) {
			x.Helper()
			a := x.get(address)
			check(x, "status", a.status, status)
			x.expectHeaders(a.header, noCache...)
		}
		x.post(address, `{"protocol":"json","version":1}`+"\x1e")
		polled(http.StatusOK) // the handshake
		polled(http.StatusOK) // the timeout
		c.send(tell("Abort"))
		polled(http.StatusOK) // the close message
		polled(http.StatusNoContent)
		x.expectGone(c)
		polled(http.StatusNotFound)
	}},
	{id: "L12", name: "MessagePack", run: func(x *trial) {
		c := x.connectBy(x.server(), how{transport: longPolling, packed: true})
		c.sendPacked(pack(1, empty, "1", "EchoBytes", []any{[]byte{0, 10, 13, 30, 255}}, []any{}))
		a := x.get(c.address(""))
		x.expect(a, http.StatusOK, string(framed(pack(3, empty, "1", 3, []byte{0, 10, 13, 30, 255}))))
		x.expectHeaders(a.header, "Content-Type", "application/octet-stream")
	}},
}

// startPoll polls and returns where the answer will come.
func (x *trial) startPoll(c *client) <-chan answer {
	polled := make(chan answer, 1)
	go func() {
		a, err := ask(x.Context(), http.MethodGet, c.address(""), nil, nil)
		if err != nil {
			x.Errorf("poll: %v", err)
		}
		polled <- a
	}()
	return polled
}

// pendingPoll polls, and returns when the poll is known to wait at the server: it has taken the place of another.
func (x *trial) pendingPoll(c *client) <-chan answer {
	x.Helper()
	first, second := x.startPoll(c), x.startPoll(c)
	select {
	case a := <-first:
		x.expect(a, http.StatusNoContent, "")
		return second
	case a := <-second: // it overtook the first
		x.expect(a, http.StatusNoContent, "")
		return first
	}
}

// expectGone waits until the server does not know the connection any more.
func (x *trial) expectGone(c *client) {
	x.Helper()
	x.eventually("the connection is forgotten", func() bool { return x.get(c.address("")).status == http.StatusNotFound })
}
