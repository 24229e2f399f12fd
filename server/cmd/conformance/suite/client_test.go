package suite

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// client is one client of a hub. What it sends and expects is text for JSON; packed_test.go has the MessagePack side.
type client struct {
	x      *trial
	server *server
	path   string
	wire   wire
	packed bool
	// id is the public connection id, token the secret one; both are empty after skipping negotiation.
	id, token string
	pending   [][]byte
	// control is set for clients that want to see pings and acknowledgements.
	control bool
	calls   int
	// others ask the servers behind the same balancer; see observer.
	others []*client
}

// how is the way in which a client connects. Its zero value negotiates a WebSocket and speaks JSON version 1.
type how struct {
	// path defaults to /conformance.
	path string
	// query is added to all requests, such as "welcome=hi".
	query     string
	transport string
	packed    bool
	version   int
	stateful  bool
	// skip leaves negotiation out.
	skip   bool
	bearer string
	// silent leaves the handshake out.
	silent bool
}

// The transports by their names in the negotiate response.
const (
	webSockets  = "WebSockets"
	events      = "ServerSentEvents"
	longPolling = "LongPolling"
)

// connect connects a client to the hub in the usual way.
func (x *trial) connect(s *server) *client {
	x.Helper()
	return x.connectBy(s, how{})
}

// connectBy connects a client to the hub and completes the handshake.
func (x *trial) connectBy(s *server, h how) *client {
	x.Helper()
	if h.path == "" {
		h.path = "/conformance"
	}
	c := &client{x: x, server: s, path: h.path}
	header := http.Header{}
	if h.bearer != "" {
		header.Set("Authorization", "Bearer "+h.bearer)
	}
	if !h.skip {
		query := "negotiateVersion=1"
		if h.stateful {
			query += "&useStatefulReconnect=true"
		}
		n := x.negotiate(s, h.path, h.query+"&"+query, header)
		if h.stateful && n.UseStatefulReconnect == nil {
			x.Fatalf("stateful reconnect was not granted: %s", n.text)
		}
		c.id, c.token = n.ConnectionID, n.id()
	}
	c.open(h, header)
	x.Cleanup(func() { c.wire.cut() })
	if !h.silent {
		c.shakeHands(h)
	}
	return c
}

// address is where the client's requests go.
func (c *client) address(query string) string {
	values := []string{}
	if c.token != "" {
		values = append(values, "id="+url.QueryEscape(c.token))
	}
	if query != "" {
		values = append(values, query)
	}
	return c.server.url + c.path + "?" + strings.Join(values, "&")
}

func (c *client) open(h how, header http.Header) {
	c.x.Helper()
	address := c.address(h.query)
	switch h.transport {
	case events:
		stream, err := openEvents(address, header)
		c.x.must(err)
		check(c.x, "status of the stream", stream.response.StatusCode, http.StatusOK)
		c.wire = stream
		preamble, err := stream.reader.ReadString('\n')
		c.x.must(err)
		check(c.x, "first line of the stream", preamble, ":\r\n")
	case longPolling:
		poll := newPollWire(address, header)
		c.wire = poll
		first, err := poll.poll()
		c.x.must(err)
		c.x.expect(first, http.StatusOK, "")
	default:
		c.wire = socketWire{c.x.socket(address, header)}
	}
}

// socket opens a WebSocket that must be accepted.
func (x *trial) socket(address string, header http.Header) *socket {
	x.Helper()
	s, response, err := dialSocket(x.Context(), address, header)
	x.must(err)
	if s == nil {
		body, _ := io.ReadAll(response.Body)
		x.Fatalf("the WebSocket was refused with %d %q", response.StatusCode, body)
	}
	return s
}

// refusedSocket asks for a WebSocket that must be refused.
func (x *trial) refusedSocket(address string) answer {
	x.Helper()
	s, response, err := dialSocket(x.Context(), address, nil)
	x.must(err)
	if s != nil {
		s.cut()
		x.Fatal("the WebSocket was accepted")
	}
	body, _ := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(body)}
}

