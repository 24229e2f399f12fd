package suite

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

var webSocketRows = []row{
	{id: "W1", name: "no negotiation", run: func(x *trial) {
		c := x.connectBy(x.server(), how{skip: true})
		check(x, "echo", c.invoke("Echo", "here"), any("here"))
		id, _ := c.invoke("ConnectionId").(string)
		check(x, "length of the connection id", len(id), 22)
	}},
	{id: "W2", name: "text and binary messages", run: func(x *trial) {
		text := x.connectBy(x.server(), how{silent: true})
		x.must(text.wire.write([]byte(`{"protocol":"json","version":1}`+"\x1e"), false))
		text.expectOpcode(opText, "{}\x1e")
		x.must(text.wire.write([]byte(echo("1", "a")+"\x1e"), false))
		text.expectOpcode(opText, completed("1", "a")+"\x1e")

		packed := x.connectBy(x.server(), how{silent: true})
		x.must(packed.wire.write([]byte(packedHandshake), false))
		packed.expectOpcode(opBinary, "{}\x1e")
		packed.sendPacked(pack(1, empty, "1", "Echo", []any{"a"}, []any{}))
		packed.expectOpcode(opBinary, string(framed(pack(3, empty, "1", 3, "a"))))
	}},
	{id: "W3", name: "a message in three pieces", run: func(x *trial) {
		c := x.connect(x.server())
		message := echo("1", "pieces") + "\x1e"
		for _, piece := range []string{message[:7], message[7:30], message[30:]} {
			x.must(c.wire.write([]byte(piece), false))
		}
		c.expect(completed("1", "pieces"))
		socket := c.wire.(socketWire)
		x.must(socket.writeFrame(opText, false, []byte(message[:7])))
		x.must(socket.writeFrame(opPing, true, []byte("between")))
		x.must(socket.writeFrame(opContinuation, false, []byte(message[7:30])))
		x.must(socket.writeFrame(opContinuation, true, []byte(message[30:])))
		c.expect(completed("1", "pieces"))
	}},
	{id: "W4", name: "ten messages in one", run: func(x *trial) {
		c := x.connect(x.server())
		var calls, answers []string
		for i := range 10 {
			calls = append(calls, echo(fmt.Sprint(i), "x"))
			answers = append(answers, completed(fmt.Sprint(i), "x"))
		}
		c.send(calls...)
		c.expect(answers...)
	}},
	{id: "W5", name: "JSON in binary messages", run: func(x *trial) {
		c := x.connectBy(x.server(), how{silent: true})
		x.must(c.wire.write([]byte(`{"protocol":"json","version":1}`+"\x1e"), true))
		c.expect(`{}`)
		x.must(c.wire.write([]byte(echo("1", "a")+"\x1e"), true))
		c.expect(completed("1", "a"))
	}},
	{id: "W6", name: "normal close", run: func(x *trial) {
		watch := x.observer(x.server())
		c := x.connect(x.server())
		watch.expectConnected(c.id)
		started := time.Now()
		x.must(c.wire.(socketWire).close(1000))
		c.expectClosed()
		x.within("the server's close", time.Since(started), 0, patience)
		watch.expectDisconnected(c.id, "")
	}},
	{id: "W7", name: "no sub-protocol", run: func(x *trial) {
		socket, response, err := dialSocket(x.Context(), x.server().url+"/conformance", http.Header{"Sec-Websocket-Protocol": {"chat, other"}})
		x.must(err)
		check(x, "status", response.StatusCode, http.StatusSwitchingProtocols)
		defer socket.cut()
		x.expectHeaders(response.Header, "Sec-Websocket-Protocol", "", "Sec-Websocket-Extensions", "")
	}},
	{id: "W8", name: "a client that does not read", run: func(x *trial) {
		watch := x.observer(x.server())
		c := x.connectBy(x.server(), how{path: "/conformance-stateless"})
		x.must(c.wire.(socketWire).conn.(*net.TCPConn).SetReadBuffer(4096))
		started := time.Now()
		c.send(tell("Flood", "10000", "10000"))
		watch.expectEndOf(c.id)
		x.within("the end of a client that does not read", time.Since(started), 8*time.Second, patience)
	}},
	{id: "W9", name: "messages are not cut", run: func(x *trial) {
		// next fails if a WebSocket message does not end where a hub message does.
		c := x.connectBy(x.server(), how{path: "/conformance-stateless"})
		c.send(call("1", "Flood", "100", "50000"))
		for i := range 100 {
			c.expect(fmt.Sprintf(`{"type":1,"target":"Flood","arguments":[%d,"%s"]}`, i, repeated(50000)))
		}
		c.expect(`{"type":3,"invocationId":"1","result":null}`)
		packed := x.connectBy(x.server(), how{path: "/conformance-stateless", packed: true})
		packed.sendPacked(pack(1, empty, "1", "Flood", []any{100, 50000}, []any{}))
		for i := range 100 {
			packed.expectPacked(pack(1, empty, nil, "Flood", []any{i, repeated(50000)}, []any{}))
		}
		packed.expectPacked(pack(3, empty, "1", 3, nil))
	}},
}

// expectOpcode fails the row unless the next WebSocket message is that one.
func (c *client) expectOpcode(opcode byte, text string) {
	c.x.Helper()
	got, message, err := c.wire.(socketWire).socket.read()
	c.x.must(err)
	check(c.x, "opcode", got, opcode)
	check(c.x, "message", string(message), text)
}

// expectClosed fails the row unless the server answers the client's close frame with the same code. What the server sent
// before it is skipped.
func (c *client) expectClosed() {
	c.x.Helper()
	for {
		_, err := c.next()
		if err == nil {
			continue
		}
		var closed *closeError
		if !errors.As(err, &closed) || closed.code != 1000 {
			c.x.Fatalf("the close frame was answered with: %v, want code 1000", err)
		}
		return
	}
}

// expectEndOf waits until the hub has seen the end of another connection, whatever the cause.
func (c *client) expectEndOf(connectionID string) {
	c.x.Helper()
	c.x.eventually("the end of the connection for the hub", func() bool { return c.disconnected(connectionID) != nil })
}
