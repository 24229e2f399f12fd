package stateful

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/chatcluster/chatcluster/server/chat"
	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/protocol"
)

const patience = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is an Observer that keeps all it is told.
type recorder struct {
	protocol protocol.Protocol

	mu      sync.Mutex // guards what follows
	changed chan struct{}
	joined  int
	left    []error
	ended   int
	heard   []string
	answers map[int64]error
}

func newRecorder(p protocol.Protocol) *recorder {
	return &recorder{protocol: p, changed: make(chan struct{}), answers: map[int64]error{}}
}

func (r *recorder) note(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) Joined()            { r.note(func() { r.joined++ }) }
func (r *recorder) Left(reason error)  { r.note(func() { r.left = append(r.left, reason) }) }
func (r *recorder) Opened(http.Header) {}
func (r *recorder) SocketEnded()       { r.note(func() { r.ended++ }) }
func (r *recorder) Answered(id int64, err error) {
	r.note(func() { r.answers[id] = err })
}

func (r *recorder) Heard(text, _ protocol.Raw) {
	var words string
	if err := r.protocol.Unmarshal(text, &words); err != nil {
		words = err.Error()
	}
	r.note(func() { r.heard = append(r.heard, words) })
}

// await returns when the condition holds, which is asked under the lock.
func (r *recorder) await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.After(patience); ; {
		r.mu.Lock()
		holds, changed := condition(), r.changed
		r.mu.Unlock()
		if holds {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// relay is a TCP proxy whose connections can be ended, and that can refuse new ones.
type relay struct {
	listener net.Listener
	to       string
	work     sync.WaitGroup

	mu     sync.Mutex // guards conns
	conns  []net.Conn
	refuse bool
}

func newRelay(t *testing.T, to string) *relay {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: listener, to: to}
	r.work.Go(r.accept)
	t.Cleanup(func() {
		listener.Close()
		r.cut(true)
		r.work.Wait()
	})
	return r
}

func (r *relay) accept() {
	for {
		from, err := r.listener.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", r.to)
		if err != nil {
			from.Close()
			continue
		}
		r.mu.Lock()
		refused := r.refuse
		r.conns = append(r.conns, from, to)
		r.mu.Unlock()
		if refused {
			from.Close()
			to.Close()
			continue
		}
		for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
			r.work.Go(func() {
				_, _ = io.Copy(way[0], way[1])
				way[0].Close()
				way[1].Close()
			})
		}
	}
}

// cut ends all connections; refuse says what becomes of those that follow.
func (r *relay) cut(refuse bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = refuse
	for _, conn := range r.conns {
		conn.Close()
	}
	r.conns = nil
}

// serve is a chat hub behind a relay.
func serve(t *testing.T) (*relay, *signalr.Server) {
	t.Helper()
	server, err := signalr.NewServer(signalr.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	hub, err := server.Hub(chat.DefaultName, &chat.Hub{ServerName: "one"}, signalr.HubOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	endpoint := hub.Endpoint(signalr.EndpointOptions{AllowStatefulReconnects: true})
	mux.Handle("/chatHub", endpoint)
	mux.Handle("/chatHub/", endpoint)
	listener := httptest.NewServer(mux)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("shutting down: %v", err)
		}
		listener.Close()
	})
	return newRelay(t, listener.Listener.Addr().String()), server
}

// join runs a client until the test ends.
func join(t *testing.T, through *relay, p protocol.Protocol) (*Client, *recorder) {
	t.Helper()
	seen := newRecorder(p)
	client, err := New(Options{URL: "http://" + through.listener.Addr().String() + "/chatHub", Protocol: p, User: "ann", Observer: seen})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { client.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	seen.await(t, "the first session", func() bool { return seen.joined == 1 })
	return client, seen
}

func TestAClientWhoseSocketsEndLosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	for _, p := range []protocol.Protocol{protocol.JSON{}, protocol.MessagePack{}} {
		t.Run(p.Name(), func(t *testing.T) {
			t.Parallel()
			through, _ := serve(t)
			client, seen := join(t, through, p)
			const calls, cuts = 300, 10
			for id := range int64(calls) {
				if err := client.Say(id, fmt.Sprint("word ", id)); err != nil {
					t.Fatal(err)
				}
				switch id % (calls / cuts) {
				case calls / cuts / 2:
					// A socket that is not open yet must not be cut: that would be an attempt that fails.
					seen.await(t, "the answer", func() bool { _, answered := seen.answers[id]; return answered })
				case calls/cuts/2 + 4:
					through.cut(false) // calls before and after this are under way
				}
			}
			seen.await(t, "all answers and words", func() bool { return len(seen.answers) == calls && len(seen.heard) >= calls })
			seen.mu.Lock()
			defer seen.mu.Unlock()
			for i, text := range seen.heard {
				if want := fmt.Sprint("word ", i); text != want {
					t.Fatalf("heard %q in place of %q", text, want)
				}
			}
			for id, err := range seen.answers {
				if err != nil {
					t.Errorf("call %d failed: %v", id, err)
				}
			}
			if len(seen.left) > 0 || seen.joined != 1 || len(seen.heard) != calls || seen.ended != cuts {
				t.Errorf("%d sessions, %d words, %d sockets ended, left: %v", seen.joined, len(seen.heard), seen.ended, seen.left)
			}
		})
	}
}

