package host

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/signalr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of the tests: far more than anything takes.
const patience = 10 * time.Second

// testHub is a hub whose calls can be held.
type testHub struct {
	entered chan struct{}
	release chan struct{}
}

func newTestHub() *testHub {
	return &testHub{entered: make(chan struct{}, 8), release: make(chan struct{})}
}

func (*testHub) Echo(_ *signalr.Context, text string) string { return text }

func (*testHub) Where(ctx *signalr.Context) []string {
	return []string{ctx.Request().Host, ctx.Request().URL.Path, ctx.Request().RemoteAddr}
}

func (*testHub) Broadcast(ctx *signalr.Context, text string) error {
	return ctx.Clients().All().Send(ctx, "Receive", text)
}

func (h *testHub) Hold(*signalr.Context) {
	h.entered <- struct{}{}
	<-h.release
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// running is a host under test.
type running struct {
	t    *testing.T
	host *Host
	hub  *testHub
	log  *logBuffer
	// stop ends the host; done then has what Run returned.
	stop context.CancelFunc
	done chan error
}

// start runs a host on free ports with a hub at /chatHub. The test ends it, or its cleanup does.
func start(t *testing.T, change func(*config.Config)) *running {
	t.Helper()
	r := &running{t: t, hub: newTestHub(), log: &logBuffer{}, done: make(chan error, 1)}
	settings := config.Default()
	settings.URLs = []config.Address{{Host: "127.0.0.1"}}
	settings.ShutdownTimeout = patience
	if change != nil {
		change(&settings)
	}
	var err error
	r.host, err = New(Options{Config: settings, Logger: slog.New(slog.NewTextHandler(r.log, nil))},
		Hub{Name: "ChatHub", Path: "/chatHub", Value: r.hub})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() {
		r.done <- r.host.Run(ctx)
		close(r.done)
	}()
	t.Cleanup(func() {
		stop()
		for err := range r.done {
			if err != nil {
				t.Errorf("run: %v", err)
			}
		}
	})
	return r
}

// end stops the host and returns what Run did.
func (r *running) end() error {
	r.t.Helper()
	r.stop()
	return r.wait()
}

func (r *running) wait() error {
	r.t.Helper()
	select {
	case err := <-r.done:
		return err
	case <-time.After(patience):
		r.t.Fatal("the host does not end")
		return nil
	}
}

func (r *running) address() string { return r.host.Addresses()[0] }

// web is a client without memory: a connection that is kept would hold up a host that shuts down.
var web = &http.Client{
	Timeout: patience,
	Transport: &http.Transport{
		DisableKeepAlives: true, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	},
}

// do sends a request and returns status and body; 0 and the error if there is no response.
func (r *running) do(method, path string, header http.Header) (status int, body string) {
	r.t.Helper()
	return fetch(r.t, method, r.address()+path, header)
}

func fetch(t *testing.T, method, address string, header http.Header) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		request.Header = header
	}
	response, err := web.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

// eventually asks until the answer is yes. Each question takes its time, so nothing spins.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ask(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// client speaks the JSON protocol over a WebSocket, by hand.
type client struct {
	t       *testing.T
	socket  *websocket.Conn
	pending []string
}

// negotiate returns the token of a new connection.
func negotiate(t *testing.T, address string) string {
	t.Helper()
	status, body := fetch(t, http.MethodPost, address+"/negotiate?negotiateVersion=1", nil)
	var answer struct {
		ConnectionToken string `json:"connectionToken"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.ConnectionToken == "" {
		t.Fatalf("negotiate: %d %s", status, body)
	}
	return answer.ConnectionToken
}

// connect negotiates with the server at one address and connects to the one at another; they may be the same.
func connect(t *testing.T, negotiateAt, connectTo string) *client {
	t.Helper()
	token := negotiate(t, negotiateAt)
	c, err := dial(t, connectTo+"?id="+token, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.send(`{"protocol":"json","version":1}`)
	c.expect(`{}`)
	return c
}

func dial(t *testing.T, address string, header http.Header) (*client, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, address, &websocket.DialOptions{HTTPHeader: header, HTTPClient: web})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = socket.CloseNow() })
	return &client{t: t, socket: socket}, nil
}

func (c *client) send(message string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	if err := c.socket.Write(ctx, websocket.MessageText, []byte(message+"\x1e")); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

func (c *client) receive() (string, error) {
	for len(c.pending) == 0 {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		_, data, err := c.socket.Read(ctx)
		cancel()
		if err != nil {
			return "", err
		}
		c.pending = strings.Split(strings.TrimSuffix(string(data), "\x1e"), "\x1e")
	}
	message := c.pending[0]
	c.pending = c.pending[1:]
	return message, nil
}

func (c *client) expect(want string) {
	c.t.Helper()
	got, err := c.receive()
	if err != nil {
		c.t.Fatalf("receive: %v, want %s", err, want)
	}
	if got != want {
		c.t.Fatalf("received %s, want %s", got, want)
	}
}

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
		return status == http.StatusServiceUnavailable && body == "not ready: shutting down\n"
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
	r := start(t, nil)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.address(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if status, _ := r.do(http.MethodGet, "/healthz", nil); status != http.StatusOK { // the server has seen the one before
		t.Fatal(status)
	}
	started := time.Now()
	if err := r.end(); err != nil {
		t.Error(err)
	}
	if took := time.Since(started); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
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
	folder := &tlsFolder{t: t, folder: t.TempDir()}
	folder.writeBoth(newPEM(t, "first"))
	r := start(t, func(c *config.Config) {
		c.URLs = []config.Address{{TLS: true, Host: "127.0.0.1"}}
		c.TLSCertificateFile, c.TLSKeyFile = folder.path("tls.crt"), folder.path("tls.key")
	})
	expect := func(name string) {
		t.Helper()
		response, err := web.Get(r.address() + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if got := response.TLS.PeerCertificates[0].Subject.CommonName; got != name || response.ProtoMajor != 2 {
			t.Errorf("%s over %s, want %s over HTTP/2", got, response.Proto, name)
		}
	}
	expect("first")
	folder.writeBoth(newPEM(t, "second"))
	expect("second")
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
