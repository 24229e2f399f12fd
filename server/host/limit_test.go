package host

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/host/metrics"
)

// limited is a limit with a clock of its own.
type limited struct {
	*negotiationLimit
	clock time.Time
}

func newLimited(perMinute int) *limited {
	l := &limited{negotiationLimit: newNegotiationLimit(perMinute, metrics.New()), clock: time.Unix(1_000_000, 0)}
	l.now = func() time.Time { return l.clock }
	return l
}

// count returns how many of so many connections may begin at once.
func (l *limited) count(remote string, attempts int) (allowed int) {
	for range attempts {
		if l.allow(remote) {
			allowed++
		}
	}
	return allowed
}

func TestNewConnectionsAreLimitedPerAddress(t *testing.T) {
	l := newLimited(6)
	if got := l.count("192.0.2.1:1", 10); got != 6 {
		t.Errorf("at once: %d", got)
	}
	if got := l.count("192.0.2.2:1", 10); got != 6 {
		t.Errorf("another address: %d", got)
	}
	l.clock = l.clock.Add(10 * time.Second)
	if got := l.count("192.0.2.1:2", 10); got != 1 {
		t.Errorf("a sixth of a minute later: %d", got)
	}
	l.clock = l.clock.Add(time.Hour)
	if got := l.count("192.0.2.1:3", 10); got != 6 {
		t.Errorf("much later: %d", got)
	}
	if got := l.count("[2001:db8::1]:1", 4) + l.count("[2001:db8::2]:1", 4); got != 6 {
		t.Errorf("one network of IPv6: %d", got)
	}
	if got := l.count("[::ffff:192.0.2.9]:1", 4) + l.count("192.0.2.9:1", 4); got != 6 {
		t.Errorf("one address on two kinds of sockets: %d", got)
	}
}

// fill lets so many addresses begin a connection each.
func (l *limited) fill(addresses int) {
	for at := range addresses {
		l.allow(fmt.Sprintf("10.%d.%d.%d:1", at>>16, at>>8&255, at&255))
	}
}

// Everybody waits for a sweep of the whole table: while it stays about full there must not be one for each request.
func TestAFullTableIsSweptOnceASecond(t *testing.T) {
	l := newLimited(1)
	l.fill(mostAddresses)
	swept := l.swept
	for at := range 10 {
		l.clock = l.clock.Add(100 * time.Millisecond)
		l.allow(fmt.Sprintf("192.0.2.%d:1", at))
		if l.swept != swept {
			t.Fatalf("swept again after %v", l.clock.Sub(swept))
		}
		if got := len(l.addresses); got != mostAddresses {
			t.Fatalf("%d addresses are remembered", got)
		}
	}
	l.clock = l.clock.Add(time.Millisecond)
	l.allow("192.0.2.99:1")
	if l.swept != l.clock {
		t.Error("not swept after more than a second")
	}
}

func TestLimitForgetsAddresses(t *testing.T) {
	l := newLimited(1)
	l.fill(mostAddresses + 10)
	if got := len(l.addresses); got > mostAddresses {
		t.Errorf("%d addresses are remembered", got)
	}
	l.clock = l.clock.Add(2 * time.Minute)
	l.allow("192.0.2.1:1")
	if got := len(l.addresses); got != 1 {
		t.Errorf("%d addresses are remembered for no reason", got)
	}
}

func TestWhatBeginsAConnection(t *testing.T) {
	for request, want := range map[string]bool{
		"POST /chatHub/negotiate?negotiateVersion=1": true,
		"POST /chatHub/Negotiate/":                   true,
		"POST /chatHub?id=x":                         false,
		"GET /chatHub?id=x":                          false,
		"GET /chatHub?ID=x":                          false,
		"GET /chatHub":                               true,
		"GET /chatHub?id=":                           true,
		"DELETE /chatHub?id=x":                       false,
		"OPTIONS /chatHub/negotiate":                 false,
	} {
		method, target, _ := strings.Cut(request, " ")
		if got := beginsConnection(httptest.NewRequest(method, target, nil)); got != want {
			t.Errorf("%s: %v", request, got)
		}
	}
}

func TestTooManyNewConnectionsAreRefused(t *testing.T) {
	r := start(t, func(c *config.Config) { c.MaximumNegotiationsPerMinute = 2 })
	c := connect(t, r.address()+"/chatHub", r.address()+"/chatHub")
	negotiate(t, r.address()+"/chatHub")
	status, body := r.do(http.MethodPost, "/chatHub/negotiate?negotiateVersion=1", http.Header{"Origin": {"http://localhost:4200"}})
	if status != http.StatusTooManyRequests || !strings.Contains(body, "Try again in 31 s") {
		t.Errorf("%d %s", status, body)
	}
	c.send(`{"type":1,"invocationId":"1","target":"Echo","arguments":["hi"]}`)
	c.expect(`{"type":3,"invocationId":"1","result":"hi"}`)
	if status, _ := r.do(http.MethodGet, "/healthz", nil); status != http.StatusOK {
		t.Error("health is limited too")
	}
	r.expectRefusals("negotiations", 1)
}

