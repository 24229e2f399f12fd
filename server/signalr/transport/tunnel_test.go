package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// everyToken is a Tokens that lets every token in as that of an old connection with stateful reconnect.
type everyToken struct{}

func (everyToken) Issue(string, Claims) string { return "token" }

func (everyToken) Verify(_, token string, now time.Time) (Claims, bool) {
	return Claims{ConnectionID: token, IssuedAt: now.Add(-time.Hour), Version: 1, Stateful: true}, true
}

// oneOwner are peers of which one owns every connection.
type oneOwner struct {
	// mu guards what follows.
	mu sync.Mutex
	// trouble is what attaching fails with, and how often; ended says that no connection exists.
	trouble  int
	ended    bool
	attempts int
	// tunnels has the owner's end of each tunnel.
	tunnels chan net.Conn
}

func (o *oneOwner) Locate(context.Context, string, bool) (string, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return "", false, nil
	}
	return "owner", false, nil
}

func (o *oneOwner) Forward(http.ResponseWriter, *http.Request, string, string, bool) (bool, bool) {
	return false, false
}
func (o *oneOwner) Await(context.Context, string) (bool, error)   { return true, nil }
func (o *oneOwner) Reclaim(context.Context, string) (bool, error) { return true, nil }
func (o *oneOwner) Doubt() <-chan struct{}                        { return nil }
func (o *oneOwner) Release(string)                                {}
func (o *oneOwner) End(string)                                    {}

func (o *oneOwner) Attach(context.Context, *http.Request, string, string) (io.ReadWriteCloser, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.attempts++
	if o.trouble--; o.trouble >= 0 {
		return nil, false, errors.New("no answer")
	}
	near, far := net.Pipe()
	o.tunnels <- far
	return near, false, nil
}

func (o *oneOwner) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
}

// startTunnels serves clients of connections that peers own.
func startTunnels(t *testing.T, trouble int) (*oneOwner, *Manager, *wire) {
	t.Helper()
	peers := &oneOwner{trouble: trouble, tunnels: make(chan net.Conn, 1)}
	manager := NewManager(ManagerOptions{Tokens: everyToken{}, Peers: peers})
	endpoint := manager.NewEndpoint("echo", &echo{}, EndpointOptions{AllowStatefulReconnects: true})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = "id=c"
		endpoint.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		manager.Shutdown(ctx)
		server.Close()
	})
	return peers, manager, dial(t, server) // it is accepted before anything is known of the owner
}

// attached returns the owner's end of the tunnel.
func (o *oneOwner) attached(t *testing.T) net.Conn {
	t.Helper()
	far := within(t, "somebody is attached", o.tunnels)
	t.Cleanup(func() { _ = far.Close() })
	_ = far.SetDeadline(time.Now().Add(patience))
	return far
}

func TestASocketIsTunnelledToTheOwner(t *testing.T) {
	peers, _, client := startTunnels(t, 2) // two attempts fail
	first := masked(0x81, "sequence")
	client.send(t, first)
	owner := peers.attached(t)
	got := make([]byte, len(first))
	if _, err := io.ReadFull(owner, got); err != nil || string(got) != string(first) {
		t.Fatalf("the owner got %q, %v", got, err)
	}
	if _, err := owner.Write([]byte{0x81, 2, 'h', 'i'}); err != nil {
		t.Fatal(err)
	}
	if first, payload := client.receive(t); first != 0x81 || payload != "hi" {
		t.Errorf("the client got %x %q", first, payload)
	}
	if peers.attempts != 3 {
		t.Errorf("%d attempts", peers.attempts)
	}
}

func TestASocketEndsWithItsOwnerWithoutACloseFrame(t *testing.T) {
	peers, _, client := startTunnels(t, 0)
	client.send(t, masked(0x82, "sequence"))
	owner := peers.attached(t)
	go func() { _, _ = io.Copy(io.Discard, owner) }()
	if _, err := owner.Write([]byte{0x82, 4, 'l', 'a', 's', 't'}); err != nil {
		t.Fatal(err)
	}
	_ = owner.Close()
	if _, payload := client.receive(t); payload != "last" {
		t.Errorf("the client got %q", payload)
	}
	client.expectEnd(t)
}

