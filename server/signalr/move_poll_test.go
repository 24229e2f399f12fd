package signalr_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// pollAround connects a client by long polling. As Microsoft's it sends one POST at a time, and polls again as soon as it has the answer to
// a poll; any answer but 200 is its end.
func pollAround(t testing.TB, user string, next func() string) *traveller {
	t.Helper()
	c := introduce(t, user, next)
	posts := make(chan string, 1024)
	c.say = func(_ context.Context, text string) { posts <- text + "\x1e" }
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	_, err := c.request(ctx, http.MethodGet, "") // it only opens the connection
	must(t, err)
	_, err = c.request(ctx, http.MethodPost, `{"protocol":"json","version":1}`+"\x1e")
	must(t, err)
	reply, err := c.request(ctx, http.MethodGet, "")
	must(t, err)
	if reply != "{}\x1e" {
		t.Fatalf("handshake: %s", reply)
	}
	posted := make(chan struct{})
	go func() {
		defer close(posted)
		c.post(ctx, posts)
	}()
	go func() {
		defer close(c.ended)
		c.poll(ctx)
		stop()
		<-posted
	}()
	t.Cleanup(func() {
		c.leave()
		_, _, _ = c.requestAt(context.Background(), c.next(), http.MethodDelete, "") // as Microsoft's: it spares servers the wait
	})
	return c
}

var errStatus = errors.New("the answer is no 200")

func (c *traveller) request(ctx context.Context, method, body string) (string, error) {
	status, text, err := c.requestAt(ctx, c.next(), method, body)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%w: %s got %d %s", errStatus, method, status, text)
	}
	return text, err
}

