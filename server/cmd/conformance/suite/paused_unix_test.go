//go:build unix

package suite

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
)

// TestAPausedServerActsForNobodyThatIsLost stops one of two servers for longer than it counts as alive. The other one tells a client
// that its connection is lost. What that client had sent has no effect when the server runs again; another client, which nobody
// told anything, goes on.
func TestAPausedServerActsForNobodyThatIsLost(t *testing.T) {
	t.Parallel()
	x, paused, other := startPair(t, "paused")
	lost := x.connectBy(paused, how{transport: longPolling})
	kept := x.connectBy(paused, how{stateful: true})
	witness := x.connectBy(other, how{})
	atPaused := lost.address("")
	posted := make(chan error, 1)
	x.must(paused.command.Process.Signal(syscall.SIGSTOP))
	wake := func() { _ = paused.command.Process.Signal(syscall.SIGCONT) }
	t.Cleanup(wake)
	var status syscall.WaitStatus // the signal is sent before the process stands still
	_, err := syscall.Wait4(paused.command.Process.Pid, &status, syscall.WUNTRACED, nil)
	x.must(err)
	check(x, "stopped", status.Stopped(), true)
	go func() {
		call := fmt.Sprintf(`{"type":1,"target":"SendClient","arguments":[%q,%q]}`, witness.id, x.tag("stale"))
		_, err := ask(x.Context(), http.MethodPost, atPaused, []byte(call+"\x1e"), nil)
		posted <- err
	}()
	call := kept.start("Echo", "kept")
	x.eventually("the server does not count as alive", func() bool {
		alive, err := x.implementation.redis.client.Keys(x.Context(), "*chatcluster:srv:*").Result()
		return err == nil && len(alive) == 1
	})
	lost.server = other
	x.expect(x.post(lost.address(""), "x"), http.StatusNotFound, unknownID)

	wake()
	x.must(<-posted)
	result, failure := kept.finish(call)
	check(x, "the answer to the client that is kept", fmt.Sprint(result, failure), "kept")
	kept.invoke("SendClient", witness.id, x.tag("after"))
	witness.expectReceive("after")
}
