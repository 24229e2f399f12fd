package signalr_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// tally counts what becomes of moves to one server.
type tally struct {
	mu       sync.Mutex
	outcomes map[string]int
}

func (c *tally) moved(refused string, _ time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcomes[refused]++
}

func (c *tally) count(refused string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.outcomes[refused]
}

// node is one server of several that share their clients.
type node struct {
	t      testing.TB
	server *signalr.Server
	hub    *signalr.Hub
	member *cluster.Member
	web    *httptest.Server
	peers  *http.Server
	moves  *tally
	calls  travellers
	close  func()
}

// address is where clients connect.
func (n *node) address() string { return n.web.URL }

// owns tells whether a connection is this server's.
func (n *node) owns(connectionID string) bool { return n.member.Owns(connectionID) }

type nodeOptions struct {
	redis *redistest.Server
	mode  redis.Mode
	// backplaneAddress is where the backplane finds Redis, if not at redis itself.
	backplaneAddress string
	network          func(cluster.Network) cluster.Network
	directory        func(cluster.Directory) cluster.Directory
	hub              signalr.HubOptions
}

var clusterKey = []byte("a cluster key of at least 32 bytes")

// startNode starts a server. It ends with the test.
func startNode(t testing.TB, options nodeOptions) *node {
	t.Helper()
	keys, err := cluster.NewKeys(clusterKey)
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	self := cluster.Peer{Instance: cluster.NewInstance(), Address: listener.Addr().String()}
	client := goredis.NewClient(&goredis.Options{Addr: options.redis.Address})
	n := &node{t: t, moves: &tally{outcomes: map[string]int{}}}
	log := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	peering := cluster.NewNetwork(self, keys, log)
	var network cluster.Network = peering
	if options.network != nil {
		network = options.network(network)
	}
	directory := cluster.NewRedisDirectory(client, "")
	if options.directory != nil {
		directory = options.directory(directory)
	}
	n.member = cluster.NewMember(cluster.MemberOptions{
		Self: self, Directory: directory, Network: network, Logger: log, Observer: cluster.Observer{Moved: n.moves.moved},
	})
	address := options.redis.Address
	if options.backplaneAddress != "" {
		address = options.backplaneAddress
	}
	plane := redis.New(redis.Options{Redis: &goredis.Options{Addr: address}, Mode: options.mode, Logger: log})
	n.server, err = signalr.NewServer(signalr.ServerOptions{Backplane: plane, Keys: keys, Member: n.member, Logger: log})
	must(t, err)
	options.hub.UserID = func(request *signalr.Request) string { return request.URL.Query().Get("user") }
	n.calls = travellers{entered: make(chan struct{}, 8), release: make(chan struct{})}
	n.hub, err = n.server.Hub("Test", n.calls, options.hub)
	must(t, err)
	n.web = httptest.NewServer(n.hub.Endpoint(signalr.EndpointOptions{AllowStatefulReconnects: true}))
	n.peers = n.member.Server(keys, n.server.Forwarded())
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = n.peers.ServeTLS(listener, "", "")
	}()
	n.close = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := n.server.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown: %v", err)
		}
		n.web.Close()
		_ = n.peers.Close()
		<-served
		n.member.Close(ctx)
		peering.Close()
		_ = plane.Close()
		_ = client.Close()
	})
	t.Cleanup(func() { n.close() })
	eventually(t, "it is connected to Redis", func() bool { return plane.State().Connected })
	return n
}

// startNodes starts servers on a Redis of their own and waits until they know each other.
func startNodes(t testing.TB, count int, mode redis.Mode) []*node {
	t.Helper()
	server := redistest.Start(t)
	nodes := make([]*node, 0, count)
	for range count {
		nodes = append(nodes, startNode(t, nodeOptions{redis: server, mode: mode}))
	}
	return nodes
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testLog writes to the log of the test.
type testLog struct{ t testing.TB }

func (l testLog) Write(line []byte) (int, error) {
	l.t.Log(string(line))
	return len(line), nil
}

// eventually waits for what announces itself by no event.
func eventually(t testing.TB, what string, ask func() bool) {
	t.Helper()
	eventuallySo(t, ask, func() string { return what })
}

// eventuallySo is eventually for what can only be said once it has not happened.
func eventuallySo(t testing.TB, ask func() bool, what func() string) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(2 * patience)
	for !ask() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("not within %s: %s", 2*patience, what())
		}
	}
}

// travellers is the hub of clients whose connections move.
type travellers struct{ entered, release chan struct{} }

// Hold runs until the test releases it.
func (h travellers) Hold(*signalr.Context) string {
	h.entered <- struct{}{}
	<-h.release
	return "held"
}

// Stream sends a number, and another once the test releases it.
func (h travellers) Stream(*signalr.Context) iter.Seq[int] {
	return func(yield func(int) bool) {
		if yield(1) {
			<-h.release
			yield(2)
		}
	}
}

// OnConnected notes that it has run.
func (travellers) OnConnected(ctx *signalr.Context) error {
	var times int
	if _, err := ctx.Items().Get("connected", &times); err != nil {
		return err
	}
	return ctx.Items().Set("connected", times+1)
}

// Count counts the caller's calls, with the connection, and says how often OnConnected has run.
func (travellers) Count(ctx *signalr.Context) ([2]int, error) {
	var result [2]int
	if _, err := ctx.Items().Get("count", &result[0]); err != nil {
		return result, err
	}
	if _, err := ctx.Items().Get("connected", &result[1]); err != nil {
		return result, err
	}
	result[0]++
	return result, ctx.Items().Set("count", result[0])
}

// Keep keeps a value of that size with the caller's connection.
func (travellers) Keep(ctx *signalr.Context, size int) error {
	return ctx.Items().Set("kept", strings.Repeat("x", size))
}

// Join makes the caller a member of a group.
func (travellers) Join(ctx *signalr.Context, group string) error {
	return ctx.Groups().Add(ctx, ctx.ConnectionID(), group)
}

// Who tells what the server knows of the caller.
func (travellers) Who(ctx *signalr.Context) []string {
	return []string{ctx.ConnectionID(), ctx.UserID()}
}
