package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/freeport"
)

// implementation is a hub server as a program.
type implementation struct {
	name string
	// command starts it on a port. A second node may be another program.
	command func(port int, node int) *exec.Cmd
	// reference is set for the one that exceptions are about.
	reference bool
	// mixed is set for two programs on one Redis, which is all that can be asked of them together.
	mixed bool
	// pair is set for two servers behind a balancer, which rows take for one.
	pair bool
	// balanced counts those pairs.
	balanced atomic.Int64
	// absent says why it cannot be run, if it cannot.
	absent string

	// mu guards running, the servers by environment that rows share.
	mu      sync.Mutex
	running map[string]*shared
	// redis is the Redis that rows share; redisOnce makes all of them wait for the first, which starts it.
	redisOnce sync.Once
	redis     *redisServer
	redisErr  error
}

// shared is a server that several rows use. once makes all of them wait for the first, which starts it.
type shared struct {
	once   sync.Once
	server *server
	err    error
}

// implementations builds ours and looks for the reference.
func implementations(t *testing.T) []*implementation {
	t.Helper()
	ours := &implementation{name: "ChatCluster"}
	program, err := build(t)
	if err != nil {
		t.Fatal(err)
	}
	ours.command = startOurs(program)
	reference := &implementation{name: "ASP.NET Core", reference: true}
	script, err := findReference()
	if err != nil {
		reference.absent = err.Error()
	}
	reference.command = func(port, _ int) *exec.Cmd { return exec.Command(script, strconv.Itoa(port)) }
	both := &implementation{name: "Both on one Redis", mixed: true, absent: reference.absent}
	both.command = func(port, node int) *exec.Cmd {
		return []*implementation{ours, reference}[node%2].command(port, node)
	}
	pair := &implementation{name: "ChatCluster behind a balancer", pair: true, command: ours.command, absent: redisAbsent()}
	return []*implementation{ours, reference, both, pair}
}

// startOurs is how the server beside this suite is started.
func startOurs(program string) func(port, node int) *exec.Cmd {
	return func(port, _ int) *exec.Cmd {
		return exec.Command(program, "--urls", "http://127.0.0.1:"+strconv.Itoa(port))
	}
}

// build compiles the server beside this suite, with the race detector if the suite has it.
func build(t *testing.T) (program string, err error) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "conformance")
	arguments := []string{"build", "-o", program}
	if raceEnabled {
		arguments = append(arguments, "-race")
	}
	output, err := exec.Command("go", append(arguments, "..")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the conformance server: %w\n%s", err, output)
	}
	return program, nil
}

// findReference returns the program that starts the reference.
func findReference() (string, error) {
	script := os.Getenv("REFERENCE")
	if script == "" {
		root, err := filepath.Abs("../../../..")
		if err != nil {
			return "", fmt.Errorf("find the repository: %w", err)
		}
		script = filepath.Join(root, "..", "shared", "reference", "aspnetcore", "run")
	}
	if _, err := os.Stat(script); err != nil {
		return "", errors.New("the ASP.NET Core reference is absent: set REFERENCE to its run script")
	}
	return script, nil
}

// server is a running server.
type server struct {
	// url is its address, without a slash at the end.
	url     string
	command *exec.Cmd
	output  *os.File
	// ended is closed when the process has.
	ended chan struct{}
	// backends are set for servers behind a balancer; then command, output and ended are not.
	backends []*server
	balancer *httptest.Server
}

// settingNames are the variables that configure a server: what the tests do not set must not come from outside.
var settingNames = []string{
	"REDIS_CONNECTION", "CHANNEL_PREFIX", "CORS_ORIGINS", "DETAILED_ERRORS", "HANDSHAKE_TIMEOUT", "KEEP_ALIVE_INTERVAL",
	"CLIENT_TIMEOUT_INTERVAL", "POLL_TIMEOUT", "MAX_MESSAGE_SIZE", "PARALLEL_INVOCATIONS", "MINIMUM_PROTOCOL_VERSION",
	"STATEFUL_RECONNECT", "JWT_KEY", "LOG_LEVEL",
}

