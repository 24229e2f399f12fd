// Package process starts the servers of a benchmark, waits until they are healthy, reads what they use, and ends them.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/chatcluster/chatcluster/server/freeport"
)

const (
	healthTimeout = 60 * time.Second
	healthPause   = time.Millisecond
	stopTimeout   = 10 * time.Second
	// What a server leaves behind may hold its output open; its end must be seen all the same.
	outputDelay = 200 * time.Millisecond
)

// ErrExited is wrapped by errors about a server that ended by itself.
var ErrExited = errors.New("server ended by itself")

// Spec says how one server is started.
type Spec struct {
	// Command is the program and its arguments.
	Command []string
	// Environment is added to this process's own, as NAME=value.
	Environment []string
	// Launcher says that the program is a shell script that replaces itself with the server by exec: the clock of
	// the start-up then runs from that moment, where the system can tell it (Linux).
	Launcher bool
	// Log, if not nil, gets the output, too.
	Log io.Writer
}

// Process is a running server. Stop must be called once.
type Process struct {
	command *exec.Cmd
	output  tail
	started time.Time
	exited  chan struct{} // closed when the process has ended; err is set before
	err     error
	stop    sync.Once
}

// Start starts the server in a process group of its own, so that a Ctrl-C on the terminal leaves its end to Stop.
func Start(spec Spec) (*Process, error) {
	p := &Process{command: newCommand(spec.Command), exited: make(chan struct{})}
	p.command.Env = append(os.Environ(), spec.Environment...)
	output := io.Writer(&p.output)
	if spec.Log != nil {
		output = io.MultiWriter(&p.output, spec.Log)
	}
	p.command.Stdout, p.command.Stderr = output, output
	p.command.SysProcAttr = attributes()
	p.command.WaitDelay = outputDelay
	p.started = time.Now()
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Command[0], err)
	}
	go func() {
		p.err = p.command.Wait()
		close(p.exited)
	}()
	if spec.Launcher {
		p.awaitReplacement()
	}
	return p, nil
}

// newCommand has no context of its own: Stop ends a server, with time to say goodbye.
func newCommand(command []string) *exec.Cmd {
	return exec.CommandContext(context.Background(), command[0], command[1:]...) // #nosec G204 -- running what it is told to is its purpose
}

// awaitReplacement waits until the launcher has become the server and starts the clock again.
func (p *Process) awaitReplacement() {
	for time.Since(p.started) < healthTimeout {
		program, err := executable(p.PID())
		if err != nil {
			return // it has ended already, which shows later, or this system cannot tell
		}
		if !isShell(program) {
			break
		}
		if p.pause() != nil {
			return
		}
	}
	p.started = time.Now()
}

// isShell tells whether a launcher is still running: the program is not the server yet.
func isShell(program string) bool {
	return slices.Contains([]string{"env", "sh", "bash", "dash", "busybox"}, filepath.Base(program))
}

// pause waits a moment, or tells that the process has ended.
func (p *Process) pause() error {
	timer := time.NewTimer(healthPause)
	defer timer.Stop()
	select {
	case <-p.exited:
		return p.failure()
	case <-timer.C:
		return nil
	}
}

// PID is the process id of the server.
func (p *Process) PID() int { return p.command.Process.Pid }

// AwaitHealthy asks url until it answers 200 and returns how long that took from the start of the server.
func (p *Process) AwaitHealthy(ctx context.Context, url string) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, healthTimeout, fmt.Errorf("not healthy within %v", healthTimeout))
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		if healthy(ctx, client, url) {
			return time.Since(p.started), nil
		}
		if err := p.pause(); err != nil {
			return 0, err
		}
		if ctx.Err() != nil {
			return 0, fmt.Errorf("%s: %w%s", url, context.Cause(ctx), p.output.quote())
		}
	}
}

func healthy(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// Failure is why the server ended by itself, nil while it runs.
func (p *Process) Failure() error {
	select {
	case <-p.exited:
		return p.failure()
	default:
		return nil
	}
}

func (p *Process) failure() error {
	state := "exit status 0"
	if p.err != nil {
		state = p.err.Error()
	}
	return fmt.Errorf("%w: %s%s", ErrExited, state, p.output.quote())
}

// Stop asks the process to end, and after 10 seconds ends it and its group. It returns when the process is gone.
func (p *Process) Stop() {
	p.stop.Do(func() {
		terminate(p.command.Process)
		timer := time.NewTimer(stopTimeout)
		defer timer.Stop()
		select {
		case <-p.exited:
		case <-timer.C:
		}
		kill(p.command.Process)
		<-p.exited
	})
}

// Terminate asks the process to end and does not wait for it.
func (p *Process) Terminate() { terminate(p.command.Process) }

// Kill ends the process and its group at once, and returns when it is gone.
func (p *Process) Kill() {
	kill(p.command.Process)
	<-p.exited
}

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Orderly tells whether the process has ended with exit status 0.
func (p *Process) Orderly() bool {
	select {
	case <-p.exited:
		return p.err == nil
	default:
		return false
	}
}

// FreePort is a port of 127.0.0.1 that nobody has at the moment, and that no outgoing connection takes.
func FreePort(ctx context.Context) (string, error) {
	port, err := freeport.Find(ctx)
	return strconv.Itoa(port), err
}
