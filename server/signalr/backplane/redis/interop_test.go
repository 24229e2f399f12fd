package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// These tests put a hub of this package and a real ASP.NET Core server on one Redis. They are skipped where that server is
// not at hand: REFERENCE names the program that starts it, by default shared/reference/aspnetcore/run beside the
// repository.

const (
	interopPrefix = "App_"
	interopHub    = "ConformanceHub"
)

// findReference skips the test when there is no reference server.
func findReference(t *testing.T) string {
	t.Helper()
	if program := os.Getenv("REFERENCE"); program != "" {
		return program
	}
	directory, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(directory, "go.mod")); err == nil {
			break
		}
		if directory == filepath.Dir(directory) {
			t.Skip("the repository's root was not found")
		}
		directory = filepath.Dir(directory)
	}
	program := filepath.Join(directory, "..", "shared", "reference", "aspnetcore", "run")
	if _, err := os.Stat(program); err != nil {
		t.Skip("the ASP.NET Core reference server is absent")
	}
	return program
}

// startReference returns the address of a reference server on redis.
func startReference(t *testing.T, redis *redistest.Server) string {
	t.Helper()
	program := findReference(t)
	port := strconv.Itoa(redistest.FreePort(t))
	address := net.JoinHostPort("127.0.0.1", port)
	command := exec.Command(program, port)
	command.Env = append(os.Environ(), "REDIS_CONNECTION="+redis.Address+",abortConnect=false", "CHANNEL_PREFIX="+interopPrefix)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	eventually(t, "the reference server is healthy", func() bool {
		_, err := get(t, "http://"+address+"/health")
		return err == nil
	})
	return address
}

func get(t *testing.T, address string) (string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(testContext(t), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %s", response.Status)
	}
	return strings.TrimSpace(string(body)), err
}

// hubMessage is what the tests look at in a message of the JSON hub protocol.
type hubMessage struct {
	Type         int               `json:"type"`
	Target       string            `json:"target,omitempty"`
	InvocationID string            `json:"invocationId,omitempty"`
	Arguments    []json.RawMessage `json:"arguments,omitempty"`
	Result       json.RawMessage   `json:"result,omitempty"`
	Error        string            `json:"error,omitempty"`
}

// client is a connection to the reference's conformance hub.
type client struct {
	conn        *websocket.Conn
	id          string
	lastCall    atomic.Int64
	received    chan hubMessage
	completions chan hubMessage
	ended       chan struct{}
}

