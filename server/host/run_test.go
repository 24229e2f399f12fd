package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/chatcluster/chatcluster/server/certificatetest"
	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/host/metrics"
)

// TestMain looks for leaks longer than goleak alone does: a client of a Redis that is down looks for it once a second, and
// notices only then that it was closed.
func TestMain(m *testing.M) {
	status := m.Run()
	leak := goleak.Find()
	for began := time.Now(); status == 0 && leak != nil && time.Since(began) < patience; {
		leak = goleak.Find() // it waits, too
	}
	if status == 0 && leak != nil {
		fmt.Fprintln(os.Stderr, leak)
		status = 1
	}
	os.Exit(status)
}

// patience bounds every wait of the tests: far more than anything takes.
const patience = 10 * time.Second

func TestHubIsServedWithHealthBeside(t *testing.T) {
	r := start(t, func(c *config.Config) { c.PathBase = "/base" })
	for path, want := range map[string]int{
		"/healthz": 200, "/readyz": 200, "/readyz?verbose": 200, "/base/readyz": 200, "/nothing": 404, "/": 404, "/metrics": 404,
	} {
		if status, body := r.do(http.MethodGet, path, nil); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	for _, path := range []string{"/chatHub", "/base/chathub"} {
		c := connect(t, r.address()+path, r.address()+path)
		c.send(`{"type":1,"invocationId":"1","target":"Echo","arguments":["hi"]}`)
		c.expect(`{"type":3,"invocationId":"1","result":"hi"}`)
	}
	if !strings.Contains(r.log.String(), "stands alone") {
		t.Error("nobody is told that there is no Redis")
	}
}

func TestShutdownIsInOrder(t *testing.T) {
	r := start(t, nil)
	c := connect(t, r.address()+"/chatHub", r.address()+"/chatHub")
	c.send(`{"type":1,"target":"Hold","arguments":[]}`)
	<-r.hub.entered
	r.stop()
	// First it is not ready, while it still listens and its calls still run.
	eventually(t, "not ready", func() bool {
		status, body := r.do(http.MethodGet, "/readyz", nil)
		return status == http.StatusServiceUnavailable && body == "not ready: draining\n"
	})
	if status, _ := r.do(http.MethodGet, "/healthz", nil); status != http.StatusOK {
		t.Errorf("alive: %d", status)
	}
	// Then clients are told to come back, and their calls are waited for.
	c.expect(`{"type":7,"allowReconnect":true}`)
	select {
	case err := <-r.done:
		t.Fatalf("ended while a call ran: %v", err)
	default:
	}
	close(r.hub.release)
	if message, err := c.receive(); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("after the goodbye: %s, %v", message, err)
	}
	if err := r.wait(); err != nil {
		t.Error(err)
	}
	// At last nobody listens.
	if conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.address(), "http://")); err == nil {
		_ = conn.Close()
		t.Error("somebody still listens")
	}
}

func TestShutdownIsBounded(t *testing.T) {
	r := start(t, func(c *config.Config) { c.ShutdownTimeout = 100 * time.Millisecond })
	c := connect(t, r.address()+"/chatHub", r.address()+"/chatHub")
	c.send(`{"type":1,"target":"Hold","arguments":[]}`)
	<-r.hub.entered
	err := r.end()
	if err == nil || !errors.Is(err, errShutdownTimeout) {
		t.Errorf("got %v", err)
	}
	close(r.hub.release)
}

