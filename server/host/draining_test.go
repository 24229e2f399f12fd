package host

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/host/drain"
)

const testClusterKey = "0123456789abcdef0123456789abcdef"

// operator asks the peer ports of servers, with a cluster key.
func operator(t *testing.T, key string) *http.Client {
	t.Helper()
	keys, err := cluster.NewKeys([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: keys.PeerTLS()}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// drain asks for the drain of a server.
func (r *running) drain(client *http.Client, method string) (status int, progress drain.Progress) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, "https://"+r.host.peers.member.Self().Address+drain.Path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(response.Body).Decode(&progress); err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, progress
}

func TestADrainCanBeAskedForAtThePeerPort(t *testing.T) {
	server := startRedis(t)
	with := func(c *config.Config) {
		useRedis(server)(c)
		c.ClusterKey, c.DrainDelay = testClusterKey, 100*time.Millisecond
	}
	p := pair{server, start(t, with), start(t, with)}
	operator := operator(t, testClusterKey)
	eventually(t, "both know each other", func() bool {
		p.first.host.peers.member.RenewNow()
		_, progress := p.first.drain(operator, http.MethodGet)
		return p.first.ready() && p.second.ready() && progress.ReadyPeers == 1
	})
	stays := connect(t, p.second.address()+"/chatHub", p.second.address()+"/chatHub")
	leaves := connect(t, p.first.address()+"/chatHub", p.first.address()+"/chatHub")
	if status, progress := p.first.drain(operator, http.MethodPost); status != http.StatusAccepted || progress.State != drain.Draining || progress.Connections != 1 {
		t.Fatalf("%d %+v", status, progress)
	}
	leaves.expect(`{"type":7,"allowReconnect":true}`)
	_ = leaves.socket.CloseNow()
	eventually(t, "drained", func() bool {
		_, progress := p.first.drain(operator, http.MethodGet)
		return progress.State == drain.Drained && progress.Connections == 0
	})
	if p.first.ready() {
		t.Error("a server that drains is ready")
	}
	eventually(t, "the other one knows", func() bool {
		others, _ := p.second.host.peers.member.Others()
		return len(others) == 1 && others[0].Load.State == cluster.Draining
	})
	// It is there still, and takes clients again when the drain is taken back.
	if status, progress := p.first.drain(operator, http.MethodDelete); status != http.StatusOK || progress.State != drain.Serving {
		t.Fatalf("%d %+v", status, progress)
	}
	eventually(t, "ready again", p.first.ready)
	again := connect(t, p.first.address()+"/chatHub", p.first.address()+"/chatHub")
	for _, c := range []*client{again, stays} {
		c.send(`{"type":1,"invocationId":"1","target":"Echo","arguments":["hi"]}`)
		c.expect(`{"type":3,"invocationId":"1","result":"hi"}`)
	}
}

func TestADrainIsAskedForWithTheClusterKeyOnly(t *testing.T) {
	server := startRedis(t)
	r := start(t, func(c *config.Config) {
		useRedis(server)(c)
		c.ClusterKey = testClusterKey
	})
	eventually(t, "ready", r.ready)
	address := "https://" + r.host.peers.member.Self().Address + drain.Path
	anonymous := &http.Client{Timeout: patience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	for name, client := range map[string]*http.Client{
		"no key": anonymous, "another key": operator(t, strings.Repeat("x", 32)),
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := client.Do(request); err == nil {
			body, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			t.Errorf("%s: %d %s", name, response.StatusCode, body)
		}
	}
	if status, _ := r.do(http.MethodPost, drain.Path, nil); status != http.StatusNotFound {
		t.Errorf("at the hub port: %d", status)
	}
	if !r.ready() {
		t.Error("it drains")
	}
}

// A server that ends waits for another one, so that its clients find somebody.
func TestAServerThatEndsWaitsForAnotherOne(t *testing.T) {
	server := startRedis(t)
	with := func(c *config.Config) {
		useRedis(server)(c)
		c.DrainDelay, c.ShutdownTimeout = 100*time.Millisecond, time.Minute
	}
	first := start(t, with)
	eventually(t, "ready", first.ready)
	c := connect(t, first.address()+"/chatHub", first.address()+"/chatHub")
	first.stop()
	eventually(t, "not ready", func() bool { return !first.ready() })
	time.Sleep(300 * time.Millisecond) // the delay is over
	c.send(`{"type":1,"invocationId":"1","target":"Echo","arguments":["hi"]}`)
	c.expect(`{"type":3,"invocationId":"1","result":"hi"}`)
	second := start(t, with)
	eventually(t, "ready", second.ready)
	c.expect(`{"type":7,"allowReconnect":true}`)
	_ = c.socket.CloseNow()
	if err := first.wait(); err != nil {
		t.Error(err)
	}
}

// The next request of a client may be on its way when the server begins to drain.
func TestAConnectionThatIsKeptIsGivenUpWithItsNextAnswer(t *testing.T) {
	r := start(t, func(*config.Config) {})
	eventually(t, "ready", r.ready)
	socket, err := net.Dial("tcp", strings.TrimPrefix(r.address(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	reader := bufio.NewReader(socket)
	ask := func() *http.Response {
		t.Helper()
		_ = socket.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(socket, "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		return response
	}
	if ask().Close {
		t.Fatal("the server gives up a connection without a reason")
	}
	r.host.draining(true)
	if !ask().Close {
		t.Error("the connection is kept")
	}
}
