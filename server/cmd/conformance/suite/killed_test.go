package suite

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestClientsOfAKilledServerBeginAnew kills one of two servers and looks at what its clients are told by the other one,
// how soon, and at what is left of them in Redis.
func TestClientsOfAKilledServerBeginAnew(t *testing.T) {
	t.Parallel()
	x, victim, other := startPair(t, "killed")
	resuming := x.connectBy(victim, how{stateful: true})
	polling := x.connectBy(victim, how{transport: longPolling})
	streaming := x.connectBy(victim, how{transport: events})
	bystander := x.connectBy(other, how{stateful: true})
	resuming.server, polling.server, streaming.server = other, other, other

	// A poll that waits when its owner dies is cut; one that comes a moment later is refused.
	poll := newPollWire(polling.address(""), nil)
	waiting := make(chan error, 1)
	go func() {
		a, err := poll.poll()
		if err == nil && a.status != http.StatusNotFound {
			err = fmt.Errorf("it was answered with %d %q", a.status, a.body)
		} else {
			err = nil
		}
		waiting <- err
	}()
	x.must(victim.command.Process.Kill())
	<-victim.ended
	killed := time.Now()
	if err := <-waiting; err != nil {
		t.Errorf("the poll that waited: %v", err)
	}
	x.expect(x.get(polling.address("")), http.StatusNotFound, unknownID)
	x.expect(x.post(streaming.address(""), "x"), http.StatusNotFound, unknownID)
	socket := x.socket(resuming.address(""), nil)
	x.must(socket.write(opText, []byte(sequence(1)+"\x1e")))
	var closed *closeError
	if _, _, err := socket.read(); !errors.As(err, &closed) || closed.code != 1011 {
		t.Errorf("the client that resumes is told: %v, want close code 1011", err)
	}
	socket.cut()
	x.expect(x.refusedSocket(resuming.address("")), http.StatusNotFound, unknownID)
	again := x.connectBy(other, how{stateful: true})
	check(x, "echo", again.invoke("Echo", "back"), any("back"))
	t.Logf("all of them knew %v after the death of their server", time.Since(killed).Round(time.Millisecond))
	check(x, "echo of a client of the other server", bystander.invoke("Echo", "here"), any("here"))

	x.expectNothingForLong(bystander.id, again.id)
}

// expectNothingForLong waits until the dead server is out of Redis, and looks how long what is left may stay. Living
// connections have the ids.
func (x *trial) expectNothingForLong(living ...string) {
	x.Helper()
	client := x.implementation.redis.client
	keys := func(pattern string) []string {
		found, err := client.Keys(x.Context(), "*"+pattern).Result()
		x.must(err)
		return found
	}
	x.eventually("the dead server is forgotten", func() bool { return len(keys("chatcluster:srv:*")) == 1 })
	for _, key := range keys("chatcluster:connection:*") {
		text, err := client.Get(x.Context(), key).Result()
		x.must(err)
		life, err := client.TTL(x.Context(), key).Result()
		x.must(err)
		lives := false
		for _, id := range living {
			lives = lives || strings.HasSuffix(key, id)
		}
		if !lives && text != "ended" || life <= 0 || life > 5*time.Minute {
			x.Errorf("%s is %q for another %v", key, text, life)
		}
	}
}

// startPair starts two of our servers on one Redis, for a test that does something to the first.
func startPair(t *testing.T, row string) (x *trial, first, other *server) {
	t.Helper()
	if reason := redisAbsent(); reason != "" {
		t.Skip(reason)
	}
	program, err := build(t)
	if err != nil {
		t.Fatal(err)
	}
	x = &trial{T: t, implementation: &implementation{name: "ChatCluster", pair: true, command: startOurs(program)}, row: row}
	t.Cleanup(x.implementation.stop)
	pair := x.ownServer(0)
	return x, pair.backends[0], pair.backends[1]
}
