// Package haproxy runs HAProxy before hub servers, without affinity: every request goes to the next server in turn, as
// users would set it up.
package haproxy

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/process"
)

const (
	startTimeout = 15 * time.Second
	lookTimeout  = 5 * time.Second
	lookPause    = 20 * time.Millisecond
	statusSize   = 1 << 20
	backend      = "hubs"
)

// Options are what a balancer needs to know. All but Log must be set.
type Options struct {
	// Program is HAProxy.
	Program string
	// Folder is for its configuration and its socket.
	Folder string
	// Servers are the names and addresses (HOST:PORT) of the servers that there may be; nobody need listen there yet.
	Servers []Server
	// Log, if not nil, gets its output.
	Log io.Writer
}

// Server is a place in the balancer.
type Server struct{ Name, Address string }

// Balancer is a running HAProxy. Stop must be called once.
type Balancer struct {
	*process.Process
	// Address is where clients go: HOST:PORT.
	Address string
	control string // Unix socket that tells the state
}

// Start runs HAProxy and returns when it listens.
func Start(ctx context.Context, o Options) (*Balancer, error) {
	port, err := process.FreePort(ctx)
	if err != nil {
		return nil, err
	}
	b := &Balancer{Address: "127.0.0.1:" + port, control: filepath.Join(o.Folder, "haproxy.sock")}
	path := filepath.Join(o.Folder, "haproxy.cfg")
	if err := os.WriteFile(path, []byte(Configuration(b.Address, b.control, o.Servers)), 0o600); err != nil {
		return nil, fmt.Errorf("haproxy: write its configuration: %w", err)
	}
	b.Process, err = process.Start(process.Spec{Command: []string{o.Program, "-db", "-f", path}, Log: o.Log})
	if err != nil {
		return nil, fmt.Errorf("haproxy: %w (install haproxy or name it with --haproxy)", err)
	}
	if err := b.await(ctx); err != nil {
		b.Stop()
		return nil, fmt.Errorf("haproxy: %w", err)
	}
	return b, nil
}

// await asks for the state until there is an answer.
func (b *Balancer) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		_, err := b.Up(ctx)
		if err == nil {
			return nil
		}
		if failure := b.Failure(); failure != nil {
			return failure
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(lookPause):
		}
	}
}

// PlaceHeader is in each answer: it names the server that gave it.
const PlaceHeader = "X-Place"

// Configuration is that of a balancer at address which asks its servers every half second whether they are ready. A
// connection that a server refuses goes to another one at once.
func Configuration(address, control string, servers []Server) string {
	var text strings.Builder
	fmt.Fprintf(&text, `global
    maxconn 8000
    stats socket %s mode 600 level user

defaults
    mode http
    option redispatch 1
    retries 3
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
    timeout check 2s

frontend clients
    bind %s
    default_backend %s

backend %s
    balance roundrobin
    option httpchk GET /readyz
    http-check expect status 200
    http-response set-header %s %%s
    default-server check inter 500ms fall 2 rise 1
`, control, address, backend, backend, PlaceHeader)
	for _, server := range servers {
		fmt.Fprintf(&text, "    server %s %s\n", server.Name, server.Address)
	}
	return text.String()
}

// Up tells which servers get new connections.
func (b *Balancer) Up(ctx context.Context) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", b.control)
	if err != nil {
		return nil, fmt.Errorf("ask haproxy for its state: %w", err)
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := io.WriteString(conn, "show stat\n"); err != nil {
		return nil, fmt.Errorf("ask haproxy for its state: %w", err)
	}
	up, err := parseState(io.LimitReader(conn, statusSize))
	if err != nil {
		return nil, fmt.Errorf("read haproxy's state: %w", err)
	}
	return up, nil
}

// parseState reads what "show stat" says of the servers, a line of CSV each.
func parseState(text io.Reader) (map[string]bool, error) {
	reader := csv.NewReader(text)
	reader.FieldsPerRecord = -1
	reader.ReuseRecord = true
	header, err := reader.Read()
	if err != nil {
		return nil, err
	}
	columns := map[string]int{}
	for i, name := range header {
		columns[strings.TrimPrefix(name, "# ")] = i
	}
	group, name, status := columns["pxname"], columns["svname"], columns["status"]
	if name == 0 || status == 0 {
		return nil, errors.New("columns are missing")
	}
	up := map[string]bool{}
	for {
		line, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return up, nil
		}
		if err != nil {
			return nil, err
		}
		if len(line) > status && line[group] == backend && line[name] != "BACKEND" {
			up[line[name]] = strings.HasPrefix(line[status], "UP")
		}
	}
}

// Await returns when the balancer has a server up, or down.
func (b *Balancer) Await(ctx context.Context, server string, up bool) error {
	for {
		state, err := b.Up(ctx)
		if err == nil && state[server] == up {
			return nil
		}
		if failure := b.Failure(); failure != nil {
			return failure
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("haproxy does not say that server %s is up: %v: %w", server, up, context.Cause(ctx))
		case <-time.After(lookPause):
		}
	}
}
