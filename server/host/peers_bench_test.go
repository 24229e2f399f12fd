//go:build unix

package host

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// BenchmarkForwarding measures a call and its answer on each transport, with requests that reach the owner of the
// connection and with requests that all reach the other server. What the second costs more is the price of having no
// sticky sessions. The client is in the same process: cpu-us/op is of all three together.
func BenchmarkForwarding(b *testing.B) {
	for _, transport := range []struct {
		name string
		open func(*bench) func()
	}{{"WebSockets", (*bench).openSocket}, {"ServerSentEvents", (*bench).openEvents}, {"LongPolling", (*bench).openPolls}} {
		for _, direct := range []bool{true, false} {
			name := transport.name + map[bool]string{true: "/owner", false: "/forwarded"}[direct]
			b.Run(name, func(b *testing.B) { runBench(b, transport.open, direct) })
		}
	}
}

func runBench(b *testing.B, open func(*bench) func(), direct bool) {
	redis := startRedis(b)
	first, second := start(b, useRedis(redis)), start(b, useRedis(redis))
	eventually(b, "both ready", func() bool { return first.ready() && second.ready() })
	c := &bench{B: b, owner: first.address() + "/chatHub", other: second.address() + "/chatHub", web: &http.Client{Transport: &http.Transport{}}}
	if direct {
		c.other = c.owner
	}
	call := open(c)
	began := cpuTime(b)
	for b.Loop() {
		call()
	}
	b.ReportMetric(float64((cpuTime(b)-began).Microseconds())/float64(b.N), "cpu-us/op")
	c.web.CloseIdleConnections()
}

func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// bench is one client: its connection is made at owner, its calls go to other.
type bench struct {
	*testing.B
	owner, other string
	web          *http.Client
}

const (
	benchHandshake = `{"protocol":"json","version":2}` + "\x1e"
	benchCall      = `{"type":1,"invocationId":"1","target":"Echo","arguments":["a text of some length"]}` + "\x1e"
	benchAnswer    = `{"type":3,"invocationId":"1","result":"a text of some length"}`
)

func (c *bench) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *bench) post(address, body string) {
	c.Helper()
	response, err := c.web.Post(address, "text/plain", strings.NewReader(body))
	c.must(err)
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		c.Fatalf("a POST was answered with %d", response.StatusCode)
	}
}

// openSocket makes a connection at its owner and goes on with a socket at the other server.
func (c *bench) openSocket() func() {
	query := "?id=" + negotiateStateful(c, c.owner)
	ctx := context.Background()
	socket, _, err := websocket.Dial(ctx, c.owner+query, nil)
	c.must(err)
	c.must(socket.Write(ctx, websocket.MessageText, []byte(benchHandshake)))
	_, _, err = socket.Read(ctx)
	c.must(err)
	if c.other != c.owner {
		_ = socket.CloseNow()
		socket, _, err = websocket.Dial(ctx, c.other+query, nil)
		c.must(err)
		c.must(socket.Write(ctx, websocket.MessageText, []byte(`{"type":9,"sequenceId":1}`+"\x1e")))
		_, _, err = socket.Read(ctx)
		c.must(err)
	}
	c.Cleanup(func() { _ = socket.CloseNow() })
	received := 0
	return func() {
		c.must(socket.Write(ctx, websocket.MessageText, []byte(benchCall)))
		for answered := false; !answered; {
			_, message, err := socket.Read(ctx)
			c.must(err)
			answered = strings.Contains(string(message), benchAnswer)
		}
		if received++; received%100 == 0 { // else the server would wait for it
			c.must(socket.Write(ctx, websocket.MessageText, []byte(`{"type":8,"sequenceId":`+strconv.Itoa(received)+`}`+"\x1e")))
		}
	}
}

func (c *bench) openEvents() func() {
	token := negotiate(c, c.owner)
	c.post(c.owner+"?id="+token, benchHandshake) // which makes it the owner
	ctx, cancel := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.other+"?id="+token, nil)
	c.must(err)
	request.Header.Set("Accept", "text/event-stream")
	response, err := c.web.Do(request)
	c.must(err)
	c.Cleanup(func() {
		cancel()
		_ = response.Body.Close()
	})
	lines := bufio.NewScanner(response.Body)
	return func() {
		c.post(c.other+"?id="+token, benchCall)
		for lines.Scan() && !strings.Contains(lines.Text(), benchAnswer) {
		}
		c.must(lines.Err())
	}
}

func (c *bench) openPolls() func() {
	token := negotiate(c, c.owner)
	poll := func(address string) string {
		response, err := c.web.Get(address + "?id=" + token)
		c.must(err)
		body, err := io.ReadAll(response.Body)
		c.must(err)
		_ = response.Body.Close()
		return string(body)
	}
	poll(c.owner)
	c.post(c.owner+"?id="+token, benchHandshake)
	poll(c.owner)
	return func() {
		c.post(c.other+"?id="+token, benchCall)
		for !strings.Contains(poll(c.other), benchAnswer) {
		}
	}
}
