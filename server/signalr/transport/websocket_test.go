package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait of the tests: far more than anything takes.
const patience = 20 * time.Second

// echo is an application that sends back what it gets.
type echo struct{ ended chan error }

type echoSession struct {
	application *echo
	connection  *Connection
	started     sync.Once
}

func (e *echo) Connect(connection *Connection) Session {
	return &echoSession{application: e, connection: connection}
}

func (*echo) Adopts() bool { return false }

func (e *echo) Adopt(context.Context, *Connection, string) bool { return false }

func (e *echo) Ping(isBinary bool) *Payload { return NewPayload([]byte("ping"), isBinary) }

func (s *echoSession) Receive(data []byte) <-chan struct{} {
	payload := NewPayload(data, true)
	s.started.Do(func() {
		s.connection.Start(payload)
		payload = nil
	})
	if payload != nil {
		_ = s.connection.Send(payload)
	}
	return nil
}

func (s *echoSession) Resume() func(int64) []*Payload {
	return func(number int64) []*Payload {
		return []*Payload{NewPayload(fmt.Appendf(nil, "from %d", number), true)}
	}
}
func (*echoSession) Attached()             {}
func (s *echoSession) Heartbeat(time.Time) {}
func (s *echoSession) Closed(cause error)  { s.application.ended <- cause }

// serveEcho serves the application, with TLS if secure, and returns the server and what its sessions ended with.
func serveEcho(t *testing.T, secure bool) (*httptest.Server, <-chan error) {
	t.Helper()
	manager := NewManager(ManagerOptions{})
	application := &echo{ended: make(chan error, 1000)}
	server := httptest.NewUnstartedServer(manager.NewEndpoint("echo", application, EndpointOptions{}))
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		manager.Shutdown(ctx)
		server.Close()
	})
	return server, application.ended
}

const upgradeRequest = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: x\r\n\r\n"

// wire is a WebSocket client that sends what it is told to.
type wire struct {
	net.Conn
	reader *bufio.Reader
}

// dial opens a WebSocket and sends early together with the request.
func dial(t *testing.T, server *httptest.Server, early ...byte) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if strings.HasPrefix(server.URL, "https:") {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	w := &wire{Conn: conn, reader: bufio.NewReader(conn)}
	_ = w.SetDeadline(time.Now().Add(patience))
	w.send(t, append([]byte(upgradeRequest), early...))
	response, err := http.ReadResponse(w.reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("upgrade: got %s, %v", response.Status, response.Header)
	}
	if got := response.Header.Get("Sec-WebSocket-Protocol"); got != "" {
		t.Errorf("a subprotocol was agreed that nobody speaks: %q", got)
	}
	return w
}

func (w *wire) send(t *testing.T, data []byte) {
	t.Helper()
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
}

// masked is a frame as clients send it.
func masked(first byte, payload string) []byte {
	frame := []byte{first, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		frame = binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, uint64(len(payload)))
	}
	frame = append(frame, 1, 2, 3, 4)
	for i := range len(payload) {
		frame = append(frame, payload[i]^byte(i%4+1))
	}
	return frame
}

// receive reads one frame of the server.
func (w *wire) receive(t *testing.T) (first byte, payload string) {
	t.Helper()
	var header [2]byte
	if _, err := io.ReadFull(w.reader, header[:]); err != nil {
		t.Fatal("read a frame:", err)
	}
	length := int(header[1])
	if length == 126 {
		var long [2]byte
		if _, err := io.ReadFull(w.reader, long[:]); err != nil {
			t.Fatal(err)
		}
		length = int(binary.BigEndian.Uint16(long[:]))
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(w.reader, text); err != nil {
		t.Fatal(err)
	}
	return header[0], string(text)
}

// expect reads messages until they make up want.
func (w *wire) expect(t *testing.T, want string) {
	t.Helper()
	var got strings.Builder
	for got.Len() < len(want) {
		first, payload := w.receive(t)
		if first != finalBinary {
			t.Fatalf("got a frame %#x %q", first, payload)
		}
		got.WriteString(payload)
	}
	if got.String() != want {
		t.Fatalf("got %.80q, want %.80q", got.String(), want)
	}
}

func (w *wire) expectEnd(t *testing.T) {
	t.Helper()
	if _, err := w.reader.ReadByte(); err != io.EOF {
		t.Errorf("got %v, want the end of the connection", err)
	}
}

func expectClosed(t *testing.T, ended <-chan error) {
	t.Helper()
	select {
	case cause := <-ended:
		if cause != nil {
			t.Errorf("the session ended with %v", cause)
		}
	case <-time.After(patience):
		t.Error("the session did not end")
	}
}

func TestWebSocketCarriesBytes(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%t", secure), func(t *testing.T) {
			server, _ := serveEcho(t, secure)
			w := dial(t, server)
			for _, message := range []string{"a", strings.Repeat("b", smallestRead), strings.Repeat("c", 4096), strings.Repeat("0123456789", 5_000)} {
				w.send(t, masked(0x82, message))
				w.expect(t, message)
			}
			w.send(t, append(append(masked(0x01, "frag"), masked(0x00, "men")...), masked(0x80, "ts")...))
			w.expect(t, "fragments")
		})
	}
}