func TestTheOwnerLearnsThatTheClientIsGone(t *testing.T) {
	peers, _, client := startTunnels(t, 0)
	client.send(t, masked(0x81, "sequence"))
	owner := peers.attached(t)
	_ = client.Close()
	if _, err := io.Copy(io.Discard, owner); err != nil {
		t.Error(err)
	}
}

func TestASessionThatIsOverEndsWithACloseFrame(t *testing.T) {
	peers, _, client := startTunnels(t, 1)
	peers.end()
	client.send(t, masked(0x81, "sequence"))
	first, payload := client.receive(t)
	if first != 0x88 || payload != "\x03\xf3" {
		t.Errorf("the client got %x %q", first, payload)
	}
	client.expectEnd(t)
}

// A JavaScript client that was told to reconnect opens a socket that it does not know of, and never uses it. If it were
// closed, the client would take that for the end of its next session.
func TestASocketThatSaysNothingIsLeftAlone(t *testing.T) {
	peers, _, client := startTunnels(t, 0)
	_ = client.SetReadDeadline(time.Now().Add(time.Second))
	var timeout net.Error
	if n, err := client.reader.Read(make([]byte, 1)); n != 0 || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if peers.attempts != 0 {
		t.Error("it was attached")
	}
}

func TestATunnelledClientIsSentAwayBetweenTwoFrames(t *testing.T) {
	for name, test := range map[string]struct {
		before, after string
		want          string
	}{
		"at an edge":     {before: "\x81\x02hi", want: "hi"},
		"within a frame": {before: "\x81\x04la", after: "st\x81\x02no", want: "last"},
	} {
		t.Run(name, func(t *testing.T) {
			peers, manager, client := startTunnels(t, 0)
			client.send(t, masked(0x81, "sequence"))
			owner := peers.attached(t)
			go func() { _, _ = io.Copy(io.Discard, owner) }()
			if _, err := io.WriteString(owner, test.before); err != nil { // the pipe's end has read it when this returns
				t.Fatal(err)
			}
			if all, movable := manager.Tunnels(time.Hour); all != 1 || movable != 0 {
				t.Errorf("%d tunnels, %d have been here for an hour", all, movable)
			}
			within := func() bool {
				out := manager.outlets()[0]
				out.mu.Lock()
				defer out.mu.Unlock()
				return !out.edges.AtEdge()
			}
			if test.after == "" {
				client.expectMessage(t, test.want)
			}
			for deadline := time.Now().Add(patience); test.after != "" && !within() && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			if sent := manager.SendTunnelsAway(5, 0); sent != 1 {
				t.Errorf("%d were sent away", sent)
			}
			go func() { _, _ = io.WriteString(owner, test.after) }() // not all of it is read any more
			if test.after != "" {
				client.expectMessage(t, test.want)
			}
			client.expectEnd(t)
		})
	}
}

// expectMessage wants a text message next.
func (w *wire) expectMessage(t *testing.T, want string) {
	t.Helper()
	if first, payload := w.receive(t); first != 0x81 || payload != want {
		t.Errorf("the client got %x %q, want %q", first, payload, want)
	}
}

func TestTunnelsEndWithTheServer(t *testing.T) {
	peers, manager, client := startTunnels(t, 0)
	client.send(t, masked(0x81, "sequence"))
	owner := peers.attached(t)
	go func() { _, _ = io.Copy(io.Discard, owner) }()
	done := make(chan struct{})
	go func() {
		manager.Shutdown(context.Background())
		close(done)
	}()
	client.expectEnd(t)
	_ = client.Close()
	within(t, "the server ends", done)
}

// refusals is an Observer that counts who ran into a limit.
type refusals struct {
	noObserver
	// mu guards count.
	mu    sync.Mutex
	count map[Limit]int
}

func (r *refusals) Refused(limit Limit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count[limit]++
}

func (r *refusals) of(limit Limit) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count[limit]
}