// shakeHands completes the handshake. It is JSON text whatever follows.
func (c *client) shakeHands(h how) {
	c.x.Helper()
	name := "json"
	if h.packed {
		name = "messagepack"
	}
	version := max(h.version, 1)
	if h.stateful && h.version == 0 {
		version = 2
	}
	c.send(fmt.Sprintf(`{"protocol":%q,"version":%d}`, name, version))
	data, err := c.wire.read()
	c.x.must(err)
	response, rest, _ := bytes.Cut(data, []byte{separator})
	check(c.x, "answer to the handshake", string(response), `{}`)
	c.packed = h.packed
	if len(rest) > 0 { // a server may send messages right behind it
		c.pending, err = c.split(rest)
		c.x.must(err)
	}
}

// send sends messages in one piece, each as the text without its separator.
func (c *client) send(messages ...string) {
	c.x.Helper()
	c.x.must(c.wire.write([]byte(strings.Join(messages, "\x1e")+"\x1e"), false))
}

// next returns the next message without its framing. Pings and acknowledgements are left out unless the client wants them, and
// so is what other rows broadcast.
func (c *client) next() ([]byte, error) {
	for {
		for len(c.pending) == 0 {
			data, err := c.wire.read()
			if err != nil {
				return nil, err
			}
			if c.pending, err = c.split(data); err != nil {
				return nil, err
			}
		}
		message := c.pending[0]
		c.pending = c.pending[1:]
		if (c.control || !isPing(message) && !isAck(message)) && !c.isForeign(message) {
			return message, nil
		}
	}
}

func (c *client) split(data []byte) ([][]byte, error) {
	if c.packed {
		return splitPacked(data)
	}
	return splitText(data)
}

func isPing(message []byte) bool {
	return string(message) == `{"type":6}` || string(message) == "\x91\x06"
}

func isAck(message []byte) bool { return strings.HasPrefix(string(message), `{"type":8,`) }

// isForeign tells whether a message is a broadcast of another row on the same server.
func (c *client) isForeign(message []byte) bool {
	text, isBroadcast := strings.CutPrefix(string(message), `{"type":1,"target":"Receive","arguments":["`)
	if c.packed {
		text, isBroadcast = packedBroadcast(message)
	}
	return isBroadcast && !strings.HasPrefix(text, c.x.tag(""))
}

// receive returns the next message.
func (c *client) receive() string {
	c.x.Helper()
	message, err := c.next()
	if err != nil {
		c.x.Fatalf("receive: %v", err)
	}
	return string(message)
}

// expect fails the row unless the next messages are these.
func (c *client) expect(messages ...string) {
	c.x.Helper()
	for _, want := range messages {
		message, err := c.next()
		if err != nil {
			c.x.Fatalf("receive: %v, want %s", err, want)
		}
		if got := string(message); got != want {
			c.x.Fatalf("received %s, want %s", got, want)
		}
	}
}

// expectReceive fails the row unless the next messages are calls of Receive with these texts, each after the row's tag.
func (c *client) expectReceive(texts ...string) {
	c.x.Helper()
	for _, text := range texts {
		if c.packed {
			c.expectPacked(pack(1, empty, nil, "Receive", []any{c.x.tag(text)}, []any{}))
			continue
		}
		c.expect(`{"type":1,"target":"Receive","arguments":["` + c.x.tag(text) + `"]}`)
	}
}

// expectReceiveInAnyOrder is expectReceive for JSON messages whose order nobody promises.
func (c *client) expectReceiveInAnyOrder(texts ...string) {
	c.x.Helper()
	want, got := make([]string, len(texts)), make([]string, len(texts))
	for i, text := range texts {
		want[i] = `{"type":1,"target":"Receive","arguments":["` + c.x.tag(text) + `"]}`
		got[i] = c.receive()
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		c.x.Fatalf("received %q, want %q in any order", got, want)
	}
}

