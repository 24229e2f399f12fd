package suite

import (
	"encoding/json"
	"fmt"
)

var resultRows = []row{
	{id: "R1", name: "an answer", run: func(x *trial) {
		c := x.connect(x.server())
		c.send(call("1", "Ask", `"`+c.id+`"`, `"why"`), echo("2", "behind"))
		id := c.asked("why")
		c.send(completed(id, "because"))
		// The call behind runs while the client is asked, so it may be answered before.
		first, second := c.receive(), c.receive()
		answers := map[string]bool{first: true, second: true}
		if !answers[completed("1", "because")] || !answers[completed("2", "behind")] {
			x.Fatalf("received %s and %s", first, second)
		}
	}},
	{id: "R2", name: "an error", run: func(x *trial) {
		c := x.connect(x.server())
		c.send(call("1", "Ask", `"`+c.id+`"`, `"why"`))
		c.send(failed(c.asked("why"), "no idea"))
		c.expect(failed("1", "An unexpected error occurred invoking 'Ask' on the server. HubException: no idea"))
	}},
	{id: "R3", name: "unknown connection", run: func(x *trial) {
		check(x, "error", x.connect(x.server()).fail("Ask", "none", "why"), "An unexpected error occurred invoking 'Ask' on the server.")
		check(x, "error in detail", x.connect(x.server(detailed...)).fail("Ask", "none", "why"),
			"An unexpected error occurred invoking 'Ask' on the server. IOException: Connection 'none' does not exist.")
	}},
	{id: "R4", name: "the client goes", single: true, run: func(x *trial) {
		asking, asked := x.connect(x.server(detailed...)), x.connect(x.server(detailed...))
		call := asking.start("Ask", asked.id, "why")
		asked.asked("why")
		asked.wire.cut()
		_, failure := asking.finish(call)
		check(x, "error", failure, "An unexpected error occurred invoking 'Ask' on the server. IOException: Connection '"+asked.id+"' disconnected.")
	}},
	{id: "R5", name: "another client answers", single: true, run: func(x *trial) {
		watch := x.observer(x.server())
		asking, asked, other := x.connect(x.server()), x.connect(x.server()), x.connect(x.server())
		call := asking.start("Ask", asked.id, "why")
		id := asked.asked("why")
		other.send(completed(id, "forged"))
		other.expect(closedWithError)
		other.expectEnd(1000)
		watch.expectEndOf(other.id)
		asked.send(completed(id, "because"))
		result, _ := asking.finish(call)
		check(x, "answer", result, any("because"))
	}},
	{id: "R6", name: "too late", run: func(x *trial) {
		asking, asked := x.connect(x.server()), x.connect(x.server())
		check(x, "result", asking.invoke("AskWithin", asked.id, "why", 50), any("timed out"))
		asked.send(completed(asked.asked("why"), "late"))
		check(x, "echo", asked.invoke("Echo", "here"), any("here"))
	}},
}

// completionType is the type of a Completion.
const completionType = 3

// asked fails the row unless the server asks the client now. It returns the id to answer to.
func (c *client) asked(question string) string {
	c.x.Helper()
	var others [][]byte
	var message string
	var invocation struct {
		Type         int
		InvocationID string
	}
	for message = c.receive(); ; message = c.receive() { // answers to other calls may come before
		c.x.must(json.Unmarshal([]byte(message), &invocation))
		if invocation.Type != completionType {
			break
		}
		others = append(others, []byte(message))
	}
	c.pending = append(others, c.pending...)
	if invocation.InvocationID == "" {
		c.x.Fatalf("received %s, want a call that wants an answer", message)
	}
	check(c.x, "call", message, fmt.Sprintf(`{"type":1,"invocationId":"%s","target":"Ask","arguments":["%s"]}`, invocation.InvocationID, question))
	return invocation.InvocationID
}