func TestConnectionsWithoutARequestDoNotHoldUpTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startInPipes(t, func(c *config.Config) { c.MetricsAddress = "127.0.0.1:0" })
		for _, address := range []string{pipesHost + ":80", pipesHost + ":9090"} {
			conn, err := dialNetwork(t.Context(), "tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
		}
		synctest.Wait() // the servers have seen them
		started := time.Now()
		if err := r.end(); err != nil {
			t.Error(err)
		}
		if took := time.Since(started); took > 3*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestTheServerForOthersKnowsConnectionsWithoutARequest(t *testing.T) {
	r := start(t, useRedis(startRedis(t)))
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.host.peers.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	unused := &r.host.peers.server.unused
	eventually(t, "the connection is known", func() bool {
		_ = r.ready()
		unused.mu.Lock()
		defer unused.mu.Unlock()
		return len(unused.open) == 1
	})
}

func TestAServerThatEndsLateStillLeavesTheOthers(t *testing.T) {
	redis := startRedis(t)
	r := start(t, func(c *config.Config) { c.RedisConnection, c.ShutdownTimeout = redis.Addr(), 100*time.Millisecond })
	eventually(t, "ready", r.ready)
	listed := func() bool { return redis.Exists("chatcluster:servers") } // it is the only one
	eventually(t, "it is listed", func() bool { return r.ready() && listed() })
	c := connect(t, r.address()+"/chatHub", r.address()+"/chatHub")
	c.send(`{"type":1,"target":"Hold","arguments":[]}`)
	<-r.hub.entered
	if err := r.end(); !errors.Is(err, errShutdownTimeout) {
		t.Errorf("got %v", err)
	}
	if listed() {
		t.Errorf("it is still listed: %s", redis.Dump())
	}
	close(r.hub.release)
}

func TestWebSocketsOfForeignPagesAreRefused(t *testing.T) {
	r := start(t, nil)
	for origin, want := range map[string]bool{
		"":                      true,
		"http://localhost:4200": true,
		"HTTP://LOCALHOST:4200": true,
		r.address():             true,
		"https://evil.example":  false,
		"null":                  false,
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		_, err := dial(t, r.address()+"/chatHub?id="+negotiate(t, r.address()+"/chatHub"), header)
		if (err == nil) != want {
			t.Errorf("%q: %v", origin, err)
		}
	}
}

func TestHubSeesTheClientBehindATrustedProxy(t *testing.T) {
	r := start(t, func(c *config.Config) {
		if err := config.Networks(&c.TrustedProxies).Set("127.0.0.0/8"); err != nil {
			t.Fatal(err)
		}
	})
	header := http.Header{"X-Forwarded-For": {"192.0.2.7"}, "X-Forwarded-Host": {"chat.example.com:8443"}}
	c, err := dial(t, r.address()+"/chatHub?id="+negotiate(t, r.address()+"/chatHub"), header)
	if err != nil {
		t.Fatal(err)
	}
	c.send(`{"protocol":"json","version":1}`)
	c.expect(`{}`)
	c.send(`{"type":1,"invocationId":"1","target":"Where","arguments":[]}`)
	c.expect(`{"type":3,"invocationId":"1","result":["chat.example.com:8443","/chatHub","192.0.2.7:0"]}`)
}

func TestTLSWithACertificateThatChanges(t *testing.T) {
	w := watch(t)
	w.putBoth(certificatetest.SelfSigned(t, "first"))
	r := start(t, func(c *config.Config) {
		c.URLs = []config.Address{{TLS: true, Host: "127.0.0.1"}}
		c.TLSCertificateFile, c.TLSKeyFile = filepath.Join(w.folder, "tls.crt"), filepath.Join(w.folder, "tls.key")
	})
	name := func() string {
		t.Helper()
		response, err := web.Get(r.address() + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.ProtoMajor != 2 {
			t.Errorf("over %s, want HTTP/2", response.Proto)
		}
		return response.TLS.PeerCertificates[0].Subject.CommonName
	}
	if got := name(); got != "first" {
		t.Errorf("got the certificate %s", got)
	}
	w.putBoth(certificatetest.SelfSigned(t, "second"))
	eventually(t, "the second certificate", func() bool { return name() == "second" })
	c := connect(t, r.address()+"/chatHub", strings.Replace(r.address(), "https", "wss", 1)+"/chatHub")
	c.send(`{"type":1,"invocationId":"1","target":"Echo","arguments":["hi"]}`)
	c.expect(`{"type":3,"invocationId":"1","result":"hi"}`)
}

func TestLocalhostIsBothLoopbacks(t *testing.T) {
	r := start(t, func(c *config.Config) { c.URLs = []config.Address{{Host: "localhost"}} })
	if all := r.host.Addresses(); len(all) != 1 || !strings.HasPrefix(all[0], "http://localhost:") {
		t.Errorf("addresses %v", all)
	}
	ports := map[string]bool{}
	for _, listener := range r.host.listeners {
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		ports[port] = true
		if status, body := fetch(t, http.MethodGet, "http://"+listener.Addr().String()+"/healthz", nil); status != http.StatusOK {
			t.Errorf("%s: %d %s", listener.Addr(), status, body)
		}
	}
	if len(ports) != 1 {
		t.Errorf("one address has the ports %v", ports)
	}
}

func TestMetricsHaveAPortOfTheirOwn(t *testing.T) {
	server := startRedis(t)
	r := start(t, func(c *config.Config) {
		c.MetricsAddress, c.RedisConnection = "127.0.0.1:0", server.Addr()
	})
	eventually(t, "ready", r.ready)
	c := connect(t, r.address()+"/chatHub", r.address()+"/chatHub")
	c.send(`{"type":1,"invocationId":"1","target":"Echo","arguments":["hi"]}`)
	c.expect(`{"type":3,"invocationId":"1","result":"hi"}`)
	address := r.host.observed[0].address
	_, text := fetch(t, http.MethodGet, address+"/metrics", nil)
	for _, line := range []string{
		`signalr_server_active_connections{signalr_transport="web_sockets"} 1`,
		`chatcluster_hub_invocations_total{hub="ChatHub",method="Echo",outcome="success"} 1`,
		`chatcluster_redis_connected 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("missing %s", line)
		}
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/chatHub": 404} {
		if status, _ := fetch(t, http.MethodGet, address+path, nil); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestMetricsAreServedAtAllAddresses(t *testing.T) {
	for _, hostPort := range []string{"*:0", "+:0", ":0"} {
		r := start(t, func(c *config.Config) {
			if err := config.HostPort(&c.MetricsAddress).Set(hostPort); err != nil {
				t.Fatal(err)
			}
		})
		address := fmt.Sprintf("http://127.0.0.1:%d/metrics", portOf(r.host.observed[0]))
		if status, body := fetch(t, http.MethodGet, address, nil); status != http.StatusOK {
			t.Errorf("%s: %d %s", hostPort, status, body)
		}
	}
}

func TestAServerThatEndsGivesLoadBalancersTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startInPipes(t, func(c *config.Config) { c.DrainDelay, c.ShutdownTimeout = time.Second, time.Minute })
		early := connect(t, r.address()+"/chatHub", r.address()+"/chatHub")
		began := time.Now()
		r.stop()
		synctest.Wait()
		if r.ready() {
			t.Error("it is ready")
		}
		if metrics := r.metrics(); !strings.Contains(metrics, "\nchatcluster_draining 1\n") {
			t.Error("the metrics do not tell")
		}
		// Who is sent here still is served as ever.
		late := connect(t, r.address()+"/chatHub", r.address()+"/chatHub")
		for _, c := range []*client{early, late} {
			c.send(`{"type":1,"invocationId":"1","target":"Echo","arguments":["hi"]}`)
			c.expect(`{"type":3,"invocationId":"1","result":"hi"}`)
		}
		for _, c := range []*client{early, late} {
			c.expect(`{"type":7,"allowReconnect":true}`)
			_ = c.socket.CloseNow()
		}
		if waited := time.Since(began); waited < time.Second {
			t.Errorf("the end came after %v", waited)
		}
		if err := r.wait(); err != nil {
			t.Error(err)
		}
	})
}

func TestShutdownTimeoutBoundsTheDrainToo(t *testing.T) {
	settings := config.Default()
	settings.URLs = []config.Address{{Host: "127.0.0.1"}}
	host, err := New(Options{Config: settings, Logger: slog.New(slog.DiscardHandler)}, Hub{Name: "ChatHub", Path: "/chatHub", Value: newTestHub()})
	if err != nil {
		t.Fatal(err)
	}
	// Such a configuration is refused where it is loaded.
	c := &host.options.Config
	c.DrainDelay, c.DrainPeriod, c.ShutdownTimeout = time.Hour, time.Hour, 100*time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	stop()
	done := make(chan struct{})
	go func() {
		_ = host.Run(ctx) // it says what was not done in time, if anything was
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("the host does not end")
	}
}

// A metric that the table in the README misses is one that nobody finds.
func TestServedMetricsAreInTheTable(t *testing.T) {
	var table strings.Builder
	if err := metrics.WriteMarkdown(&table); err != nil {
		t.Fatal(err)
	}
	r := start(t, useRedis(startRedis(t)))
	eventually(t, "ready", r.ready)
	c := connect(t, r.address()+"/chatHub", r.address()+"/chatHub")
	c.send(`{"type":1,"invocationId":"1","target":"Echo","arguments":["hi"]}`)
	c.expect(`{"type":3,"invocationId":"1","result":"hi"}`)
	for line := range strings.Lines(r.metrics()) {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "# TYPE "), " ")
		usual := strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") || strings.HasPrefix(name, "promhttp_")
		if strings.HasPrefix(line, "# TYPE ") && !usual && !strings.Contains(table.String(), "| `"+name+"` |") {
			t.Errorf("the table misses %s", name)
		}
	}
}
