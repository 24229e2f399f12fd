package suite

import (
	"fmt"
	"net/url"
	"strings"
	"time"
)

// closedWithError is how the server ends a connection that it does not understand any more.
const closedWithError = `{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`

var (
	detailed = []string{"DETAILED_ERRORS=true"}
	parallel = []string{"PARALLEL_INVOCATIONS=2"}
	// quick has short intervals, for the rows that wait for them to pass.
	quick = []string{"KEEP_ALIVE_INTERVAL=1", "CLIENT_TIMEOUT_INTERVAL=3", "POLL_TIMEOUT=2"}
)

var invocationRows = []row{
	{id: "I1", name: "echo", run: answered(echo("1", "hi"), completed("1", "hi"))},
	{id: "I2", name: "name in another case", run: answered(call("1", "eCHO", `"hi"`), completed("1", "hi"))},
	{id: "I3", name: "a method without result", run: func(x *trial) {
		answered(call("1", "Void"), `{"type":3,"invocationId":"1","result":null}`)(x)
		c := x.connectBy(x.server(), how{packed: true})
		c.sendPacked(pack(1, empty, "1", "Void", []any{}, []any{}))
		c.expectPacked(pack(3, empty, "1", 3, nil))
	}},
	{id: "I4", name: "no answer wanted", run: answered(
		tell("Echo", `"a"`) + "\x1e" + tell("Throw", `"a"`) + "\x1e" + tell("ThrowHub", `"a"`) + "\x1e" + tell("Nope") + "\x1e" + tell("Echo") + "\x1e" +
			tell("AdminOnly") + "\x1e" + tell("Stream", "1", "0") + "\x1e" + `{"type":1,"invocationId":"","target":"Echo","arguments":["a"]}`)},
	{id: "I5", name: "an error", run: func(x *trial) {
		answered(call("1", "Throw", `"secret"`), failed("1", "An unexpected error occurred invoking 'Throw' on the server."))(x)
		answered(call("1", "tHROW", `"secret"`), failed("1", "An unexpected error occurred invoking 'Throw' on the server."))(x)
	}},
	{id: "I6", name: "an error in detail", run: func(x *trial) {
		check(x, "error", x.connect(x.server(detailed...)).fail("Throw", "secret"),
			"An unexpected error occurred invoking 'Throw' on the server. InvalidOperationException: secret")
	}},
	{id: "I7", name: "an error for the client", run: answered(call("1", "ThrowHub", `"public"`),
		failed("1", "An unexpected error occurred invoking 'ThrowHub' on the server. HubException: public"))},
	{id: "I8", name: "unknown method", run: answered(call("1", "Nope"),
		failed("1", "Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist."))},
	{id: "I9", name: "too few arguments", run: func(x *trial) {
		answered(call("1", "eCHO"), failed("1", "Failed to invoke 'Echo' due to an error on the server."))(x)
		answered(call("1", "Echo"), failed("1", "Failed to invoke 'Echo' due to an error on the server."))(x)
		check(x, "error in detail", x.connect(x.server(detailed...)).fail("Echo"), "Failed to invoke 'Echo' due to an error on the server. "+
			"InvalidDataException: Invocation provides 0 argument(s) but target expects 1.")
	}},
	{id: "I10", name: "too many arguments", run: func(x *trial) {
		answered(call("1", "Echo", `"a"`, `"b"`), failed("1", "Failed to invoke 'Echo' due to an error on the server."))(x)
		check(x, "error in detail", x.connect(x.server(detailed...)).fail("Echo", "a", "b"), "Failed to invoke 'Echo' due to an error on the server. "+
			"InvalidDataException: Invocation provides 2 argument(s) but target expects 1.")
	}},
	{id: "I11", name: "argument of a wrong type", run: func(x *trial) {
		answered(call("1", "EchoInt", `{"a":1}`), failed("1", "Failed to invoke 'EchoInt' due to an error on the server."))(x)
		answered(call("1", "EchoInt", `"1"`), failed("1", "Failed to invoke 'EchoInt' due to an error on the server."))(x)
		check(x, "error in detail", x.connect(x.server(detailed...)).fail("EchoInt", "1"), "Failed to invoke 'EchoInt' due to an error on the server. "+
			"InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.")
	}},
	{id: "I12", name: "properties in another order", run: func(x *trial) {
		answered(`{"arguments":["hi"],"target":"Echo","invocationId":"1","type":1}`, completed("1", "hi"))(x)
		answered(`{"arguments":[1],"unknown":{"a":[]},"target":"EchoInt","invocationId":"1","type":1}`, `{"type":3,"invocationId":"1","result":1}`)(x)
	}},
	{id: "I13", name: "headers", run: answered(
		`{"type":1,"headers":{"traceparent":"00-1","x":"y"},"invocationId":"1","target":"Echo","arguments":["hi"]}`, completed("1", "hi"))},
	{id: "I14", name: "header that is no text", run: ended(`{"type":1,"headers":{"x":1},"invocationId":"1","target":"Echo","arguments":["hi"]}`)},
	{id: "I15", name: "no arguments property", run: ended(`{"type":1,"invocationId":"1","target":"Echo"}`)},
	{id: "I16", name: "no type", run: ended(`{}`)},
	{id: "I17", name: "too large", run: func(x *trial) {
		ended(echo("1", repeated(32768)))(x)
		c := x.connect(x.server())
		c.send(echo("1", "before"), echo("2", repeated(32768)))
		c.expect(completed("1", "before"), closedWithError)
		c.expectEnd(1000)
	}},
	{id: "I18", name: "as large as may be", run: func(x *trial) {
		const limit = 32768
		overhead := len(echo("1", "")) + 1
		answered(echo("1", repeated(limit-overhead)), completed("1", repeated(limit-overhead)))(x)
		ended(echo("1", repeated(limit-overhead+1)))(x)
	}},
	{id: "I19", name: "one at a time", run: func(x *trial) {
		c := x.connect(x.server())
		c.send(call("1", "Delay", "300", `"slow"`), echo("2", "fast"))
		c.expect(completed("1", "slow"), completed("2", "fast"))
	}},
	{id: "I20", name: "two at a time", run: func(x *trial) {
		c := x.connect(x.server(parallel...))
		c.send(call("1", "Delay", "5000", `"slow"`), echo("2", "fast"))
		c.expect(completed("2", "fast"), completed("1", "slow"))
	}},
	{id: "I21", name: "stream of a method without one", run: answered(`{"type":4,"invocationId":"1","target":"Echo","arguments":["a"]}`,
		failed("1", "The client attempted to invoke the non-streaming 'Echo' method with a streaming invocation."))},
	{id: "I22", name: "result of a stream", run: answered(call("1", "sTREAM", "1", "0"),
		failed("1", "The client attempted to invoke the streaming 'Stream' method with a non-streaming invocation."))},
	{id: "I23", name: "method that is not allowed", run: func(x *trial) {
		answered(call("1", "aDMINoNLY"), failed("1", "Failed to invoke 'AdminOnly' because user is unauthorized"))(x)
		c := x.connectBy(x.server(), how{path: "/protected", bearer: x.token(x.server(), "ann")})
		check(x, "error of a user", c.fail("AdminOnly"), "Failed to invoke 'AdminOnly' because user is unauthorized")
		check(x, "user id", c.invoke("UserId"), any("ann"))
		admin := x.connectBy(x.server(), how{path: "/protected", bearer: x.token(x.server(), "eve", "admin=true")})
		check(x, "result of an admin", admin.invoke("AdminOnly"), any("welcome"))
	}},
	{id: "I24", name: "the client closes", run: func(x *trial) {
		watch := x.observer(x.server())
		c := x.connect(x.server())
		c.send(`{"type":7}`)
		c.expect(`{"type":7}`)
		c.expectEnd(1000)
		watch.expectDisconnected(c.id, "")
	}},
	{id: "I25", name: "the client closes with an error", run: func(x *trial) {
		watch := x.observer(x.server())
		c := x.connect(x.server())
		c.send(`{"type":7,"error":"gone"}`)
		c.expect(`{"type":7}`)
		c.expectEnd(1000)
		watch.expectDisconnected(c.id, "gone")
	}},
	{id: "I26", name: "the hub aborts", run: func(x *trial) {
		watch := x.observer(x.server())
		c := x.connect(x.server())
		c.send(tell("Abort"))
		c.expect(`{"type":7}`)
		c.expectEnd(1000)
		watch.expectDisconnected(c.id, "")
	}},
	{id: "I27", name: "OnConnected fails", run: func(x *trial) {
		c := x.connectBy(x.server(), how{query: "throwOnConnect=1"})
		c.expect(`{"type":7,"error":"Connection closed with an error."}`)
		c.expectEnd(1000)
	}},
	{id: "I28", name: "MessagePack without stream ids", run: func(x *trial) {
		c := x.connectBy(x.server(), how{packed: true})
		c.sendPacked(pack(1, empty, "1", "Echo", []any{"a"}), pack(4, empty, "2", "Stream", []any{1, 0}))
		c.expectPacked(pack(3, empty, "1", 3, "a"), pack(2, empty, "2", 0), pack(3, empty, "2", 2))
	}},
	{id: "I29", name: "all of Unicode", run: func(x *trial) {
		const text = "é 😀 <b> & ' + 中 \" \\ \n \u2028 \x00"
		for _, h := range []how{{}, {packed: true}} {
			check(x, "echo", x.connectBy(x.server(), h).invoke("Echo", text), any(text))
		}
		answered(echo("1", `\u00e9<b>&'+\u4e2d\/`), completed("1", "é<b>&'+中/"))(x)
	}},
	{id: "I30", name: "null where a number or a bool belongs", run: func(x *trial) {
		const text = "Failed to invoke 'EchoComplex' due to an error on the server."
		for _, value := range []string{`{"number":null}`, `{"fraction":null}`, `{"flag":null}`, `{"list":[1,null]}`} {
			answered(call("1", "EchoComplex", value), failed("1", text))(x)
		}
		answered(call("1", "EchoInt", "null"), failed("1", "Failed to invoke 'EchoInt' due to an error on the server."))(x)
		check(x, "error in detail", x.connect(x.server(detailed...)).fail("EchoComplex", map[string]any{"number": nil}), text+
			" InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked.")
	}},
	{id: "I31", name: "null where a list, a map or a text belongs", run: answered(
		call("1", "EchoComplex", `{"text":"t","number":1,"fraction":1.5,"flag":true,"list":null,"map":null,"missing":null}`),
		`{"type":3,"invocationId":"1","result":{"text":"t","number":1,"fraction":1.5,"flag":true,"list":null,"map":null,"missing":null}}`)},
}

