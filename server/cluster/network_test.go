package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/transport/pipetest"
)

// keyOf returns a cluster key.
func keyOf(letter string) []byte { return []byte(strings.Repeat(letter, MinimumKeySize)) }

func mustKeys(t *testing.T, current []byte, others ...[]byte) *Keys {
	t.Helper()
	keys, err := NewKeys(current, others...)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// owner is a server with a peer listener, which owns the connection "c".
type owner struct {
	peer   Peer
	member *Member
	server *http.Server
}

func startOwner(t *testing.T, keys *Keys, forwarded http.HandlerFunc) *owner {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	self := Peer{Instance: "machine_owner", Address: socket.Addr().String()}
	o := &owner{peer: self, member: NewMember(MemberOptions{Self: self, Directory: newSimulatedDirectory(), Network: &simulatedNetwork{}})}
	o.member.own("c", 1)
	o.server = o.member.Server(keys, forwarded)
	served := make(chan struct{})
	go func() {
		_ = o.server.ServeTLS(socket, "", "")
		close(served)
	}()
	t.Cleanup(func() {
		_ = o.server.Close()
		<-served
		o.member.Close(context.Background())
	})
	return o
}

func newTestNetwork(t *testing.T, keys *Keys, machine string) *HTTPNetwork {
	t.Helper()
	network := NewNetwork(Peer{Instance: machine + "_other"}, keys, slog.New(slog.DiscardHandler))
	t.Cleanup(network.Close)
	return network
}

func notForwarded(t *testing.T) http.HandlerFunc {
	return func(http.ResponseWriter, *http.Request) { t.Error("a request was served") }
}

func TestOnlyServersOfTheClusterGetIn(t *testing.T) {
	o := startOwner(t, mustKeys(t, keyOf("k")), notForwarded(t))
	stranger := newTestNetwork(t, mustKeys(t, keyOf("s")), "machine")
	if _, err := stranger.Owns(t.Context(), o.peer, "c"); !errors.Is(err, errStranger) {
		t.Errorf("the stranger trusts the server: %v", err)
	}
	// A client that does not care who the server is, with a certificate of its own and without any.
	for _, certificates := range [][]tls.Certificate{{*mustKeys(t, keyOf("s")).certificate()}, nil} {
		web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: certificates}}}
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+o.peer.Address+ownerPath, nil)
		request.Header.Set(instanceHeader, o.peer.Instance)
		if response, err := web.Do(request); err == nil {
			_ = response.Body.Close()
			t.Errorf("a stranger was answered with %d", response.StatusCode)
		}
		web.CloseIdleConnections()
	}
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+o.peer.Address+ownerPath, nil)
	if response, err := http.DefaultClient.Do(request); err == nil {
		_ = response.Body.Close()
		if response.StatusCode != http.StatusBadRequest {
			t.Errorf("without TLS: %d", response.StatusCode)
		}
	}
}

func TestTwoKeysAreValidWhileTheKeyIsExchanged(t *testing.T) {
	before, during, after := mustKeys(t, keyOf("a")), mustKeys(t, keyOf("b"), keyOf("a")), mustKeys(t, keyOf("b"))
	for name, test := range map[string]struct {
		server, client *Keys
		works          bool
	}{
		"old server, new client":   {before, during, false}, // first let all know the new key, then use it
		"next key known to both":   {mustKeys(t, keyOf("a"), keyOf("b")), during, true},
		"old client, new server":   {mustKeys(t, keyOf("a"), keyOf("b")), before, true},
		"previous key forgotten":   {after, before, false},
		"previous key still known": {during, mustKeys(t, keyOf("a"), keyOf("b")), true},
	} {
		t.Run(name, func(t *testing.T) {
			o := startOwner(t, test.server, notForwarded(t))
			owns, err := newTestNetwork(t, test.client, "machine").Owns(t.Context(), o.peer, "c")
			if works := err == nil && owns; works != test.works {
				t.Errorf("works: %v (%v)", works, err)
			}
		})
	}
}

