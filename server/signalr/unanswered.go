package signalr

import (
	"slices"
	"sync"

	"github.com/chatcluster/chatcluster/server/signalr/protocol"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// unanswered are the calls that the client of a connection waits for, those that have not begun included.
type unanswered struct {
	// mu guards everything.
	mu    sync.Mutex
	calls []*invocation
	// over is set when no call is answered any more.
	over bool
}

// add enters a call, if its client wants an answer.
func (u *unanswered) add(call *invocation) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if call.id != "" && !u.over {
		u.calls = append(u.calls, call)
	}
}

// take removes a call. It reports false if it needs no answer, or has got one.
func (u *unanswered) take(call *invocation) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	at := slices.Index(u.calls, call)
	if at < 0 {
		return false
	}
	u.calls = slices.Delete(u.calls, at, at+1)
	return true
}

// end removes all calls: they get no answer but from the caller.
func (u *unanswered) end() []*invocation {
	u.mu.Lock()
	defer u.mu.Unlock()
	calls := u.calls
	u.calls, u.over = nil, true
	return calls
}

// ending is how a server ends a connection.
type ending struct {
	// close is the last message that the client gets.
	close protocol.Close
	// failCalls answers calls that still run with an error first. Else the client makes one itself.
	failCalls bool
	// cause is the fault that led to the end, nil for none.
	cause error
}

// lastWords are what the client gets at the end: one payload, so that nothing comes between an answer and the close.
func (c *connection) lastWords(e ending) *transport.Payload {
	var frames []byte
	say := func(message protocol.Message) {
		more, err := c.codec().Append(frames, message)
		if err != nil {
			c.hub.log.Error("the end of a connection cannot be encoded", "connection", c.id(), "error", err)
			return
		}
		frames = more
	}
	calls := c.unanswered.end()
	if e.failCalls {
		for _, call := range calls {
			say(&protocol.Completion{ID: call.id, Error: textServerClosing})
		}
	}
	say(&e.close)
	return transport.NewPayload(frames, c.codec().Binary())
}