func (c *traveller) requestAt(ctx context.Context, address, method, body string) (status int, text string, err error) {
	request, err := http.NewRequestWithContext(ctx, method, address+"?id="+c.token+c.query, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, string(answer), err
}

// failWith notes why the client ends, if the test does not end it.
func (c *traveller) failWith(ctx context.Context, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && ctx.Err() == nil && c.fault == nil {
		c.fault = err
	}
}

func (c *traveller) post(ctx context.Context, posts <-chan string) {
	for {
		select {
		case <-ctx.Done():
			return
		case text := <-posts:
			for more := len(posts); more > 0; more-- { // what has come meanwhile goes along
				text += <-posts
			}
			if _, err := c.request(ctx, http.MethodPost, text); err != nil {
				c.failWith(ctx, err)
				c.stop()
				return
			}
		}
	}
}

func (c *traveller) poll(ctx context.Context) {
	for {
		text, err := c.request(ctx, http.MethodGet, "")
		c.mu.Lock()
		c.sockets++
		c.mu.Unlock()
		if err == nil {
			err = c.hear(ctx, text)
		}
		if err != nil {
			c.failWith(ctx, err)
			return
		}
	}
}

func (c *traveller) hear(ctx context.Context, text string) error {
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	lines.Split(splitMessages)
	for lines.Scan() {
		var m message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return err
		}
		if m.Type != 1 && m.Type != 3 {
			return fmt.Errorf("the server says %s", lines.Text())
		}
		c.mu.Lock()
		err := c.act(ctx, m)
		c.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return lines.Err()
}

// startSwitchedPolls starts two servers and a client by long polling at the first; trouble changes the second.
func startSwitchedPolls(t *testing.T, trouble func(*nodeOptions)) *switched {
	t.Helper()
	options := nodeOptions{redis: redistest.Start(t), mode: redis.ModePubSub}
	s := &switched{nodes: []*node{startNode(t, options)}}
	trouble(&options)
	s.nodes = append(s.nodes, startNode(t, options))
	s.client = pollAround(t, "ann", func() string { return s.nodes[s.at.Load()].address() })
	return s
}

func TestALongPollingConnectionMovesToTheServerOfItsNextPoll(t *testing.T) {
	s := startSwitchedPolls(t, func(*nodeOptions) {})
	if got := string(s.client.mustCall("Count")); got != "[1,1]" {
		t.Fatalf("the first call counts %s", got)
	}
	s.client.mustCall("Join", "room")
	s.publishAround(t, func() {
		s.sendTo(t, 1)
		s.expectAt(t, 1)
	})
	if got := string(s.client.mustCall("Count")); got != "[2,1]" {
		t.Errorf("the second call counts %s", got)
	}
	if got, want := string(s.client.mustCall("Who")), fmt.Sprintf(`["%s","ann"]`, s.client.id); got != want {
		t.Errorf("the server knows %s, want %s", got, want)
	}
	must(t, s.nodes[0].hub.Clients().Group("room").Send(t.Context(), "Group", 1))
	must(t, s.nodes[0].hub.Clients().User("ann").Send(t.Context(), "User", 1))
	for _, target := range []string{"Group", "User"} {
		eventually(t, target+" comes", func() bool { return len(s.client.got(target)) == 1 })
	}
	eventually(t, "the old server forgets it", func() bool { return s.nodes[0].hub.Connections() == 0 && s.nodes[0].server.Connections() == 0 })
}

// Without a reason a poll is only passed on, and nobody asks for the connection.
func TestALongPollingConnectionThatIsWantedStays(t *testing.T) {
	s := startSwitchedPolls(t, func(*nodeOptions) {})
	s.at.Store(1)
	for range 5 {
		s.client.mustCall("Count")
	}
	s.nodes[1].moves.mu.Lock()
	defer s.nodes[1].moves.mu.Unlock()
	if !s.nodes[0].owns(s.client.id) || len(s.nodes[1].moves.outcomes) > 0 {
		t.Errorf("the other server tried to take the connection: %v", s.nodes[1].moves.outcomes)
	}
}

func TestAServerThatIsEmptiedTakesNoLongPollingConnection(t *testing.T) {
	s := startSwitchedPolls(t, func(*nodeOptions) {})
	s.nodes[1].server.GiveAway(true)
	s.sendTo(t, 1)
	s.client.mustCall("Count")
	if !s.nodes[0].owns(s.client.id) {
		t.Error("the connection went to a server that is emptied")
	}
}

func TestALongPollingConnectionWhoseMethodRunsIsForwardedAndMovesLater(t *testing.T) {
	s := startSwitchedPolls(t, func(*nodeOptions) {})
	answered := make(chan message, 1)
	go func() {
		m, err := s.client.call("Hold")
		if err != nil {
			t.Error(err)
		}
		answered <- m
	}()
	<-s.nodes[0].calls.entered
	s.nodes[0].server.GiveAway(true)
	s.sendTo(t, 1)
	eventually(t, "it is found busy", func() bool { return s.nodes[1].moves.count(cluster.RefusedBusy) >= 1 })
	close(s.nodes[0].calls.release)
	if m := <-answered; string(m.Result) != `"held"` {
		t.Errorf("the answer is %s %s", m.Result, m.Error)
	}
	s.expectAt(t, 1)
	if got := string(s.client.mustCall("Count")); got != "[1,1]" {
		t.Errorf("the call counts %s", got)
	}
}

// moveWhile moves the connection to the second server, and lets meanwhile go on when the first has prepared it.
func moveWhile(t *testing.T, meanwhile func(s *switched, release func())) *switched {
	t.Helper()
	held, release := make(chan struct{}, 1), make(chan struct{})
	s := startSwitchedPolls(t, func(o *nodeOptions) {
		o.network = func(n cluster.Network) cluster.Network {
			return troubledNetwork{n, func(step cluster.Step) error {
				if step == cluster.StepState {
					held <- struct{}{}
					<-release
				}
				return nil
			}}
		}
	})
	s.sendTo(t, 1)
	<-held
	meanwhile(s, func() { close(release) })
	return s
}

// A client of long polling repeats nothing: what it has begun to send before the move, and what it sends during the move to the old
// server, is acted on once, by the new one.
func TestWhatIsPostedAroundAMoveTakesEffectOnce(t *testing.T) {
	ctx := t.Context()
	const call = `{"type":1,"target":"Count","arguments":[]}` + "\x1e"
	s := startSwitchedPolls(t, func(*nodeOptions) {})
	post := func(at int, body string) {
		t.Helper()
		if status, text, err := s.client.requestAt(ctx, s.nodes[at].address(), http.MethodPost, body); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s %v", status, text, err)
		}
	}
	post(0, call+call[:20])
	s.sendTo(t, 1)
	s.expectAt(t, 1)
	post(0, call[20:])
	if got := string(s.client.mustCall("Count")); got != "[3,1]" {
		t.Errorf("the last call counts %s", got)
	}

	s = moveWhile(t, func(s *switched, release func()) {
		posted := make(chan error, 2)
		for _, n := range s.nodes {
			go func() {
				status, text, err := s.client.requestAt(ctx, n.address(), http.MethodPost, call)
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("%w: %d %s", errStatus, status, text)
				}
				posted <- err
			}()
		}
		select {
		case err := <-posted:
			t.Errorf("a POST was answered during the move: %v", err)
			posted <- err
		case <-time.After(100 * time.Millisecond):
		}
		release()
		must(t, <-posted)
		must(t, <-posted)
	})
	s.expectAt(t, 1)
	if got := string(s.client.mustCall("Count")); got != "[3,1]" {
		t.Errorf("the last call counts %s", got)
	}
}

func TestADeleteDuringAMoveEndsTheConnectionWhereverItIsThen(t *testing.T) {
	s := moveWhile(t, func(s *switched, release func()) {
		deleted := make(chan int, 1)
		go func() {
			status, _, err := s.client.requestAt(t.Context(), s.nodes[0].address(), http.MethodDelete, "")
			if err != nil {
				t.Error(err)
			}
			deleted <- status
		}()
		select {
		case status := <-deleted:
			t.Errorf("it was answered with %d during the move", status)
			deleted <- status
		case <-time.After(100 * time.Millisecond):
		}
		release()
		if status := <-deleted; status != http.StatusAccepted {
			t.Errorf("it was answered with %d", status)
		}
	})
	<-s.client.ended
	// Its poll is under way or, for a moment, it has none: then the next one finds no connection.
	if fault := fmt.Sprint(s.client.fault); !strings.Contains(fault, "GET got 204") && !strings.Contains(fault, "GET got 404") {
		t.Errorf("the client ends with %s", fault)
	}
	s.client.fault = nil
	for at, n := range s.nodes {
		eventually(t, fmt.Sprintf("server %d has nothing", at), func() bool { return n.hub.Connections() == 0 && !n.owns(s.client.id) })
	}
}

func TestMovesOfLongPollingLoseAndDoubleNothingUnderLoad(t *testing.T) {
	for _, mode := range redis.Modes() {
		t.Run(string(mode), func(t *testing.T) { testMovesUnderLoad(t, mode, pollAround, 4, 2*time.Second) })
	}
}
