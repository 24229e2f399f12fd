package signalr_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// traveller is a client with stateful reconnect, as Microsoft's are: when its socket ends without a close frame it opens another
// one at once, says where it goes on, and sends again what has not been acknowledged. It answers calls of its method Ask.
type traveller struct {
	t     testing.TB
	id    string
	token string
	query string
	// next chooses where it connects.
	next func() string
	// say sends a hub message. It is called with mu held.
	say func(ctx context.Context, text string)

	// mu guards what follows.
	mu     sync.Mutex
	socket *websocket.Conn
	// sent are the messages without acknowledgement, the first of which has the number first.
	sent  []string
	first int
	// current is the number of the message being read, latest the highest that was; bytes has each message by its number.
	current, latest int
	bytes           map[int]string
	// resuming is set from the opening of a socket until the server's Sequence.
	resuming bool
	// deliveries are the numbers that came, by the method's name.
	deliveries map[string][]int
	answers    map[string]chan message
	calls      int
	sockets    int
	fault      error
	// mayEnd is set when the session may end before the client does.
	mayEnd bool
	ended  chan struct{}
	stop   context.CancelFunc
}

// message is a hub message, as far as the tests want to know.
type message struct {
	Type         int
	InvocationID string
	Target       string
	Arguments    []any
	Result       json.RawMessage
	Error        string
	SequenceID   int
}

// travel connects a client with stateful reconnect.
func travel(t testing.TB, user string, next func() string) *traveller {
	t.Helper()
	c := introduce(t, user, next)
	c.say = c.send
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	must(t, c.open(ctx))
	must(t, c.socket.Write(ctx, websocket.MessageText, []byte(`{"protocol":"json","version":2}`+"\x1e")))
	_, reply, err := c.socket.Read(ctx)
	must(t, err)
	if string(reply) != "{}\x1e" {
		t.Fatalf("handshake: %s", reply)
	}
	go c.run(ctx)
	t.Cleanup(c.leave)
	return c
}

// introduce makes a client that has a token, and nothing else yet.
func introduce(t testing.TB, user string, next func() string) *traveller {
	t.Helper()
	c := &traveller{
		t: t, query: "&user=" + user, next: next, first: 1, bytes: map[int]string{},
		deliveries: map[string][]int{}, answers: map[string]chan message{}, ended: make(chan struct{}),
	}
	answer := negotiate(t, next())
	c.id, c.token = answer.ConnectionID, answer.ConnectionToken
	return c
}

// leave ends the client, and fails the test if it has seen anything that it must not.
func (c *traveller) leave() {
	c.t.Helper()
	c.stop()
	<-c.ended
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.socket != nil {
		_ = c.socket.CloseNow()
	}
	if c.fault != nil && !c.mayEnd {
		c.t.Errorf("client %s: %v", c.id, c.fault)
	}
}

func (c *traveller) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, c.next()+"?id="+c.token+c.query, nil)
	if err != nil {
		return err
	}
	socket.SetReadLimit(-1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.socket = socket
	c.sockets++
	return nil
}

func (c *traveller) run(ctx context.Context) {
	defer close(c.ended)
	for {
		err := c.read(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case websocket.CloseStatus(err) != -1:
			err = fmt.Errorf("a close frame came: %w", err)
		case errors.Is(err, io.EOF) || errors.Is(err, errCut):
			err = c.resume(ctx)
		}
		if err != nil && ctx.Err() == nil {
			c.mu.Lock()
			c.fault = err
			c.mu.Unlock()
			return
		}
	}
}

