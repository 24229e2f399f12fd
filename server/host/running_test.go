package host

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/transport/pipetest"
)

// testHub is a hub whose calls can be held.
type testHub struct {
	entered chan struct{}
	release chan struct{}
}

func newTestHub() *testHub {
	return &testHub{entered: make(chan struct{}, 8), release: make(chan struct{})}
}

func (*testHub) Echo(_ *signalr.Context, text string) string { return text }

func (*testHub) Me(ctx *signalr.Context) string { return ctx.UserID() }

func (*testHub) Where(ctx *signalr.Context) []string {
	return []string{ctx.Request().Host, ctx.Request().URL.Path, ctx.Request().RemoteAddr}
}

func (*testHub) Broadcast(ctx *signalr.Context, text string) error {
	return ctx.Clients().All().Send(ctx, "Receive", text)
}

// Forever is a stream of one item that does not end.
func (*testHub) Forever(ctx *signalr.Context) iter.Seq[int] {
	return func(yield func(int) bool) {
		yield(0)
		<-ctx.Done()
	}
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
	t    testing.TB
	host *Host
	hub  *testHub
	log  *logBuffer
	// stop ends the host; done then has what Run returned.
	stop context.CancelFunc
	done chan error
}

// start runs a host on free ports with a hub at /chatHub. The test ends it, or its cleanup does.
func start(t testing.TB, change func(*config.Config)) *running {
	t.Helper()
	r := prepare(t, change)
	r.run()
	return r
}

// startInPipes is start for the time of testing/synctest, which sockets do not know: the host listens on networks of
// pipes, for metrics, if it has any, at port 9090.
func startInPipes(t testing.TB, change func(*config.Config)) *running {
	t.Helper()
	r := prepare(t, change)
	r.host.listeners = listenInPipes(t, r.host.listeners, pipesHost+":80")
	if len(r.host.observed) > 0 {
		r.host.observed = listenInPipes(t, r.host.observed, pipesHost+":9090")
	}
	r.run()
	return r
}

// listenInPipes listens at an address of pipes in place of sockets.
func listenInPipes(t testing.TB, sockets []listener, address string) []listener {
	closeAll(sockets)
	network := pipetest.New()
	pipes.Store(address, network)
	t.Cleanup(func() { pipes.Delete(address) })
	return []listener{{Listener: network, address: "http://" + strings.TrimSuffix(address, ":80")}}
}

// prepare makes a host that does not run yet.
func prepare(t testing.TB, change func(*config.Config)) *running {
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
	return r
}

func (r *running) run() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() {
		r.done <- r.host.Run(ctx)
		close(r.done)
	}()
	r.t.Cleanup(func() {
		if r.t.Failed() {
			r.t.Log(r.log)
		}
		stop()
		for err := range r.done {
			if err != nil {
				r.t.Errorf("run: %v", err)
			}
		}
	})
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
		DisableKeepAlives: true, ForceAttemptHTTP2: true, DialContext: dialNetwork,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	},
}

// pipesHost is the name of a host that listens on pipes; pipes has the network it listens on, while there is one.
const pipesHost = "pipes.test"

var pipes sync.Map

func dialNetwork(ctx context.Context, kind, address string) (net.Conn, error) {
	if network, ok := pipes.Load(address); ok {
		return network.(*pipetest.Network).Dial(ctx, kind, address)
	}
	return new(net.Dialer).DialContext(ctx, kind, address)
}

// do sends a request and returns status and body; 0 and the error if there is no response.
func (r *running) do(method, path string, header http.Header) (status int, body string) {
	r.t.Helper()
	return fetch(r.t, method, r.address()+path, header)
}

func fetch(t testing.TB, method, address string, header http.Header) (status int, body string) {
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
func eventually(t testing.TB, what string, ask func() bool) {
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
func negotiate(t testing.TB, address string) string {
	t.Helper()
	return negotiateWith(t, address, "")
}

func negotiateWith(t testing.TB, address, query string) string {
	t.Helper()
	status, body := fetch(t, http.MethodPost, address+"/negotiate?negotiateVersion=1"+query, nil)
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
	return open(t, connectTo, negotiate(t, negotiateAt))
}

// open opens the connection of a token; version 2 of the protocol has stateful reconnect.
func open(t *testing.T, address, token string) *client {
	t.Helper()
	c, err := dial(t, address+"?id="+token, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.send(`{"protocol":"json","version":2}`)
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
