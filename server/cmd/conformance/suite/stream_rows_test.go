package suite

import (
	"fmt"
	"strings"
	"time"
)

var streamRows = []row{
	{id: "T1", name: "items", run: answered(stream("1", "Stream", "4", "0"),
		streamItem("1", 0), streamItem("1", 1), streamItem("1", 2), streamItem("1", 3), streamEnd("1"))},
	{id: "T2", name: "cancel", run: func(x *trial) {
		c := x.connect(x.server())
		c.send(stream("1", "StreamForever"))
		c.expect(streamItem("1", 0), streamItem("1", 1))
		c.send(`{"type":5,"invocationId":"1"}`)
		message := c.receive()
		for strings.HasPrefix(message, `{"type":2,`) {
			message = c.receive()
		}
		check(x, "message of the hub, whose context has ended", message, `{"type":1,"target":"StreamCanceled","arguments":[]}`)
		c.expect(streamEnd("1"))
		c.send(echo("2", "a"))
		c.expect(completed("2", "a"))
	}},
	{id: "T3", name: "cancel what is not there", run: answered(`{"type":5,"invocationId":"nope"}`)},
	{id: "T4", name: "error after items", run: answered(stream("1", "StreamThenThrow", "2", `"secret"`),
		streamItem("1", 0), streamItem("1", 1), failed("1", "An error occurred on the server while streaming results."))},
	{id: "T5", name: "the same id twice", run: func(x *trial) {
		c := x.connect(x.server())
		c.send(stream("1", "StreamForever"))
		c.expect(streamItem("1", 0))
		c.send(stream("1", "StreamForever"))
		message := c.receive()
		for strings.HasPrefix(message, `{"type":2,`) {
			message = c.receive()
		}
		check(x, "answer", message, failed("1", "Invocation ID '1' is already in use."))
	}},
	{id: "T6", name: "a stream blocks nobody", run: func(x *trial) {
		c := x.connect(x.server())
		c.send(stream("1", "StreamForever"))
		c.expect(streamItem("1", 0))
		check(x, "echo", c.invoke("Echo", "here"), any("here"))
	}},
	{id: "T7", name: "upload", run: func(x *trial) {
		answered(upload("1", "UploadConcat", "s")+"\x1e"+streamItem("s", "a")+"\x1e"+streamItem("s", "b")+"\x1e"+streamEnd("s"),
			completed("1", "ab"))(x)
		answered(upload("1", "UploadSum", "l", "r")+"\x1e"+streamItem("l", 44)+"\x1e"+streamItem("r", 2)+"\x1e"+streamEnd("r")+"\x1e"+streamEnd("l"),
			`{"type":3,"invocationId":"1","result":42}`)(x)
		answered(`{"type":4,"invocationId":"1","target":"EchoStream","arguments":[],"streamIds":["s"]}`+"\x1e"+
			streamItem("s", "a")+"\x1e"+streamEnd("s"), streamItem("1", "a"), streamEnd("1"))(x)
	}},
	{id: "T8", name: "upload that ends with an error", run: answered(
		upload("1", "UploadError", "s")+"\x1e"+streamItem("s", 1)+"\x1e"+failed("s", "broken"), completed("1", "broken"))},
	{id: "T9", name: "wrong number of uploads", run: func(x *trial) {
		const text = "An unexpected error occurred invoking 'UploadConcat' on the server. HubException: Client sent %d stream(s), Hub method expects 1."
		answered(call("1", "UploadConcat"), failed("1", fmt.Sprintf(text, 0)))(x)
		answered(upload("1", "uPLOADcONCAT", "a", "b"), failed("1", fmt.Sprintf(text, 2)))(x)
	}},
	{id: "T10", name: "item of a wrong type", run: func(x *trial) {
		answered(upload("1", "UploadError", "s")+"\x1e"+streamItem("s", 1)+"\x1e"+streamItem("s", "x"), completed("1", "Failed to bind Stream message."))(x)
		answered(upload("1", "UploadConcat", "s")+"\x1e"+streamItem("s", 1),
			failed("1", "An unexpected error occurred invoking 'UploadConcat' on the server. HubException: Failed to bind Stream message."))(x)
	}},
	{id: "T11", name: "item after the end of the method", run: func(x *trial) {
		c := x.connect(x.server())
		c.send(upload("1", "UploadFirst", "s"), streamItem("s", 7))
		c.expect(`{"type":3,"invocationId":"1","result":7}`)
		for i := range 30 {
			c.send(streamItem("s", i))
		}
		c.send(streamEnd("s"), echo("2", "a"))
		c.expect(completed("2", "a"))
	}},
	{id: "T12", name: "unknown stream", run: answered(streamItem("nope", 1) + "\x1e" + streamEnd("nope") + "\x1e" + failed("nope", "x"))},
	{id: "T13", name: "back-pressure", run: func(x *trial) {
		c := x.connect(x.server())
		messages := []string{fmt.Sprintf(`{"type":1,"invocationId":"1","target":"UploadSlow","arguments":[%d],"streamIds":["s"]}`, aWhile.Milliseconds())}
		for i := range 30 {
			messages = append(messages, streamItem("s", i))
		}
		started := time.Now()
		c.send(append(messages, echo("2", "behind"), streamEnd("s"))...)
		c.expect(completed("2", "behind"))
		x.within("what stands behind the items", time.Since(started), aWhile*8/10, patience)
		c.expect(`{"type":3,"invocationId":"1","result":30}`)
	}},
	{id: "T14", name: "the client goes during an upload", run: func(x *trial) {
		// What the method returns nobody hears. But a server ends in time only if no method hangs.
		s := x.ownServer(0)
		watch := x.observer(s)
		c := x.connect(s)
		c.send(upload("1", "UploadError", "s"), streamItem("s", 1), echo("2", "a"))
		c.expect(completed("2", "a"))
		c.wire.cut()
		watch.expectEndOf(c.id)
		watch.wire.cut() // else the server waits for its close frame
		started := time.Now()
		s.stop()
		x.within("the end of the server", time.Since(started), 0, 20*time.Second)
	}},
}

// stream calls a method that streams.
func stream(id, target string, arguments ...string) string {
	return fmt.Sprintf(`{"type":4,"invocationId":"%s","target":"%s","arguments":[%s]}`, id, target, strings.Join(arguments, ","))
}

// upload calls a method without arguments that reads streams.
func upload(id, target string, streams ...string) string {
	return fmt.Sprintf(`{"type":1,"invocationId":"%s","target":"%s","arguments":[],"streamIds":["%s"]}`, id, target, strings.Join(streams, `","`))
}
