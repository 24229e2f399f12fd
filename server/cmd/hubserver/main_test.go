package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/chatcluster/chatcluster/server/host"
)

// patience bounds every wait of the tests: far more than anything takes.
const patience = 20 * time.Second

// actAsProgram makes the test binary the program itself: signals and exit codes need a real process.
const actAsProgram = "HUBSERVER_TEST_ACTS_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(actAsProgram) != "" {
		os.Unsetenv(actAsProgram)
		main()
	}
	os.Exit(m.Run())
}

// process is the program at work.
type process struct {
	t       *testing.T
	command *exec.Cmd
	// abort ends it at once, if it has not ended.
	abort context.CancelFunc
	// address is where it listens.
	address string
	// rest is its log after that.
	rest chan string
}

// command is the program for something that it does and then ends.
func command(t *testing.T, environ []string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return commandUntil(ctx, environ, args)
}

// commandUntil is the program, which is killed when ctx ends.
func commandUntil(ctx context.Context, environ, args []string) *exec.Cmd {
	command := exec.CommandContext(ctx, os.Args[0], args...)
	command.Env = append([]string{actAsProgram + "=1"}, environ...)
	return command
}

// run starts the program and waits until it listens. It lives as long as the test, however long that takes.
func run(t *testing.T, environ []string, args ...string) *process {
	t.Helper()
	ctx, abort := context.WithCancel(context.Background())
	p := &process{t: t, command: commandUntil(ctx, environ, args), abort: abort, rest: make(chan string, 1)}
	t.Cleanup(func() {
		abort()
		_ = p.command.Wait() // the test may have done so
	})
	log, err := p.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	tooLate := time.AfterFunc(patience, abort)
	defer tooLate.Stop()
	lines := bufio.NewScanner(log)
	var before []string
	for p.address == "" && lines.Scan() {
		before = append(before, lines.Text())
		_, p.address, _ = strings.Cut(lines.Text(), "msg=listening address=")
	}
	if p.address == "" {
		t.Fatalf("does not listen: %s", strings.Join(before, "\n"))
	}
	go func() {
		var rest strings.Builder
		for lines.Scan() {
			rest.WriteString(lines.Text() + "\n")
		}
		p.rest <- rest.String()
	}()
	return p
}

func (p *process) signal(signal syscall.Signal) {
	p.t.Helper()
	if err := p.command.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
}

// exit waits for the end and returns the exit code and the rest of the log.
func (p *process) exit() (code int, log string) {
	p.t.Helper()
	tooLate := time.AfterFunc(patience, p.abort)
	defer tooLate.Stop()
	log = <-p.rest
	return exitCode(p.t, p.command.Wait()), log
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	failed, ok := errors.AsType[*exec.ExitError](err)
	if err != nil && !ok {
		t.Fatal(err)
	}
	if err == nil {
		return 0
	}
	return failed.ExitCode()
}

// join connects a client that skips negotiation and completes the handshake.
func join(t *testing.T, address string) *websocket.Conn {
	t.Helper()
	socket, _, err := websocket.Dial(t.Context(), address+"/chatHub", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.CloseNow() })
	send(t, socket, `{"protocol":"json","version":1}`)
	expect(t, socket, "{}\x1e")
	return socket
}

func send(t *testing.T, socket *websocket.Conn, message string) {
	t.Helper()
	if err := socket.Write(t.Context(), websocket.MessageText, []byte(message+"\x1e")); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, socket *websocket.Conn, want string) {
	t.Helper()
	if got, err := read(t, socket); err != nil || got != want {
		t.Fatalf("received %q, %v; want %q", got, err, want)
	}
}

func read(t *testing.T, socket *websocket.Conn) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, message, err := socket.Read(ctx)
	return string(message), err
}

func port(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestChatUntilASignal(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := run(t, nil, "--urls=http://127.0.0.1:0")
		socket := join(t, p.address)
		send(t, socket, `{"type":1,"target":"SendMessage","arguments":["ann","hello"]}`)
		expect(t, socket, `{"type":1,"target":"ReceiveMessage","arguments":["ann","hello","Server `+port(t, p.address)+`"]}`+"\x1e")
		p.signal(signal)
		expect(t, socket, `{"type":7,"allowReconnect":true}`+"\x1e")
		if _, err := read(t, socket); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
			t.Errorf("after the goodbye: %v", err)
		}
		if code, log := p.exit(); code != host.ExitDone {
			t.Errorf("%v: exit code %d: %s", signal, code, log)
		}
	}
}