func TestAnswersOfTheWrongServerAreNone(t *testing.T) {
	keys := mustKeys(t, keyOf("k"))
	o := startOwner(t, keys, notForwarded(t))
	network := newTestNetwork(t, keys, "machine")
	if owns, err := network.Owns(t.Context(), o.peer, "d"); owns || err != nil {
		t.Errorf("unknown connection: %v, %v", owns, err)
	}
	recorder := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodGet, "/hub?id=t", nil)
	if err := network.Forward(recorder, request, o.peer, "d", false); !errors.Is(err, ErrNotOwner) {
		t.Errorf("forward an unknown connection: %v", err)
	}
	former := Peer{Instance: "machine_former", Address: o.peer.Address}
	if err := network.Forward(recorder, request, former, "c", false); !errors.Is(err, ErrGone) {
		t.Errorf("forward to the server that was there before: %v", err)
	}
	if len(recorder.Body.Bytes()) > 0 || len(recorder.Result().Header) > 0 {
		t.Errorf("something was answered: %v %q", recorder.Result().Header, recorder.Body)
	}
}

// busyListener is that of a server which takes connections, and then finds no time for them for a while.
type busyListener struct {
	*pipetest.Network
	busy time.Duration
}

func (l busyListener) Accept() (net.Conn, error) {
	conn, err := l.Network.Accept()
	return &busyConn{Conn: conn, busy: l.busy}, err
}

type busyConn struct {
	net.Conn
	busy time.Duration
	once sync.Once
}

func (c *busyConn) Read(buffer []byte) (int, error) {
	c.once.Do(func() { time.Sleep(c.busy) })
	return c.Conn.Read(buffer)
}

func TestAServerThatIsBusyIsNotTakenForOneThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys, self := mustKeys(t, keyOf("k")), Peer{Instance: "machine_owner", Address: "owner:1"}
		member := NewMember(MemberOptions{Self: self, Directory: newSimulatedDirectory(), Network: &simulatedNetwork{}})
		defer member.Close(context.Background())
		member.own("c", 1)
		pipes, server := pipetest.New(), member.Server(keys, notForwarded(t))
		go func() { _ = server.ServeTLS(busyListener{pipes, 4 * time.Second}, "", "") }()
		defer func() { _ = server.Close() }()
		network := newTestNetwork(t, keys, "machine")
		network.transport.DialContext = pipes.Dial
		if owns, err := network.Owns(t.Context(), self, "c"); !owns || err != nil {
			t.Errorf("owns: %v, %v", owns, err)
		}
	})
}

func TestRefusedConnectionsTellThatAServerIsGone(t *testing.T) {
	keys := mustKeys(t, keyOf("k"))
	dead := Peer{Instance: "machine_dead", Address: "127.0.0.1:1"}
	if _, err := newTestNetwork(t, keys, "machine").Owns(t.Context(), dead, "c"); !errors.Is(err, ErrGone) {
		t.Errorf("refused: %v", err)
	}
	// The loopback of another machine is out of reach, whoever refuses here.
	if _, err := newTestNetwork(t, keys, "elsewhere").Owns(t.Context(), dead, "c"); err == nil || errors.Is(err, ErrGone) {
		t.Errorf("refused on another machine: %v", err)
	}
}

