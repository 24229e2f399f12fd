package suite

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
)

const (
	idRequired = "Connection ID required"
	unknownID  = "No Connection with that ID"
)

var httpRows = []row{
	{id: "H1", name: "poll without id", run: func(x *trial) {
		a := x.get(x.server().url + "/conformance")
		x.expect(a, http.StatusBadRequest, idRequired)
		x.expectHeaders(a.header, append(noCache, "Content-Type", "text/plain")...)
	}},
	{id: "H2", name: "events without id", run: func(x *trial) {
		x.expect(x.ask(http.MethodGet, x.server().url+"/conformance", nil, acceptEvents), http.StatusBadRequest, idRequired)
	}},
	{id: "H3", name: "POST and DELETE without id", run: func(x *trial) {
		x.expect(x.post(x.server().url+"/conformance", "x"), http.StatusBadRequest, idRequired)
		x.expect(x.remove(x.server().url+"/conformance"), http.StatusBadRequest, idRequired)
	}},
	{id: "H4", name: "GET with unknown id", run: func(x *trial) {
		address := x.server().url + "/conformance?id=unknown"
		a := x.get(address)
		x.expect(a, http.StatusNotFound, unknownID)
		x.expectHeaders(a.header, noCache...)
		x.expect(x.ask(http.MethodGet, address, nil, acceptEvents), http.StatusNotFound, unknownID)
		x.expect(x.refusedSocket(address), http.StatusNotFound, unknownID)
	}},
	{id: "H5", name: "POST and DELETE with unknown id", run: func(x *trial) {
		address := x.server().url + "/conformance?id=unknown"
		x.expect(x.post(address, "x"), http.StatusNotFound, unknownID)
		x.expect(x.remove(address), http.StatusNotFound, unknownID)
	}},
	{id: "H6", name: "other methods", run: func(x *trial) {
		a := x.ask(http.MethodPut, x.server().url+"/conformance", nil, nil)
		x.expect(a, http.StatusMethodNotAllowed, "")
		x.expectHeaders(a.header, "Content-Type", "text/plain")
	}},
	{id: "H7", name: "transport that is not offered", run: func(x *trial) {
		for _, path := range []string{"/conformance-longpolling", "/conformance-none"} {
			n := x.negotiate(x.server(), path, "negotiateVersion=1", nil)
			address := n.address(x.server(), path)
			const text = " transport not supported by this end point type"
			x.expect(x.refusedSocket(address), http.StatusNotFound, "WebSockets"+text)
			x.expect(x.refusedSocket(x.server().url+path), http.StatusNotFound, "WebSockets"+text)
			x.expect(x.ask(http.MethodGet, address, nil, acceptEvents), http.StatusNotFound, "ServerSentEvents"+text)
		}
		n := x.negotiate(x.server(), "/conformance-none", "negotiateVersion=1", nil)
		a := x.get(n.address(x.server(), "/conformance-none"))
		x.expect(a, http.StatusNotFound, "LongPolling transport not supported by this end point type")
	}},
	{id: "H8", name: "another transport", run: func(x *trial) {
		const text = "Cannot change transports mid-connection"
		polling := x.connectBy(x.server(), how{transport: longPolling})
		x.expect(x.ask(http.MethodGet, polling.address(""), nil, acceptEvents), http.StatusBadRequest, text)
		x.expect(x.refusedSocket(polling.address("")), http.StatusBadRequest, text)
		socket := x.connect(x.server())
		x.expect(x.get(socket.address("")), http.StatusBadRequest, text)
		check(x, "echo of the first transport", polling.invoke("Echo", "here"), any("here"))
		check(x, "echo of the first transport", socket.invoke("Echo", "here"), any("here"))
	}},
	{id: "H9", name: "second stream of events", run: func(x *trial) {
		c := x.connectBy(x.server(), how{transport: events})
		x.expect(x.ask(http.MethodGet, c.address(""), nil, acceptEvents), http.StatusConflict, "")
		check(x, "echo on the first stream", c.invoke("Echo", "here"), any("here"))
	}},
	{id: "H10", name: "second WebSocket", run: func(x *trial) {
		c := x.connect(x.server())
		x.expect(x.refusedSocket(c.address("")), http.StatusConflict, "")
		check(x, "echo on the first socket", c.invoke("Echo", "here"), any("here"))
	}},
	{id: "H11", name: "POST to a WebSocket", run: func(x *trial) {
		c := x.connect(x.server())
		x.expect(x.post(c.address(""), "x"), http.StatusMethodNotAllowed, "POST requests are not allowed for WebSocket connections.")
	}},
	{id: "H12", name: "DELETE of another transport", run: func(x *trial) {
		const text = "Cannot terminate this connection using the DELETE endpoint."
		x.expect(x.remove(x.connectBy(x.server(), how{transport: events}).address("")), http.StatusBadRequest, text)
		x.expect(x.remove(x.connect(x.server()).address("")), http.StatusBadRequest, text)
		n := x.negotiate(x.server(), "/conformance", "negotiateVersion=1", nil)
		x.expect(x.remove(n.address(x.server(), "/conformance")), http.StatusBadRequest, text)
	}},
	{id: "H13", name: "large POST of many messages", run: func(x *trial) {
		c := x.connectBy(x.server(), how{transport: events})
		text := repeated(10_000)
		var messages []string
		for i := range 20 {
			messages = append(messages, echo(fmt.Sprint(i), text))
		}
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			c.send(messages...)
		}()
		for i := range 20 {
			c.expect(completed(fmt.Sprint(i), text))
		}
		<-sent
	}},
	{id: "H14", name: "parallel POSTs", run: func(x *trial) {
		c := x.connectBy(x.server(), how{transport: events})
		const posts, messagesEach = 10, 10
		var sending sync.WaitGroup
		for post := range posts {
			var messages []string
			for message := range messagesEach {
				messages = append(messages, echo(fmt.Sprintf("%d-%d", post, message), repeated(2000)))
			}
			sending.Go(func() { c.send(messages...) })
		}
		next := map[string]int{}
		for range posts * messagesEach {
			var post string
			var message int
			_, err := fmt.Sscanf(c.receive(), `{"type":3,"invocationId":"%1s-%d"`, &post, &message)
			x.must(err)
			check(x, "place in its POST", message, next[post])
			next[post]++
		}
		sending.Wait()
	}},
}

// echo calls Echo with a text that JSON does not escape.
func echo(id, text string) string {
	return fmt.Sprintf(`{"type":1,"invocationId":"%s","target":"Echo","arguments":["%s"]}`, id, text)
}

// completed is the answer to echo.
func completed(id, text string) string {
	return fmt.Sprintf(`{"type":3,"invocationId":"%s","result":"%s"}`, id, text)
}

// failed is the answer to a call that failed.
func failed(id, text string) string {
	return fmt.Sprintf(`{"type":3,"invocationId":"%s","error":"%s"}`, id, text)
}

// call calls a method; arguments are JSON, separated by commas.
func call(id, target string, arguments ...string) string {
	return fmt.Sprintf(`{"type":1,"invocationId":"%s","target":"%s","arguments":[%s]}`, id, target, strings.Join(arguments, ","))
}

// tell calls a method without asking for an answer.
func tell(target string, arguments ...string) string {
	return fmt.Sprintf(`{"type":1,"target":"%s","arguments":[%s]}`, target, strings.Join(arguments, ","))
}
