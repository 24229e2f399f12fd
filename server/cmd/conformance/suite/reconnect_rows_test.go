package suite

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

var reconnectRows = []row{
	{id: "Q1", name: "acknowledgement", run: func(x *trial) {
		c := x.connectBy(x.server(), how{stateful: true})
		c.send(echo("1", "a"), echo("2", "b"))
		c.expect(completed("1", "a"), completed("2", "b"))
		started := time.Now()
		c.awaitAck(2)
		x.within("the acknowledgement", time.Since(started), 0, patience)
	}},
	{id: "Q2", name: "resume", run: func(x *trial) {
		c := x.connectBy(x.server(), how{stateful: true})
		c.send(echo("1", "a"), echo("2", "b"))
		c.expect(completed("1", "a"), completed("2", "b"))
		c.reconnect()
		c.expect(sequence(1), completed("1", "a"), completed("2", "b"))
		c.send(sequence(3), echo("3", "c"))
		c.expect(completed("3", "c"))
	}},
	{id: "Q3", name: "nothing to send again", run: func(x *trial) {
		c := x.connectBy(x.server(), how{stateful: true})
		c.send(echo("1", "a"), echo("2", "b"))
		c.expect(completed("1", "a"), completed("2", "b"))
		c.acknowledge(2, 3)
		c.reconnect()
		c.expect(sequence(3))
		c.send(sequence(4), echo("3", "c"))
		c.expect(completed("3", "c"))
	}},
	{id: "Q4", name: "nothing is done twice", run: func(x *trial) {
		c := x.connectBy(x.server(), how{stateful: true})
		once := tell("SendCaller", `"`+x.tag("once")+`"`)
		c.send(once)
		c.expectReceive("once")
		c.reconnect()
		c.expect(sequence(1))
		c.expectReceive("once") // what the server sends again
		c.send(sequence(1), once, echo("2", "a"))
		c.expect(completed("2", "a"))
		c.send(echo("3", "b"))
		c.expect(completed("3", "b"))
	}},
	{id: "Q5", name: "a sequence that leaves messages out", run: func(x *trial) {
		c := x.connectBy(x.server(), how{stateful: true})
		c.reconnect()
		c.expect(sequence(1))
		c.send(sequence(100))
		c.expect(closedWithError)
		c.expectEnd(1000)
		x.expectNoReturn(c)
	}},
	{id: "Q6", name: "version 1 switches it off", single: true, run: func(x *trial) {
		c := x.connectBy(x.server(), how{stateful: true, version: 1})
		x.expect(x.refusedSocket(c.address("")), http.StatusConflict, "")
		check(x, "echo on the first socket", c.invoke("Echo", "here"), any("here"))
		c.send(sequence(50), sequence(-3), echo("2", "heard"))
		c.expect(completed("2", "heard"))
		c.wire.cut()
		x.expectNoReturn(c)
	}},
	{id: "Q7", name: "a close frame is the end", run: func(x *trial) {
		watch := x.observer(x.server())
		c := x.connectBy(x.server(), how{stateful: true})
		watch.expectConnected(c.id)
		x.must(c.wire.(socketWire).close(1000))
		c.expectClosed()
		watch.expectDisconnected(c.id, "")
		x.expectNoReturn(c)
	}},
	{id: "Q8", name: "too late", run: func(x *trial) {
		watch := x.observer(x.server())
		c := x.connectBy(x.server(), how{stateful: true})
		watch.expectConnected(c.id)
		c.wire.cut()
		x.idle(afterDisconnectTimeout)
		x.expect(x.refusedSocket(c.address("")), http.StatusNotFound, unknownID)
		watch.expectDisconnected(c.id, "")
	}},
	{id: "Q9", name: "a client that never acknowledges", run: neverAcknowledge, exception: &exception{
		reason: "while a send waits for the client's acknowledgement there are no pings, and after 10 s the connection ends",
		shows: func(x *trial) {
			c := x.flooded(x.server(quick...))
			received := 0
			for {
				message, err := c.next()
				if err != nil {
					break
				}
				if isPing(message) {
					x.Fatal("received a ping")
				}
				if strings.HasPrefix(string(message), `{"type":1,`) {
					received++
				}
			}
			if received == 0 || received*floodBytes > mostSent {
				x.Fatalf("received %d bytes of the flood, want some and no more than about 100000", received*floodBytes)
			}
		},
	}},
	{id: "Q10", name: "the connection stays the same", run: func(x *trial) {
		watch := x.observer(x.server())
		c := x.connectBy(x.server(), how{stateful: true, query: "welcome=hi"})
		c.expect(`{"type":1,"target":"Welcome","arguments":["hi"]}`)
		c.send(call("1", "JoinGroup", `"`+x.tag("group")+`"`))
		c.expect(`{"type":3,"invocationId":"1","result":null}`)
		c.acknowledge(2, 2)
		c.reconnect()
		c.expect(sequence(3)) // so there is no second Welcome
		c.send(sequence(3), call("2", "ConnectionId"))
		c.expect(completed("2", c.id))
		watch.invoke("SendGroup", x.tag("group"), x.tag("a"))
		c.expectReceive("a")
		watch.expectConnected(c.id)
	}},
	{id: "Q11", name: "the old socket is open", run: takeOver, exception: &exception{
		reason: "a second socket is refused with 404 while the first one is open",
		shows: func(x *trial) {
			c := x.connectBy(x.server(), how{stateful: true})
			go func() { _, _ = c.wire.read() }() // as a client does: it answers the close frame
			check(x, "status", x.refusedSocket(c.address("")).status, http.StatusNotFound)
		},
	}},
}