func TestARequestArrivesAsTheClientSentIt(t *testing.T) {
	keys := mustKeys(t, keyOf("k"))
	var got *http.Request
	var body []byte
	o := startOwner(t, keys, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "done")
	})
	request := httptest.NewRequest(http.MethodPost, "/a%2Fb/hub?id=t&x=%20", strings.NewReader("sent"))
	request.RemoteAddr, request.Host = "192.0.2.7:1234", "chat.example.com"
	request.Header = http.Header{
		"X-Forwarded-For": {"198.51.100.1"}, "Authorization": {"Bearer x"}, "Chatcluster-Client": {"198.51.100.66:1"},
		"Chatcluster-Instance": {"forged"},
	}
	recorder := httptest.NewRecorder()
	if err := newTestNetwork(t, keys, "machine").Forward(recorder, request, o.peer, "c", false); err != nil {
		t.Fatal(err)
	}
	if recorder.Code != http.StatusAccepted || recorder.Body.String() != "done" || recorder.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("answer %d %q %v", recorder.Code, recorder.Body, recorder.Header())
	}
	if got.Method != http.MethodPost || got.URL.String() != "/a%2Fb/hub?id=t&x=%20" || got.RequestURI != got.URL.String() ||
		got.Host != "chat.example.com" || got.RemoteAddr != "192.0.2.7:1234" || string(body) != "sent" || got.TLS != nil {
		t.Errorf("request %s %s from %s to %s with %q", got.Method, got.URL, got.RemoteAddr, got.Host, body)
	}
	if got.Header.Get("Authorization") != "Bearer x" || got.Header.Get("X-Forwarded-For") != "198.51.100.1" {
		t.Errorf("headers %v", got.Header)
	}
	for name := range got.Header {
		if strings.HasPrefix(name, headerPrefix) {
			t.Errorf("header %s came through", name)
		}
	}
}

// flushRecorder tells of each piece of an answer.
type flushRecorder struct {
	http.ResponseWriter
	pieces chan string
}

func (f *flushRecorder) Write(data []byte) (int, error) {
	f.pieces <- string(data)
	return len(data), nil
}

func (f *flushRecorder) Flush() {}

func TestAnswersStreamAndEndWithTheirOwner(t *testing.T) {
	keys := mustKeys(t, keyOf("k"))
	more, ended := make(chan string), make(chan struct{})
	o := startOwner(t, keys, func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		for {
			select {
			case text := <-more:
				_, _ = io.WriteString(w, text)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	answer := &flushRecorder{httptest.NewRecorder(), make(chan string)}
	done := make(chan any)
	go func() {
		defer func() { done <- recover() }()
		_ = newTestNetwork(t, keys, "machine").Forward(answer, httptest.NewRequestWithContext(ctx, http.MethodGet, "/hub?id=t", nil), o.peer, "c", false)
	}()
	for _, text := range []string{"one", "two"} {
		more <- text
		if got := <-answer.pieces; got != text {
			t.Fatalf("piece %q, want %q", got, text)
		}
	}
	leave() // the client goes
	for _, event := range []chan struct{}{ended} {
		select {
		case <-event:
		case <-time.After(10 * time.Second):
			t.Fatal("the owner does not learn that the client is gone")
		}
	}
	<-done
}

func TestAHalfAnswerIsCutWithItsOwner(t *testing.T) {
	keys := mustKeys(t, keyOf("k"))
	o := startOwner(t, keys, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	network := newTestNetwork(t, keys, "machine")
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := network.Forward(w, r, o.peer, "c", false); err != nil {
			t.Errorf("forward: %v", err)
		}
	}))
	defer front.Close()
	response, err := http.Get(front.URL + "/hub?id=t")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.ReadFull(response.Body, make([]byte, len("half"))); err != nil {
		t.Fatal(err)
	}
	_ = o.server.Close() // it dies
	if rest, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("the answer ended well, with %q", rest)
	}
}

func TestRequestsOfPeersAreBounded(t *testing.T) {
	keys := mustKeys(t, keyOf("k"))
	o := startOwner(t, keys, notForwarded(t))
	request := httptest.NewRequest(http.MethodGet, "/hub", nil)
	request.Header.Set("X-Long", string(bytes.Repeat([]byte("x"), 2*maximumPeerHeaders)))
	recorder := httptest.NewRecorder()
	if err := newTestNetwork(t, keys, "machine").Forward(recorder, request, o.peer, "c", false); err == nil && recorder.Code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("answered with %d", recorder.Code)
	}
}