// answered is a row in which a call is answered with these messages, and the connection goes on.
func answered(sent string, answers ...string) func(*trial) {
	return func(x *trial) {
		x.Helper()
		c := x.connect(x.server())
		c.send(sent)
		c.expect(answers...)
		c.send(echo("after", "still here"))
		c.expect(completed("after", "still here"))
	}
}

// ended is a row in which a message ends the connection because it cannot be understood.
func ended(sent string) func(*trial) {
	return func(x *trial) {
		x.Helper()
		c := x.connect(x.server())
		c.send(sent)
		c.expect(closedWithError)
		c.expectEnd(1000)
	}
}

// token asks the server for a token. More is in the query of /token.
func (x *trial) token(s *server, user string, more ...string) string {
	x.Helper()
	a := x.get(s.url + "/token?user=" + url.QueryEscape(user) + "&" + strings.Join(more, "&"))
	check(x, "status of the token", a.status, 200)
	return a.body
}

// streamItem is an item of a stream, of either direction.
func streamItem(id string, item any) string {
	if text, isText := item.(string); isText {
		item = `"` + text + `"`
	}
	return fmt.Sprintf(`{"type":2,"invocationId":"%s","item":%v}`, id, item)
}

// streamEnd is the end of a stream without an error, of either direction.
func streamEnd(id string) string { return fmt.Sprintf(`{"type":3,"invocationId":"%s"}`, id) }

// aWhile is how long a call lasts that other messages are to overtake.
const aWhile = 1500 * time.Millisecond
