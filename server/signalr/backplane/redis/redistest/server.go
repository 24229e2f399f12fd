package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/certificatetest"
)

// Server is a redis-server. It keeps its port and its directory when it is started again, and its data if it was told to
// keep them ("--appendonly", "yes").
type Server struct {
	// Address is host:port.
	Address string
	// Port is that of Address.
	Port int

	process   process
	directory string
	// encrypted: it speaks TLS only.
	encrypted bool
}

// Start starts a redis-server that keeps nothing on disk. The options are those of its command line, such as
// "--requirepass", "secret", and win over the defaults.
func Start(t testing.TB, options ...string) *Server {
	t.Helper()
	return startServer(t, false, options)
}

// StartTLS starts a redis-server that speaks TLS only and lets in whoever has a certificate of the same authority.
// "--tls-auth-clients", "no" lets in others too.
func StartTLS(t testing.TB, authority *certificatetest.Authority, options ...string) *Server {
	t.Helper()
	certificate := authority.Issue(t, "127.0.0.1")
	options = append([]string{
		"--tls-cert-file", certificate.CertificateFile, "--tls-key-file", certificate.KeyFile, "--tls-ca-cert-file", authority.File,
	}, options...)
	return startServer(t, true, options)
}

// StartReplica starts a replica of master and waits until it has the master's data.
func StartReplica(t testing.TB, master *Server, options ...string) *Server {
	t.Helper()
	replica := Start(t, append([]string{"--replicaof", fmt.Sprintf("127.0.0.1 %d", master.Port)}, options...)...)
	client := replica.Client(t, goredis.Options{})
	eventually(t, "the replica follows its master", func() error { return linked(t, client) })
	return replica
}

func startServer(t testing.TB, encrypted bool, options []string) *Server {
	t.Helper()
	need(t, "redis-server")
	port := FreePort(t)
	s := &Server{Address: loopback(port), Port: port, encrypted: encrypted, directory: t.TempDir()}
	listen := []string{"--port", strconv.Itoa(port)}
	if encrypted {
		listen = []string{"--port", "0", "--tls-port", strconv.Itoa(port)}
	}
	s.process.program = "redis-server"
	s.process.arguments = slices.Concat(listen, []string{
		"--bind", "127.0.0.1", "--dir", s.directory, "--save", "", "--appendonly", "no",
		"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1",
	}, options)
	t.Cleanup(s.Kill)
	s.Start(t)
	return s
}

// Start starts a server again that was stopped or killed, and waits until it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.process.start(t)
	s.awaitAnswer(t)
}

func (s *Server) awaitAnswer(t testing.TB) {
	t.Helper()
	eventually(t, "Redis at "+s.Address+" answers", func() error {
		if err := s.process.alive(); err != nil {
			t.Fatalf("redis at %s: %v", s.Address, err)
		}
		return s.answers()
	})
}

var errNoAnswer = errors.New("no answer")

// answers tells whether Redis executes commands, be it only to ask for a login.
func (s *Server) answers() error {
	conn, err := net.DialTimeout("tcp", s.Address, time.Second) //nolint:noctx // bounded by itself
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if s.encrypted {
		return nil
	}
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "+PONG") && !strings.HasPrefix(line, "-NO") {
		return fmt.Errorf("%w: %s %w", errNoAnswer, strings.TrimSpace(line), err)
	}
	return nil
}

// Kill ends the server at once, as a crash does.
func (s *Server) Kill() { s.process.kill() }

// Stop ends the server as a service manager does.
func (s *Server) Stop() { s.process.stop() }

// Forget removes a file of a server that does not run, as the loss of its disk does.
func (s *Server) Forget(t testing.TB, file string) {
	t.Helper()
	must(t, os.Remove(filepath.Join(s.directory, file)))
}

// Pause freezes the server until Resume or Kill: its connections stay and nothing answers.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	s.process.pause(t)
}

// Resume lets a paused server go on.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	s.process.resume(t)
}

// Client returns a client for looking at Redis and for disturbing it. It repeats nothing.
func (s *Server) Client(t testing.TB, options goredis.Options) *goredis.Client {
	t.Helper()
	options.Addr, options.MaxRetries, options.Protocol = s.Address, -1, 2
	client := goredis.NewClient(&options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}
