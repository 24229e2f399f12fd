package host

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/host/config"
)

// limited is a limit with a clock of its own.
type limited struct {
	*negotiationLimit
	clock time.Time
}

func newLimited(perMinute int) *limited {
	l := &limited{negotiationLimit: newNegotiationLimit(perMinute), clock: time.Unix(1_000_000, 0)}
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

func TestLimitForgetsAddresses(t *testing.T) {
	l := newLimited(1)
	for at := range mostAddresses + 10 {
		l.allow(fmt.Sprintf("10.%d.%d.%d:1", at>>16, at>>8&255, at&255))
	}
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
}