func TestWebSocketReadsWhatCameWithItsRequest(t *testing.T) {
	server, _ := serveEcho(t, false)
	dial(t, server, masked(0x81, "early")...).expect(t, "early")
}

func TestWebSocketAnswersPings(t *testing.T) {
	server, _ := serveEcho(t, false)
	w := dial(t, server)
	for _, payload := range []string{"", "are you there?", strings.Repeat("p", 125)} {
		w.send(t, masked(0x89, payload))
		if first, got := w.receive(t); first != 0x8a || got != payload {
			t.Errorf("ping %.20q: got %#x %.20q", payload, first, got)
		}
	}
	w.send(t, masked(0x8a, "unasked")) // a Pong that nobody awaits means nothing
	w.send(t, masked(0x82, "on"))
	w.expect(t, "on")
}

func TestWebSocketAnswersACloseByItself(t *testing.T) {
	for _, payload := range []string{"", "\x03\xe8", "\x0f\xa0enough"} {
		server, ended := serveEcho(t, false)
		w := dial(t, server)
		w.send(t, masked(0x88, payload))
		if first, got := w.receive(t); first != 0x88 || got != payload {
			t.Errorf("close %q: got %#x %q", payload, first, got)
		}
		w.expectEnd(t)
		expectClosed(t, ended)
	}
}

func TestWebSocketTellsClientsHowTheyViolateTheProtocol(t *testing.T) {
	tests := []struct {
		name  string
		input []byte
		code  uint16
	}{
		{"no mask", []byte{0x81, 1, 'a'}, 1002},
		{"compression", masked(0xc1, "a"), 1002},
		{"text that is no UTF-8", masked(0x81, "\xff"), 1007},
	}
	for _, test := range tests {
		server, ended := serveEcho(t, false)
		w := dial(t, server)
		w.send(t, test.input)
		first, payload := w.receive(t)
		if first != 0x88 || len(payload) <= 2 || binary.BigEndian.Uint16([]byte(payload)) != test.code {
			t.Errorf("%s: got %#x %q, want a close with %d and a reason", test.name, first, payload, test.code)
		}
		w.expectEnd(t)
		expectClosed(t, ended)
	}
}

func TestWebSocketNoticesAClientThatGoesWithoutAWord(t *testing.T) {
	for _, secure := range []bool{false, true} {
		server, ended := serveEcho(t, secure)
		w := dial(t, server)
		w.send(t, masked(0x02, "half a mess")[:20])
		_ = w.Close()
		expectClosed(t, ended)
	}
}

func TestWebSocketRefusesRequestsThatAreNoHandshake(t *testing.T) {
	server, _ := serveEcho(t, false)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Upgrade", "websocket")
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Sec-WebSocket-Version", "12")
	request.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusBadRequest || response.Header.Get("Sec-WebSocket-Version") != "13" {
		t.Errorf("got %s, %v", response.Status, response.Header)
	}
	http.DefaultClient.CloseIdleConnections()
}

// A WebSocket that waits for its client must keep neither a buffer nor a stack that has grown.
func TestWebSocketIsSmallWhileItWaits(t *testing.T) {
	const count, limit = 300, 7 << 10 // bytes, the client's end in this process included: it takes about 2 KiB
	server, _ := serveEcho(t, false)
	var before, after runtime.MemStats
	measure := func(into *runtime.MemStats) {
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(into)
	}
	dial(t, server)
	measure(&before)
	clients := make([]net.Conn, 0, count)
	for range count {
		w := dial(t, server)
		w.send(t, masked(0x82, "hello"))
		w.expect(t, "hello")
		clients = append(clients, w.Conn) // without its reader
	}
	measure(&after)
	used := int64(after.HeapAlloc+after.StackInuse) - int64(before.HeapAlloc+before.StackInuse)
	if each := used / count; each > limit {
		t.Errorf("%d bytes for a waiting WebSocket and its client, want at most %d", each, limit)
	} else {
		t.Logf("%d bytes for a waiting WebSocket and its client", each)
	}
	runtime.KeepAlive(clients)
}
