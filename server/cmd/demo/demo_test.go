package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/chatcluster/chatcluster/server/freeport"
	"github.com/chatcluster/chatcluster/server/host"
	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/web"
)

func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// patience bounds every wait of the tests: far more than anything takes.
const patience = 20 * time.Second

// freePorts are ports that nobody uses at this moment.
func freePorts(t *testing.T) ports {
	t.Helper()
	var numbers []int
	for len(numbers) < 3 {
		port, err := freeport.Find(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(numbers, port) {
			numbers = append(numbers, port)
		}
	}
	return ports{numbers[0], numbers[1], numbers[2]}
}

func needPage(t *testing.T) {
	t.Helper()
	if _, err := web.Handler(web.Config{}); err != nil {
		t.Skip(err)
	}
}

// join connects a client to the server at a port, as the page there does.
func join(t *testing.T, port, page int) *websocket.Conn {
	t.Helper()
	address := fmt.Sprintf("http://localhost:%d/chatHub", port)
	origin := http.Header{"Origin": {fmt.Sprintf("http://localhost:%d", page)}}
	for deadline := time.Now().Add(patience); ; {
		socket, response, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{HTTPHeader: origin})
		if err == nil {
			t.Cleanup(func() { _ = socket.CloseNow() })
			send(t, socket, `{"protocol":"json","version":1}`)
			expect(t, socket, `{}`)
			return socket
		}
		if response == nil || response.StatusCode != http.StatusServiceUnavailable || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func send(t *testing.T, socket *websocket.Conn, message string) {
	t.Helper()
	if err := socket.Write(t.Context(), websocket.MessageText, []byte(message+"\x1e")); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, socket *websocket.Conn, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, got, err := socket.Read(ctx); err != nil || string(got) != want+"\x1e" {
		t.Fatalf("received %q, %v; want %q", got, err, want)
	}
}

func fetch(t *testing.T, address string) string {
	t.Helper()
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v", address, response.StatusCode, err)
	}
	return string(body)
}

func TestTwoServersAndAPage(t *testing.T) {
	needPage(t)
	ports := freePorts(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- serve(ctx, config.Default(), ports, writer, slog.New(slog.DiscardHandler)) }()
	buffer := make([]byte, 4096)
	n, err := reader.Read(buffer)
	if err != nil || !strings.Contains(string(buffer[:n]), fmt.Sprintf("http://localhost:%d ", ports.page)) {
		t.Fatalf("%v: %s", err, buffer[:n])
	}
	page := fmt.Sprintf("http://localhost:%d/", ports.page)
	if body := fetch(t, page); !strings.Contains(body, "<html") {
		t.Error(body)
	}
	want := fmt.Sprintf(`{"servers":[{"name":"Server 1","url":"http://localhost:%d"},{"name":"Server 2","url":"http://localhost:%d"}],"hubPath":"/chatHub"}`,
		ports.first, ports.second)
	if body := fetch(t, page+"config.json"); body != want {
		t.Errorf("got %s", body)
	}
	ann, bob := join(t, ports.first, ports.page), join(t, ports.second, ports.page)
	send(t, ann, `{"type":1,"target":"SendMessage","arguments":["ann","hello"]}`)
	message := fmt.Sprintf(`{"type":1,"target":"ReceiveMessage","arguments":["ann","hello","Server %d"]}`, ports.first)
	expect(t, ann, message)
	expect(t, bob, message)
	stop()
	expect(t, ann, `{"type":7,"allowReconnect":true}`)
	expect(t, bob, `{"type":7,"allowReconnect":true}`)
	for _, socket := range []*websocket.Conn{ann, bob} {
		if _, _, err := socket.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
			t.Errorf("after the goodbye: %v", err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestPortInUseIsOneLine(t *testing.T) {
	needPage(t)
	for _, which := range []func(*ports) *int{
		func(p *ports) *int { return &p.page }, func(p *ports) *int { return &p.first }, func(p *ports) *int { return &p.second },
	} {
		taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		number := taken.Addr().(*net.TCPAddr).Port
		var stdout, stderr bytes.Buffer
		var code int
		// Another program may take one of the free ports first; then it is that one that is named.
		for tries := 0; tries < 10 && !strings.Contains(stderr.String(), strconv.Itoa(number)); tries++ {
			stdout.Reset()
			stderr.Reset()
			ports := freePorts(t)
			*which(&ports) = number
			code = fail(&stderr, serve(t.Context(), config.Default(), ports, &stdout, slog.New(slog.DiscardHandler)))
		}
		want := fmt.Sprintf("demo: http://localhost:%d is in use by another program; end that one and start the demo again\n", number)
		if code != host.ExitFailed || stderr.String() != want || stdout.Len() != 0 {
			t.Errorf("%d: %s%s", code, stderr.String(), stdout.String())
		}
		_ = taken.Close()
	}
}

func TestMistakesAreOneLine(t *testing.T) {
	for _, test := range []struct {
		args, environ []string
		want          string
	}{
		{[]string{"--urls=http://localhost:1"}, nil, "demo: unknown flag --urls; --help lists all that there are\n"},
		{nil, []string{"REDIS_CONNECTION=:hunter2"}, "demo: RedisConnection (environment REDIS_CONNECTION): the value (not shown) cannot be used: "},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), test.args, test.environ, &stdout, &stderr)
		if code != host.ExitUsage || !strings.HasPrefix(stderr.String(), test.want) || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%d: %s", code, stderr.String())
		}
	}
}

func TestRedisOfTheUserIsShownWithoutItsPassword(t *testing.T) {
	settings := config.Default()
	settings.RedisConnection = "redis:6379,password=hunter2"
	if got := shown(settings); !strings.Contains(got, "redis:6379") || strings.Contains(got, "hunter2") {
		t.Error(got)
	}
}