func TestServerNameReplacesTheText(t *testing.T) {
	p := run(t, []string{"CHATCLUSTER_SERVER_NAME=north"}, "--urls=http://127.0.0.1:0")
	socket := join(t, p.address)
	send(t, socket, `{"type":1,"target":"SendMessage","arguments":["ann","hello"]}`)
	expect(t, socket, `{"type":1,"target":"ReceiveMessage","arguments":["ann","hello","north"]}`+"\x1e")
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	// The server goes on until load balancers had time: it is there for the second signal, however late that comes.
	p := run(t, nil, "--urls=http://127.0.0.1:0", "--drain-delay=10m", "--shutdown-timeout=20m")
	join(t, p.address)
	p.signal(syscall.SIGTERM)
	for deadline := time.Now().Add(patience); ; {
		response, err := http.Get(p.address + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode == http.StatusServiceUnavailable {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("still ready")
		}
	}
	p.signal(syscall.SIGINT)
	if code, _ := p.exit(); code != 128+int(syscall.SIGINT) {
		t.Errorf("exit code %d", code)
	}
}

func TestMistakesEndWithOneLine(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	address := "http://" + taken.Addr().String()
	tests := []struct {
		environ []string
		args    []string
		want    string
	}{
		{nil, []string{"--urls", address}, "hubserver: Urls (flag --urls): " + address + " is in use by another program; end that one or choose another port"},
		{nil, []string{"--keep-alive-interval=15x"}, `hubserver: KeepAliveInterval (flag --keep-alive-interval): "15x" is not allowed; allowed is a duration from 100ms to 24h, written 15s, 1m30s, 00:00:15 or in seconds`},
		{[]string{"CHATCLUSTER_HUB_NAME=a:b"}, nil, `hubserver: HubName (environment CHATCLUSTER_HUB_NAME): "a:b" is no name of a hub; allowed is one without colons and spaces, such as ChatHub`},
		{nil, []string{"--hub-path=/"}, "hubserver: HubPath (flag --hub-path): is the root of all paths, which is for the page; allowed is a path such as /chatHub"},
		{nil, []string{"--page-servers=localhost:5001"}, `hubserver: PageServers (flag --page-servers): "localhost:5001" is no server; allowed is a name and a URL, such as Server 1=http://localhost:5001`},
		{nil, []string{"page", "--page-servers=a=http://x,a=http://y"}, `hubserver: PageServers (flag --page-servers): `},
	}
	for _, test := range tests {
		var stderr bytes.Buffer
		command := command(t, test.environ, test.args...)
		command.Stderr = &stderr
		code := exitCode(t, command.Run())
		line := stderr.String()
		if code != host.ExitUsage || !strings.HasPrefix(line, test.want) || strings.Count(line, "\n") != 1 {
			t.Errorf("%v %v: exit code %d\ngot  %swant %s", test.environ, test.args, code, line, test.want)
		}
	}
}

func TestPageAloneAndBesideTheHub(t *testing.T) {
	if _, err := (&settings{}).pageHandler(); err != nil {
		t.Skip(err)
	}
	fetch := func(address string) (status int, body string) {
		response, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		content, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(content)
	}
	beside := run(t, nil, "--urls=http://127.0.0.1:0", "--page")
	alone := run(t, nil, "page", "--urls=http://127.0.0.1:0", "--page-servers=A=http://a:1,http://b:2/")
	for address, config := range map[string]string{
		beside.address: `{"servers":[{"name":"","url":""}],"hubPath":"/chatHub"}`,
		alone.address:  `{"servers":[{"name":"A","url":"http://a:1"},{"name":"b:2","url":"http://b:2/"}],"hubPath":"/chatHub"}`,
	} {
		if status, body := fetch(address + "/"); status != http.StatusOK || !strings.Contains(body, "<html") {
			t.Errorf("%s: %d %s", address, status, body)
		}
		if status, body := fetch(address + "/config.json"); status != http.StatusOK || body != config {
			t.Errorf("%s: %d %s", address, status, body)
		}
	}
	if status, _ := fetch(alone.address + "/chatHub"); status == http.StatusOK {
		t.Error("the page alone has a hub")
	}
	join(t, beside.address)
}
