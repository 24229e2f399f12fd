package signalr_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/chatcluster/chatcluster/server/signalr"
)

func TestBrokenFramesEndOnlyTheConnectionThatSentThem(t *testing.T) {
	_, address := startHub(t, &testHub{}, signalr.HubOptions{}, signalr.EndpointOptions{})
	bystander := connect(t, address)
	for name, frame := range map[string]string{
		"not masked":                "\x81\x02hi",
		"reserved bits":             "\xf1\x80\x00\x00\x00\x00",
		"unknown opcode":            "\x83\x80\x00\x00\x00\x00",
		"continuation of nothing":   "\x80\x80\x00\x00\x00\x00",
		"ping in pieces":            "\x09\x80\x00\x00\x00\x00",
		"ping that is too long":     "\x89\xfe\x01\x00\x00\x00\x00\x00",
		"negative length":           "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00",
		"close code of one byte":    "\x88\x81\x00\x00\x00\x00\x03",
		"close code that is no one": "\x88\x82\x00\x00\x00\x00\x00\x01",
		"HTTP":                      "GET / HTTP/1.1\r\nHost: test\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn := upgrade(t, address)
			if _, err := io.WriteString(conn, frame); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.Copy(io.Discard, conn); isTimeout(err) {
				t.Error("the connection is still open")
			}
		})
	}
	bystander.send(`{"type":1,"invocationId":"1","target":"Echo","arguments":["alive"]}`)
	bystander.expect(`{"type":3,"invocationId":"1","result":"alive"}`)
}

func isTimeout(err error) bool {
	timeout, ok := err.(interface{ Timeout() bool })
	return ok && timeout.Timeout()
}

// negotiation is what a client needs of the answer to its negotiation.
type negotiation struct {
	ConnectionID         string `json:"connectionId"`
	ConnectionToken      string `json:"connectionToken"`
	UseStatefulReconnect bool   `json:"useStatefulReconnect"`
}

func negotiate(t testing.TB, address string) negotiation {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/negotiate?negotiateVersion=1&useStatefulReconnect=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer negotiation
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestATokenIsOfNoUseForAnotherHubEvenWhileItsConnectionLives(t *testing.T) {
	server, err := signalr.NewServer(signalr.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	addresses := map[string]string{}
	for _, name := range []string{"One", "Two"} {
		hub, err := server.Hub(name, &testHub{}, signalr.HubOptions{})
		if err != nil {
			t.Fatal(err)
		}
		web := httptest.NewServer(hub.Endpoint(signalr.EndpointOptions{AllowStatefulReconnects: true}))
		defer web.Close()
		addresses[name] = web.URL
	}
	defer func() { _ = server.Shutdown(t.Context()) }()
	token := negotiate(t, addresses["One"]).ConnectionToken
	c := dial(t, addresses["One"]+"?id="+token)
	c.send(`{"protocol":"json","version":2}`)
	c.expect(`{}`)
	_, response, err := websocket.Dial(t.Context(), addresses["Two"]+"?id="+token, nil)
	if err == nil || response == nil || response.StatusCode != http.StatusNotFound {
		t.Errorf("the other hub answered %v, %v; want 404", response, err)
	}
	c.send(`{"type":1,"invocationId":"1","target":"Echo","arguments":["mine"]}`)
	c.expect(`{"type":3,"invocationId":"1","result":"mine"}`)
	_ = c.socket.CloseNow()
}

// slowStart is a hub whose OnConnected waits until the test lets it go on.
type slowStart struct {
	testHub
	entered, open chan struct{}
}

func (h *slowStart) OnConnected(*signalr.Context) error {
	h.entered <- struct{}{}
	<-h.open
	return nil
}

func (*slowStart) Hello(*signalr.Context) string { return "hello" }

func TestAClientMayReconnectWhileOnConnectedRuns(t *testing.T) {
	hub := &slowStart{entered: make(chan struct{}), open: make(chan struct{})}
	_, address := startHub(t, hub, signalr.HubOptions{}, signalr.EndpointOptions{AllowStatefulReconnects: true})
	token := negotiate(t, address).ConnectionToken
	first := dial(t, address+"?id="+token)
	first.send(`{"protocol":"json","version":2}`)
	first.expect(`{}`)
	<-hub.entered
	second := dial(t, address+"?id="+token)
	second.expect(`{"type":9,"sequenceId":1}`)
	second.send(`{"type":9,"sequenceId":1}`, `{"type":1,"invocationId":"1","target":"Hello","arguments":[]}`)
	close(hub.open)
	second.expect(`{"type":3,"invocationId":"1","result":"hello"}`)
}

// A request that never ends must not hold up its connection, nor the server's end.
func TestABodyThatDoesNotComeIsGivenUp(t *testing.T) {
	_, address := startHub(t, &testHub{}, signalr.HubOptions{}, signalr.EndpointOptions{})
	token := negotiate(t, address).ConnectionToken
	poll(t, address, token)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	began := time.Now()
	if _, err := io.WriteString(conn, "POST /?id="+token+" HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(3 * patience))
	answer, err := io.ReadAll(conn)
	if !strings.HasPrefix(string(answer), "HTTP/1.1 408") {
		t.Errorf("after %v: %q, %v", time.Since(began), answer, err)
	}
}

// poll sends the first poll of a connection, which is answered at once.
func poll(t *testing.T, address, token string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"?id="+token, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
}