func connect(t *testing.T, address, user string) *client {
	t.Helper()
	query := url.Values{}
	if user != "" {
		token, err := get(t, "http://"+address+"/token?user="+user)
		if err != nil {
			t.Fatal(err)
		}
		query.Set("access_token", token)
	}
	conn, _, err := websocket.Dial(testContext(t), "ws://"+address+"/conformance?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{conn: conn, received: make(chan hubMessage, 100), completions: make(chan hubMessage, 100), ended: make(chan struct{})}
	t.Cleanup(c.close)
	c.write(t, map[string]any{"protocol": "json", "version": 1})
	if _, answer, err := conn.Read(testContext(t)); err != nil || string(answer) != "{}\x1e" {
		t.Fatalf("handshake: %q, %v", answer, err)
	}
	go c.read()
	c.id = c.call(t, "ConnectionId")
	return c
}

func (c *client) close() {
	_ = c.conn.CloseNow()
	<-c.ended
}

func (c *client) read() {
	defer close(c.ended)
	for {
		_, data, err := c.conn.Read(context.Background())
		if err != nil {
			return
		}
		for record := range strings.SplitSeq(strings.TrimSuffix(string(data), "\x1e"), "\x1e") {
			var message hubMessage
			if err := json.Unmarshal([]byte(record), &message); err != nil {
				return
			}
			switch message.Type {
			case 1:
				c.received <- message
			case 3:
				c.completions <- message
			}
		}
	}
}

func (c *client) write(t *testing.T, message any) {
	t.Helper()
	if err := c.conn.Write(testContext(t), websocket.MessageText, frame(t, message)); err != nil {
		t.Fatal(err)
	}
}

func frame(t *testing.T, message any) []byte {
	t.Helper()
	encoded, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return append(encoded, 0x1e)
}

// begin calls a hub method; end waits for what it returns.
func (c *client) begin(t *testing.T, method string, arguments ...any) {
	t.Helper()
	if arguments == nil {
		arguments = []any{}
	}
	id := fmt.Sprint(c.lastCall.Add(1))
	c.write(t, map[string]any{"type": 1, "invocationId": id, "target": method, "arguments": arguments})
}

func (c *client) end(t *testing.T) (result string, err error) {
	t.Helper()
	completion := receiveFrom(t, "completion", c.completions)
	if completion.Error != "" {
		return "", errors.New(completion.Error)
	}
	if len(completion.Result) > 0 {
		if err := json.Unmarshal(completion.Result, &result); err != nil {
			t.Fatal(err)
		}
	}
	return result, nil
}

func (c *client) call(t *testing.T, method string, arguments ...any) string {
	t.Helper()
	c.begin(t, method, arguments...)
	result, err := c.end(t)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return result
}

func (c *client) expect(t *testing.T, text string) {
	t.Helper()
	message := receiveFrom(t, fmt.Sprintf("Receive(%s)", text), c.received)
	if message.Target != "Receive" || len(message.Arguments) != 1 || string(message.Arguments[0]) != fmt.Sprintf("%q", text) {
		t.Fatalf("got %s(%s), want Receive(%q)", message.Target, message.Arguments, text)
	}
}

// invocation is a call of Receive on clients.
func invocation(t *testing.T, text string, excluded ...string) backplane.Message {
	t.Helper()
	message := hubMessage{Type: 1, Target: "Receive", Arguments: []json.RawMessage{json.RawMessage(fmt.Sprintf("%q", text))}}
	return backplane.Message{Excluded: excluded, Encodings: []backplane.Encoding{{Protocol: "json", Frame: frame(t, message)}}}
}

// interop is a hub of ours on one Redis with the reference.
type interop struct {
	reference string
	receiver  *recorder
	hub       backplane.Hub
	joined    chan string
}

func startInterop(t *testing.T) *interop {
	t.Helper()
	redis := redistest.Start(t)
	i := &interop{reference: startReference(t, redis), receiver: newRecorder(), joined: make(chan string, 10)}
	i.receiver.onGroup = func(ctx context.Context, add bool, connectionID, group string) (bool, error) {
		local, err := member(&i.hub, "ours")(ctx, add, connectionID, group)
		if local {
			i.joined <- fmt.Sprintf("%t %s", add, group)
		}
		return local, err
	}
	plane := startPlane(t, redis.Address, func(o *Options) { o.ChannelPrefix = interopPrefix })
	opened, err := plane.Open(interopHub, i.receiver)
	if err != nil {
		t.Fatal(err)
	}
	i.hub = opened
	if err := i.hub.Subscribe(testContext(t), toConnection("ours"), toUser("our user"), toGroup("our:group")); err != nil {
		t.Fatal(err)
	}
	return i
}

func (i *interop) publish(t *testing.T, target backplane.Target, message backplane.Message) {
	t.Helper()
	if err := i.hub.Publish(testContext(t), target, message); err != nil {
		t.Fatal(err)
	}
}

// expect waits for an invocation of Receive that the reference sent.
func (i *interop) expect(t *testing.T, target backplane.Target, text string, excluded ...string) {
	t.Helper()
	got := receiveFrom(t, fmt.Sprintf("message %q of the reference", text), i.receiver.deliveries)
	names := make([]string, len(got.message.Encodings))
	for n, encoding := range got.message.Encodings {
		names[n] = encoding.Protocol
		if encoding.Protocol == "json" && !strings.Contains(string(encoding.Frame), fmt.Sprintf(`"arguments":[%q]}`, text)+"\x1e") {
			t.Errorf("frame %q", encoding.Frame)
		}
	}
	slices.Sort(names)
	if got.target != target || !slices.Equal(names, []string{"json", "messagepack"}) || !slices.Equal(got.message.Excluded, excluded) {
		t.Errorf("delivered %s, want %q for %v excluding %q", got, text, target, excluded)
	}
}

func TestMessagesReachClientsOfASPNETCore(t *testing.T) {
	i := startInterop(t)
	ann, bob := connect(t, i.reference, "ann"), connect(t, i.reference, "bob")
	i.publish(t, toAll, invocation(t, "to all"))
	ann.expect(t, "to all")
	bob.expect(t, "to all")
	i.publish(t, toAll, invocation(t, "to all but ann", ann.id, "nobody"))
	bob.expect(t, "to all but ann")
	i.publish(t, toUser("ann"), invocation(t, "to user ann"))
	ann.expect(t, "to user ann")
	i.publish(t, toConnection(bob.id), invocation(t, "to connection bob"))
	bob.expect(t, "to connection bob")

	ann.call(t, "JoinGroup", "their:group *")
	bob.call(t, "JoinGroup", "their:group *")
	i.publish(t, toGroup("their:group *"), invocation(t, "to group"))
	ann.expect(t, "to group")
	bob.expect(t, "to group")
	i.publish(t, toGroup("their:group *"), invocation(t, "to group but bob", bob.id))
	ann.expect(t, "to group but bob")
	i.publish(t, toAll, invocation(t, "end"))
	ann.expect(t, "end")
	bob.expect(t, "end")
}

func TestMessagesOfASPNETCoreArrive(t *testing.T) {
	i := startInterop(t)
	theirs := connect(t, i.reference, "")
	theirs.call(t, "Broadcast", "to all")
	i.expect(t, toAll, "to all")
	theirs.call(t, "BroadcastExcept", []string{"ours", "x"}, "to all but us")
	i.expect(t, toAll, "to all but us", "ours", "x")
	theirs.call(t, "BroadcastOthers", "to others")
	i.expect(t, toAll, "to others", theirs.id)
	theirs.call(t, "SendGroup", "our:group", "to group")
	i.expect(t, toGroup("our:group"), "to group")
	theirs.call(t, "SendGroupExcept", "our:group", []string{"ours"}, "to group but us")
	i.expect(t, toGroup("our:group"), "to group but us", "ours")
	theirs.call(t, "SendUser", "our user", "to user")
	i.expect(t, toUser("our user"), "to user")
	theirs.call(t, "SendClient", "ours", "to connection")
	i.expect(t, toConnection("ours"), "to connection")
}

func TestGroupsOfASPNETCoreClientsChangeFromHere(t *testing.T) {
	i := startInterop(t)
	theirs := connect(t, i.reference, "")
	if err := i.hub.AddToGroup(testContext(t), theirs.id, "g"); err != nil {
		t.Fatal(err)
	}
	i.publish(t, toGroup("g"), invocation(t, "in"))
	theirs.expect(t, "in")
	if err := i.hub.RemoveFromGroup(testContext(t), theirs.id, "g"); err != nil {
		t.Fatal(err)
	}
	i.publish(t, toGroup("g"), invocation(t, "out"))
	i.publish(t, toAll, invocation(t, "after"))
	theirs.expect(t, "after")
}

func TestGroupsOfOurClientsChangeFromASPNETCore(t *testing.T) {
	i := startInterop(t)
	theirs := connect(t, i.reference, "")
	theirs.call(t, "JoinGroupFor", "ours", "g")
	if joined := receiveFrom(t, "command", i.joined); joined != "true g" {
		t.Errorf("command %q", joined)
	}
	theirs.call(t, "SendGroup", "g", "in")
	i.expect(t, toGroup("g"), "in")
	theirs.call(t, "LeaveGroupFor", "ours", "g")
	if left := receiveFrom(t, "command", i.joined); left != "false g" {
		t.Errorf("command %q", left)
	}
}

func TestClientResultsOfASPNETCoreClients(t *testing.T) {
	i := startInterop(t)
	theirs := connect(t, i.reference, "")
	ask := func() string {
		id, returnTo := i.hub.NewInvocation()
		question := hubMessage{Type: 1, InvocationID: id, Target: "Ask", Arguments: []json.RawMessage{[]byte(`"why?"`)}}
		message := backplane.Message{Encodings: []backplane.Encoding{{Protocol: "json", Frame: frame(t, question)}}, InvocationID: id, ReturnTo: returnTo}
		i.publish(t, toConnection(theirs.id), message)
		if got := receiveFrom(t, "question", theirs.received); got.InvocationID != id || got.Target != "Ask" {
			t.Fatalf("the client was asked %+v", got)
		}
		return id
	}
	answer := func() hubMessage {
		completion := receiveFrom(t, "answer", i.receiver.completions)
		var message hubMessage
		if err := json.Unmarshal([]byte(strings.TrimSuffix(string(completion.frame), "\x1e")), &message); err != nil || completion.protocol != "json" {
			t.Fatalf("%s %q: %v", completion.protocol, completion.frame, err)
		}
		return message
	}
	id := ask()
	theirs.write(t, hubMessage{Type: 3, InvocationID: id, Result: []byte(`"because"`)})
	if got := answer(); got.Type != 3 || got.InvocationID != id || string(got.Result) != `"because"` {
		t.Errorf("answer %+v", got)
	}
	id = ask()
	theirs.write(t, hubMessage{Type: 3, InvocationID: id, Error: "no idea"})
	if got := answer(); got.InvocationID != id || got.Error != "no idea" {
		t.Errorf("answer %+v", got)
	}
	id = ask()
	theirs.close()
	if got := answer(); got.InvocationID != id || got.Error != "Connection disconnected." {
		t.Errorf("answer %+v", got)
	}
}

func TestClientResultsOfOurClients(t *testing.T) {
	i := startInterop(t)
	theirs := connect(t, i.reference, "")
	for _, completion := range []hubMessage{{Result: []byte(`"because"`)}, {Error: "no idea"}} {
		theirs.begin(t, "Ask", "ours", "why?")
		got := receiveFrom(t, "question", i.receiver.deliveries)
		if got.target != toConnection("ours") || got.message.InvocationID == "" || got.message.ReturnTo == "" {
			t.Fatalf("asked %+v", got)
		}
		completion.Type, completion.InvocationID = 3, got.message.InvocationID
		if err := i.hub.Return(testContext(t), got.message.ReturnTo, "json", frame(t, completion)); err != nil {
			t.Fatal(err)
		}
		result, err := theirs.end(t)
		if completion.Error == "" && (err != nil || result != "because") {
			t.Errorf("result %q, %v", result, err)
		}
		if completion.Error != "" && (err == nil || !strings.Contains(err.Error(), "no idea")) {
			t.Errorf("result %q, %v", result, err)
		}
	}
	theirs.begin(t, "Ask", "nobody", "why?")
	if _, err := theirs.end(t); err == nil {
		t.Error("nobody answered")
	}
}