// metrics is what Prometheus would get.
func (r *running) metrics() string {
	recorder := httptest.NewRecorder()
	r.host.metrics.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return recorder.Body.String()
}

// expectRefusals looks at what the metrics say of a limit.
func (r *running) expectRefusals(limit string, want int) {
	r.t.Helper()
	line := fmt.Sprintf("chatcluster_refused_total{limit=%q} ", limit)
	_, after, _ := strings.Cut(r.metrics(), line)
	if got, _, _ := strings.Cut(after, "\n"); got != strconv.Itoa(want) {
		r.t.Errorf("%s%s, want %d", line, got, want)
	}
}

func TestTooManyConnectionsAreRefused(t *testing.T) {
	r := start(t, func(c *config.Config) { c.MaximumConnections = 2 })
	address := r.address() + "/chatHub"
	stateful := negotiateWith(t, address, "&useStatefulReconnect=true")
	second := negotiate(t, address)
	late := negotiate(t, address)
	c := open(t, address, stateful)
	open(t, address, second)
	// Now it is full.
	for _, refused := range []struct{ method, path, accept string }{
		{http.MethodPost, "/chatHub/negotiate?negotiateVersion=1", ""},
		{http.MethodGet, "/chatHub?id=" + late, ""},
		{http.MethodGet, "/chatHub?id=" + late, "text/event-stream"},
	} {
		header := http.Header{}
		header.Set("Accept", refused.accept)
		status, body := r.do(refused.method, refused.path, header)
		if status != http.StatusServiceUnavailable || body != "The server has as many connections as it may have. Try again later." {
			t.Errorf("%s %s: %d %s", refused.method, refused.path, status, body)
		}
	}
	for _, query := range []string{"?id=" + late, ""} {
		if _, err := dial(t, address+query, nil); err == nil || !strings.Contains(err.Error(), "503") {
			t.Errorf("a WebSocket with %q: %v", query, err)
		}
	}
	r.expectRefusals("connections", 5)
	// Who is connected may come back with another socket.
	_ = c.socket.CloseNow()
	if _, err := dial(t, address+"?id="+stateful, nil); err != nil {
		t.Errorf("a client that comes back: %v", err)
	}
	if status, body := r.do(http.MethodGet, "/readyz", nil); status != http.StatusOK {
		t.Errorf("a full server serves its clients still, but says %d %s", status, body)
	}
}

func TestAWebSocketThatDoesNotComeAboutTakesNoPlace(t *testing.T) {
	r := start(t, func(c *config.Config) { c.MaximumConnections = 1 })
	header := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
	if status, body := r.do(http.MethodGet, "/chatHub", header); status < 400 || status >= 500 {
		t.Fatalf("a WebSocket without a key: %d %s", status, body)
	}
	connect(t, r.address()+"/chatHub", r.address()+"/chatHub")
}

func TestAPlaceThatGetsFreeIsGivenAway(t *testing.T) {
	r := start(t, func(c *config.Config) { c.MaximumConnections = 1 })
	address := r.address() + "/chatHub"
	c := connect(t, address, address)
	if _, err := dial(t, address, nil); err == nil {
		t.Fatal("there are two connections")
	}
	_ = c.socket.CloseNow()
	eventually(t, "another connection", func() bool {
		_, err := dial(t, address, nil)
		return err == nil
	})
}

func TestAClientThatSendsTooMuchLosesItsConnection(t *testing.T) {
	r := start(t, func(c *config.Config) { c.MaximumMessagesPerSecond, c.MessageBurst = 1, 3 })
	c := connect(t, r.address()+"/chatHub", r.address()+"/chatHub")
	bystander := connect(t, r.address()+"/chatHub", r.address()+"/chatHub")
	for range 100 {
		c.send(`{"type":6}`)
	}
	c.expect(`{"type":7,"error":"Connection closed because it sent more than 1 messages per second.","allowReconnect":true}`)
	bystander.send(`{"type":1,"invocationId":"1","target":"Echo","arguments":["hi"]}`)
	bystander.expect(`{"type":3,"invocationId":"1","result":"hi"}`)
	r.expectRefusals("message_rate", 1)
}

func TestStreamsOfAClientAreLimited(t *testing.T) {
	r := start(t, func(c *config.Config) { c.MaximumStreamsPerClient = 2 })
	c := connect(t, r.address()+"/chatHub", r.address()+"/chatHub")
	c.send(`{"type":4,"invocationId":"1","target":"Forever","arguments":[]}`)
	c.expect(`{"type":2,"invocationId":"1","item":0}`)
	c.send(`{"type":4,"invocationId":"2","target":"Forever","arguments":[]}`)
	c.expect(`{"type":2,"invocationId":"2","item":0}`)
	c.send(`{"type":4,"invocationId":"3","target":"Forever","arguments":[]}`)
	c.expect(`{"type":3,"invocationId":"3","error":"Too many streams: one connection may have 2 open."}`)
	c.send(`{"type":5,"invocationId":"1"}`)
	c.expect(`{"type":3,"invocationId":"1"}`)
	c.send(`{"type":4,"invocationId":"4","target":"Forever","arguments":[]}`)
	c.expect(`{"type":2,"invocationId":"4","item":0}`)
	r.expectRefusals("streams", 1)
}