// A flood of messages that is larger than the 100,000 bytes that may be sent without an acknowledgement.
const floodCount, floodBytes = 50, 10_000

// leastSent and mostSent are how many bytes may be sent without an acknowledgement: about 100,000, in whole messages.
const leastSent, mostSent = 90_000, 150_000

func neverAcknowledge(x *trial) {
	c := x.flooded(x.server(quick...))
	received, pings := 0, 0
	// That there is nothing between two pings shows that the flood has stopped, unless it has hardly begun.
	for pings < 2 || received*floodBytes < leastSent {
		message := c.receive()
		switch {
		case isPing([]byte(message)):
			pings++
		case strings.HasPrefix(message, `{"type":1,`):
			received, pings = received+1, 0
		}
	}
	x.expectAboutTheBuffer(received)
	c.control = false
	for received < floodCount {
		c.send(ack(received))
		c.expect(fmt.Sprintf(`{"type":1,"target":"Flood","arguments":[%d,"%s"]}`, received, repeated(floodBytes)))
		received++
	}
	c.send(ack(received))
	c.expect(`{"type":3,"invocationId":"1","result":null}`)
}

// flooded connects a client that is sent more than it may be sent without its acknowledgement.
func (x *trial) flooded(s *server) *client {
	x.Helper()
	c := x.connectBy(s, how{stateful: true})
	c.control = true
	c.send(call("1", "Flood", strconv.Itoa(floodCount), strconv.Itoa(floodBytes)))
	return c
}

// expectAboutTheBuffer fails the row unless that many messages of the flood are about as much as may be sent.
func (x *trial) expectAboutTheBuffer(received int) {
	x.Helper()
	if sent := received * floodBytes; sent < leastSent || sent > mostSent {
		x.Fatalf("the server stopped after %d bytes, want about 100000", sent)
	}
}

func takeOver(x *trial) {
	c := x.connectBy(x.server(), how{stateful: true})
	c.send(echo("1", "a"))
	c.expect(completed("1", "a"))
	old := c.wire.(socketWire)
	c.resumeOn(x.socket(c.address(""), nil))
	c.expect(sequence(1), completed("1", "a"))
	c.send(sequence(2), echo("2", "b"))
	c.expect(completed("2", "b"))
	for {
		if _, _, err := old.socket.read(); err != nil {
			var closed *closeError
			if errors.As(err, &closed) {
				x.Fatalf("the old socket was closed with a close frame (%v): its client would give up", err)
			}
			return
		}
	}
}

// sequence says which number the next counted message has, ack which one has arrived.
func sequence(number int) string { return fmt.Sprintf(`{"type":9,"sequenceId":%d}`, number) }
func ack(number int) string      { return fmt.Sprintf(`{"type":8,"sequenceId":%d}`, number) }

// awaitAck waits until the server has acknowledged a message of the client; nothing but acknowledgements may come.
func (c *client) awaitAck(number int) {
	c.x.Helper()
	c.control = true
	defer func() { c.control = false }()
	for {
		message := c.receive()
		if message == ack(number) {
			return
		}
		if !strings.HasPrefix(message, `{"type":8,`) && !isPing([]byte(message)) {
			c.x.Fatalf("received %s, want %s", message, ack(number))
		}
	}
}

// acknowledge says that the server's messages up to number have arrived, and waits until the server knows: it then has
// acknowledged the call that is sent behind, the client's message number behind.
func (c *client) acknowledge(number, behind int) {
	c.x.Helper()
	c.send(ack(number), tell("Void"))
	c.awaitAck(behind)
}

// reconnect cuts the connection and opens another WebSocket for it, as often as the server needs to notice.
func (c *client) reconnect() {
	c.x.Helper()
	c.wire.cut()
	c.pending = nil
	c.x.eventually("the server takes the client back", func() bool {
		socket, _, err := dialSocket(c.x.Context(), c.address(""), nil)
		c.x.must(err)
		if socket != nil {
			c.resumeOn(socket)
		}
		return socket != nil
	})
}

// resumeOn goes on with another WebSocket. All clients say so first, before they hear anything; servers that are one of
// several rely on it. Rows say it themselves after what they expect, which ASP.NET Core lets nobody do twice.
func (c *client) resumeOn(s *socket) {
	c.x.Helper()
	c.wire = socketWire{s}
	if c.x.implementation.pair {
		c.send(sequence(1))
	}
}

// expectNoReturn waits until the server refuses another WebSocket for the connection because it is over.
func (x *trial) expectNoReturn(c *client) {
	x.Helper()
	x.eventually("the connection is forgotten", func() bool {
		socket, response, err := dialSocket(x.Context(), c.address(""), nil)
		x.must(err)
		if socket == nil {
			return response.StatusCode == http.StatusNotFound
		}
		// A server that has not heard of the end accepts a client that resumes, and then tells it.
		defer socket.cut()
		x.must(socket.write(opText, []byte(sequence(1)+"\x1e")))
		_, _, err = socket.read()
		var closed *closeError
		if !errors.As(err, &closed) || closed.code != 1011 {
			x.Fatalf("the connection is taken back: %v", err)
		}
		return false
	})
}