// startPiped makes a manager of which peers own all connections, and what opens a tunnel of one with the client's end of its socket.
func startPiped(t *testing.T, options ManagerOptions) (*Manager, func(connectionID string) (*tunnel, net.Conn)) {
	t.Helper()
	manager := NewManager(options)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		manager.Shutdown(ctx)
	})
	endpoint := manager.NewEndpoint("echo", &echo{ended: make(chan error, 1)}, EndpointOptions{AllowStatefulReconnects: true})
	request := httptest.NewRequest(http.MethodGet, "/hub", http.NoBody)
	live := &Connection{endpoint: endpoint, id: "live", token: "live", negotiated: true}
	if _, err := manager.add(live, newRequest(request, nil)); err != nil {
		t.Fatal(err)
	}
	return manager, func(connectionID string) (*tunnel, net.Conn) {
		t.Helper()
		near, client := net.Pipe()
		_ = client.SetDeadline(time.Now().Add(patience))
		one := &tunnel{
			manager: manager, endpoint: endpoint, request: request, connectionID: connectionID, token: connectionID, client: near,
		}
		one.ctx, one.cancel = context.WithCancel(t.Context())
		if !manager.enter(one) {
			t.Fatal("there are no tunnels any more")
		}
		manager.spawn(one.run)
		return one, client
	}
}

// Who leaves silent sockets of ever new connections behind must not fill the server with them.
func TestTheOldestOfTooManySilentSocketsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 3
		peers, observer := &oneOwner{tunnels: make(chan net.Conn, 1)}, &refusals{count: map[Limit]int{}}
		manager, open := startPiped(t, ManagerOptions{Tokens: everyToken{}, Peers: peers, Observer: observer, MaximumConnections: most})
		speak := func(client net.Conn) {
			t.Helper()
			if _, err := client.Write(masked(0x81, "sequence")); err != nil {
				t.Fatal(err)
			}
			peers.attached(t)
			synctest.Wait()
		}
		used, client := open("used")
		speak(client)
		var silent []*tunnel
		var clients []net.Conn
		expectEnded := func(want int) {
			t.Helper()
			synctest.Wait()
			for at, one := range silent {
				if ended := one.ctx.Err() != nil; ended != (at < want) {
					t.Errorf("number %d of %d silent ones has ended: %v", at, len(silent), ended)
				}
			}
			if refused := observer.of(LimitSilentSockets); refused != want {
				t.Errorf("%d are counted, want %d", refused, want)
			}
		}
		another := func() {
			t.Helper()
			one, client := open(fmt.Sprint("silent", len(silent)))
			silent, clients = append(silent, one), append(clients, client)
		}
		for range most {
			another()
		}
		expectEnded(0)
		another()
		expectEnded(1)
		if _, err := clients[0].Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("its client reads %v", err)
		}
		speak(clients[1]) // it makes room
		another()
		expectEnded(1)
		if all, _ := manager.Tunnels(0); all != 2 || used.ctx.Err() != nil || manager.Connections() != 1 {
			t.Errorf("%d sockets are in use, the first has ended: %v; %d connections", all, used.ctx.Err(), manager.Connections())
		}
	})
}

func TestOneTokenHasNoMoreThanSoManyTunnels(t *testing.T) {
	manager := &Manager{tunnels: make(map[*tunnel]*outlet)}
	enter := func(connectionID string) *tunnel {
		t.Helper()
		one := &tunnel{manager: manager, connectionID: connectionID}
		one.ctx, one.cancel = context.WithCancel(t.Context())
		if !manager.enter(one) {
			t.Fatal("there are no tunnels any more")
		}
		return one
	}
	other := enter("other")
	var all []*tunnel
	for range maximumTunnels + 2 {
		all = append(all, enter("one"))
	}
	for at, one := range all {
		if ended := one.ctx.Err() != nil; ended != (at < 2) {
			t.Errorf("number %d of %d has ended: %v", at, len(all), ended)
		}
	}
	if other.ctx.Err() != nil {
		t.Error("another connection's ended for them")
	}
	for _, one := range append(all, other) {
		manager.leave(one)
	}
	if len(manager.tunnels) > 0 || len(manager.tunnelsOf) > 0 {
		t.Errorf("%v and %v are left", manager.tunnels, manager.tunnelsOf)
	}
}