// expectEnd fails the row unless the connection ends now: a WebSocket with that close code.
func (c *client) expectEnd(code int) {
	c.x.Helper()
	message, err := c.next()
	if err == nil {
		c.x.Fatalf("received %s, want the end", message)
	}
	var closed *closeError
	switch {
	case errors.As(err, &closed):
		check(c.x, "close code", closed.code, code)
	case !errors.Is(err, io.EOF) || code != 0:
		c.x.Fatalf("the connection ended with: %v, want close code %d", err, code)
	}
}

// start calls a method and returns the id of the call.
func (c *client) start(target string, arguments ...any) string {
	c.x.Helper()
	c.calls++
	id := fmt.Sprint("call", c.calls)
	if c.packed {
		c.sendPacked(pack(1, empty, id, target, append([]any{}, arguments...), []any{}))
		return id
	}
	encoded, err := json.Marshal(append([]any{}, arguments...))
	c.x.must(err)
	c.send(fmt.Sprintf(`{"type":1,"invocationId":%q,"target":%q,"arguments":%s}`, id, target, encoded))
	return id
}

// invoke calls a method and returns its result. Messages that arrive before the answer wait to be received.
func (c *client) invoke(target string, arguments ...any) any {
	c.x.Helper()
	result, failure := c.finish(c.start(target, arguments...))
	if failure != "" {
		c.x.Fatalf("%s failed: %s", target, failure)
	}
	return result
}

// fail calls a method that must fail and returns its error.
func (c *client) fail(target string, arguments ...any) string {
	c.x.Helper()
	result, failure := c.finish(c.start(target, arguments...))
	if failure == "" {
		c.x.Fatalf("%s returned %v, want an error", target, result)
	}
	return failure
}

// finish waits for the completion of a call.
func (c *client) finish(id string) (result any, failure string) {
	c.x.Helper()
	var others [][]byte
	for {
		message, err := c.next()
		if err != nil {
			c.x.Fatalf("wait for the answer to %s: %v", id, err)
		}
		result, failure, found := c.completion(message, id)
		if found {
			c.pending = append(others, c.pending...)
			return result, failure
		}
		others = append(others, message)
	}
}

// completion reads the answer to call id, if message is it.
func (c *client) completion(message []byte, id string) (result any, failure string, found bool) {
	if c.packed {
		return packedCompletion(message, id)
	}
	var read struct {
		Type         int
		InvocationID string
		Result       any
		Error        string
	}
	c.x.must(json.Unmarshal(message, &read))
	return read.Result, read.Error, read.Type == 3 && read.InvocationID == id
}

// observer is a client that asks the hub about others. Behind a balancer each server has its own memory of them.
func (x *trial) observer(s *server) *client {
	x.Helper()
	var all []*client
	for _, one := range append(slices.Clone(s.backends), s) {
		all = append(all, x.connectBy(one, how{path: "/conformance-stateless", skip: true}))
	}
	last := all[len(all)-1]
	last.others = all[:len(all)-1]
	return last
}

// disconnected asks the hub how a connection has ended; nil if it has not.
func (c *client) disconnected(connectionID string) any {
	c.x.Helper()
	for _, one := range append(slices.Clone(c.others), c) {
		if ended := one.invoke("Disconnected", connectionID); ended != nil {
			return ended
		}
	}
	return nil
}

// expectDisconnected waits until the hub has seen the end of a connection, and fails the row unless it was that one: ""
// is a clean end, otherwise it is the text of the cause.
func (c *client) expectDisconnected(connectionID, cause string) {
	c.x.Helper()
	var ended any
	c.x.eventually("the end of the connection for the hub", func() bool {
		ended = c.disconnected(connectionID)
		return ended != nil
	})
	check(c.x, "cause of the end", ended, any(cause))
}

// expectConnected fails the row if the hub has seen the end of a connection.
func (c *client) expectConnected(connectionID string) {
	c.x.Helper()
	check(c.x, "cause of the end", c.disconnected(connectionID), nil)
}