// server returns a running server with that environment, which other rows use too.
func (x *trial) server(environment ...string) *server {
	x.Helper()
	return x.node(0, environment...)
}

// node returns one of several servers with the same environment.
func (x *trial) node(number int, environment ...string) *server {
	x.Helper()
	key := fmt.Sprint(number, environment)
	x.implementation.mu.Lock()
	if x.implementation.running == nil {
		x.implementation.running = map[string]*shared{}
	}
	entry := x.implementation.running[key]
	if entry == nil {
		entry = &shared{}
		x.implementation.running[key] = entry
	}
	x.implementation.mu.Unlock()
	entry.once.Do(func() {
		entry.server, entry.err = start(x.implementation, number, environment)
	})
	x.must(entry.err)
	return entry.server
}

// stop ends what the rows shared. No row runs any more.
func (i *implementation) stop() {
	var stopping sync.WaitGroup
	for _, entry := range i.running {
		if entry.server != nil {
			stopping.Go(entry.server.stop)
		}
	}
	stopping.Wait()
	if i.redis != nil {
		i.redis.stop()
	}
}

// ownServer starts a server for this row alone.
func (x *trial) ownServer(number int, environment ...string) *server {
	x.Helper()
	s, err := start(x.implementation, number, environment)
	x.must(err)
	x.Cleanup(s.stop)
	return s
}

// startPatience bounds the start of a server: on a machine that is busy with other tests it takes a minute.
const startPatience = 3 * time.Minute

// starting limits how many servers start at the same time: each takes a core for a second or more, and a dozen at once
// would keep each other from answering in time.
var starting = make(chan struct{}, 4)

func start(implementation *implementation, number int, environment []string) (*server, error) {
	if implementation.pair {
		return startBalanced(implementation, number, environment)
	}
	return startOne(implementation, number, environment)
}

func startOne(implementation *implementation, number int, environment []string) (*server, error) {
	starting <- struct{}{}
	defer func() { <-starting }()
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://127.0.0.1:" + strconv.Itoa(port), ended: make(chan struct{})}
	if s.output, err = os.CreateTemp("", "conformance-*.log"); err != nil {
		return nil, fmt.Errorf("make a file for the server's output: %w", err)
	}
	s.command = implementation.command(port, number)
	s.command.Env = append(slices.DeleteFunc(os.Environ(), isSetting), environment...)
	s.command.Stdout, s.command.Stderr = s.output, s.output
	dieWithParent(s.command)
	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", implementation.name, err)
	}
	go func() {
		_ = s.command.Wait()
		close(s.ended)
	}()
	if err := s.awaitHealth(); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func isSetting(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return slices.Contains(settingNames, name)
}

func freePort() (int, error) { return freeport.Find(context.Background()) }

// awaitHealth waits until the server answers.
func (s *server) awaitHealth() error {
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/health", nil)
		if err != nil {
			return err
		}
		if response, err := web.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ticker.C:
		case <-s.ended:
			return fmt.Errorf("the server ended at its start: %s", s.log())
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %s", s.log())
		}
	}
}

// log is the end of what the server has printed.
func (s *server) log() string {
	const most = 4096
	if size, err := s.output.Seek(0, io.SeekEnd); err == nil && size > most {
		_, _ = s.output.Seek(-most, io.SeekEnd)
	} else {
		_, _ = s.output.Seek(0, io.SeekStart)
	}
	text, _ := io.ReadAll(s.output)
	return string(text)
}

// stop ends the server, politely at first.
func (s *server) stop() {
	if s.balancer != nil {
		s.stopAll()
		return
	}
	_ = s.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(patience):
		_ = s.command.Process.Kill()
		<-s.ended
	}
	_ = s.output.Close()
	_ = os.Remove(s.output.Name())
}

// stopAll ends servers behind a balancer, which serves them to their end.
func (s *server) stopAll() {
	var stopping sync.WaitGroup
	for _, backend := range s.backends {
		stopping.Go(backend.stop)
	}
	stopping.Wait()
	s.balancer.CloseClientConnections()
	s.balancer.Close()
}