// A server that goes on at once sends messages together with its answer to the handshake. They are counted, too.
func TestWhatComesWithTheHandshakeIsHeardOnce(t *testing.T) {
	t.Parallel()
	heard := func(text string) string {
		return `{"type":1,"target":"ReceiveMessage","arguments":["ann","` + text + `","one"]}` + "\x1e"
	}
	sockets := make(chan string, 2)
	sockets <- "{}\x1e" + heard("early")
	sockets <- `{"type":9,"sequenceId":1}` + "\x1e" + heard("early") + heard("late")
	mux := http.NewServeMux()
	mux.HandleFunc("/chatHub/negotiate", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"connectionToken":"t","useStatefulReconnect":true}`)
	})
	mux.HandleFunc("/chatHub", func(w http.ResponseWriter, r *http.Request) {
		socket, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer socket.CloseNow()
		if _, _, err := socket.Read(r.Context()); err != nil {
			return
		}
		if err := socket.Write(r.Context(), websocket.MessageText, []byte(<-sockets)); err == nil && len(sockets) == 0 {
			_, _, _ = socket.Read(r.Context()) // the last one stays
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	_, seen := join(t, newRelay(t, server.Listener.Addr().String()), protocol.JSON{})
	seen.await(t, "the last word", func() bool { return slices.Contains(seen.heard, "late") })
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if !slices.Equal(seen.heard, []string{"early", "late"}) {
		t.Errorf("heard %q", seen.heard)
	}
}

func TestAnAttemptThatFailsEndsTheSessionAndItsCalls(t *testing.T) {
	t.Parallel()
	through, _ := serve(t)
	client, seen := join(t, through, protocol.JSON{})
	through.cut(true)
	seen.await(t, "the end of the session", func() bool { return len(seen.left) == 1 })
	if err := client.Say(1, "nobody hears"); !errors.Is(err, ErrAway) {
		t.Errorf("a call without a session: %v", err)
	}
	through.cut(false)
	seen.await(t, "another session", func() bool { return seen.joined == 2 })
	if err := client.Say(2, "back"); err != nil {
		t.Fatal(err)
	}
	seen.await(t, "the word", func() bool { return len(seen.heard) == 1 && len(seen.answers) == 1 })
}

func TestCallsUnderWayFailWithTheSession(t *testing.T) {
	t.Parallel()
	client := &Client{options: Options{Observer: newRecorder(protocol.JSON{})}, joined: true, calls: map[int64]struct{}{7: {}}}
	client.end(errCloseFrame)
	seen := client.options.Observer.(*recorder)
	if err := seen.answers[7]; !errors.Is(err, errCloseFrame) {
		t.Errorf("the call ends with %v", err)
	}
}

func TestACloseOfTheServerEndsTheSession(t *testing.T) {
	t.Parallel()
	through, server := serve(t)
	_, seen := join(t, through, protocol.MessagePack{})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	seen.await(t, "the end of the session", func() bool { return len(seen.left) == 1 })
	if err := seen.left[0]; !strings.Contains(err.Error(), "Close") {
		t.Errorf("the session ended with %v", err)
	}
}

func TestWhatNegotiationRefusesIsNamed(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"/none":      "404",
		"/error":     "no more seats",
		"/stateless": "no stateful reconnect",
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/error/negotiate", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"error":"no more seats"}`) })
	mux.HandleFunc("/stateless/negotiate", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"connectionToken":"t"}`) })
	server := httptest.NewServer(mux)
	defer server.Close()
	for path, want := range answers {
		to, err := parseTarget(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := to.negotiate(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want %q in it", path, err, want)
		}
	}
	for _, text := range []string{"https://h:1/x", "http://h/x", "http://h:1/x?q", "\x00"} {
		if _, err := New(Options{URL: text}); err == nil {
			t.Errorf("hub URL %q accepted", text)
		}
	}
}