// resume opens another socket and sends again what has not been acknowledged. One failed attempt is the end, as for Microsoft's clients.
func (c *traveller) resume(ctx context.Context) error {
	if err := c.open(ctx); err != nil {
		return fmt.Errorf("the next socket was refused: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resuming = true
	resent := fmt.Sprintf(`{"type":9,"sequenceId":%d}`, c.first) + "\x1e" + strings.Join(c.sent, "")
	_ = c.socket.Write(ctx, websocket.MessageText, []byte(resent)) // if it is gone, reading says so
	return nil
}

var errCut = errors.New("the socket ended")

func (c *traveller) read(ctx context.Context) error {
	for {
		_, data, err := c.socket.Read(ctx)
		if err != nil {
			if websocket.CloseStatus(err) != -1 || ctx.Err() != nil {
				return err
			}
			return errCut
		}
		lines := bufio.NewScanner(strings.NewReader(string(data)))
		lines.Buffer(nil, len(data)+1)
		lines.Split(splitMessages)
		for lines.Scan() {
			if err := c.take(ctx, lines.Text()); err != nil {
				return err
			}
		}
	}
}

func splitMessages(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if at := bytes.IndexByte(data, 0x1e); at >= 0 {
		return at + 1, data[:at], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, fmt.Errorf("a WebSocket message ends within a hub message: %q", data)
	}
	return 0, nil, nil
}

func (c *traveller) take(ctx context.Context, text string) error {
	var m message
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case m.Type == 7:
		return fmt.Errorf("the server said goodbye: %s", text)
	case m.Type == 9:
		if m.SequenceID > c.latest+1 {
			return fmt.Errorf("the server goes on with %d, the last that came was %d", m.SequenceID, c.latest)
		}
		c.resuming, c.current = false, m.SequenceID-1
		return nil
	case c.resuming && m.Type != 6:
		return fmt.Errorf("before the server's Sequence came %s", text)
	case m.Type == 8:
		if last := c.first + len(c.sent) - 1; m.SequenceID > last {
			return fmt.Errorf("the server acknowledges %d, the last that was sent was %d", m.SequenceID, last)
		}
		if count := m.SequenceID - c.first + 1; count > 0 {
			c.sent, c.first = c.sent[count:], m.SequenceID+1
		}
		return nil
	case m.Type > 5:
		return nil
	}
	c.current++
	isNew := c.current > c.latest
	if before := c.bytes[c.current]; !isNew && before != text {
		return fmt.Errorf("message %d was %s and is %s now", c.current, before, text)
	}
	c.latest = max(c.latest, c.current)
	c.bytes[c.current] = text
	if c.current == c.latest && (!isNew || c.latest%7 == 0) { // the acknowledgement of what comes again has not arrived
		_ = c.socket.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":8,"sequenceId":%d}`+"\x1e", c.latest))
	}
	if !isNew {
		return nil
	}
	return c.act(ctx, m)
}

func (c *traveller) act(ctx context.Context, m message) error {
	switch {
	case m.Type == 3:
		answer := c.answers[m.InvocationID]
		if answer == nil {
			return fmt.Errorf("a second answer to call %s", m.InvocationID)
		}
		delete(c.answers, m.InvocationID)
		answer <- m
	case m.InvocationID != "":
		c.say(ctx, fmt.Sprintf(`{"type":3,"invocationId":%q,"result":%v}`, m.InvocationID, m.Arguments[0]))
	default:
		number, ok := m.Arguments[0].(float64)
		if !ok {
			return fmt.Errorf("no number came with %s", m.Target)
		}
		c.deliveries[m.Target] = append(c.deliveries[m.Target], int(number))
	}
	return nil
}

// send is called with mu held. What a socket does not take any more is sent again on the next one.
func (c *traveller) send(ctx context.Context, text string) {
	c.sent = append(c.sent, text+"\x1e")
	_ = c.socket.Write(ctx, websocket.MessageText, []byte(text+"\x1e"))
}

// call calls a hub method and returns its answer.
func (c *traveller) call(target string, arguments ...any) (message, error) {
	if arguments == nil {
		arguments = []any{}
	}
	encoded, err := json.Marshal(arguments)
	if err != nil {
		return message{}, err
	}
	answer := make(chan message, 1)
	c.mu.Lock()
	c.calls++
	id := fmt.Sprint(c.calls)
	c.answers[id] = answer
	c.say(context.Background(), fmt.Sprintf(`{"type":1,"invocationId":%q,"target":%q,"arguments":%s}`, id, target, encoded))
	c.mu.Unlock()
	select {
	case m := <-answer:
		return m, nil
	case <-c.ended:
		return message{}, fmt.Errorf("the client has ended: %w", c.fault)
	case <-time.After(3 * patience):
		return message{}, fmt.Errorf("no answer to %s", target)
	}
}

func (c *traveller) mustCall(target string, arguments ...any) json.RawMessage {
	c.t.Helper()
	m, err := c.call(target, arguments...)
	if err != nil || m.Error != "" {
		c.t.Fatalf("call %s: %v %s", target, err, m.Error)
	}
	return m.Result
}

// got returns the numbers that have come with a method.
func (c *traveller) got(target string) []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]int(nil), c.deliveries[target]...)
}

func (c *traveller) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fault
}

// opened returns how many sockets the client has had.
func (c *traveller) opened() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sockets
}

// cut ends the client's socket as a network does.
func (c *traveller) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.socket.CloseNow()
}
