package redistest

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// process is a program that a test may end and start again.
type process struct {
	program   string
	arguments []string

	// mutex guards what follows.
	mutex   sync.Mutex
	command *exec.Cmd
	output  *bytes.Buffer
	exited  chan struct{}
}

// need skips the test where program is not installed.
func need(t testing.TB, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skip(program + " is not installed")
	}
}

func (p *process) start(t testing.TB) {
	t.Helper()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.command != nil {
		t.Fatalf("%s runs already", p.program)
	}
	command := exec.Command(p.program, p.arguments...) //nolint:gosec,noctx // a test's own program, which it ends itself
	output := &bytes.Buffer{}
	command.Stdout, command.Stderr = output, output
	dieWithParent(command)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = command.Wait()
	}()
	p.command, p.output, p.exited = command, output, exited
}

var errExited = errors.New("it has exited")

// alive returns an error with the end of the log if the process has ended by itself.
func (p *process) alive() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.command == nil {
		return errExited
	}
	select {
	case <-p.exited:
		lines := strings.Split(strings.TrimSpace(p.output.String()), "\n")
		return fmt.Errorf("%w: %s", errExited, strings.Join(lines[max(0, len(lines)-3):], "; "))
	default:
		return nil
	}
}

// reminder is how often a process that does not end is told again: a Redis that writes its first append-only file refuses, and
// forgets that it was told.
const reminder = time.Second

// end makes the process end and waits for it. What has ended already is left alone.
func (p *process) end(how func(*exec.Cmd)) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.command == nil {
		return
	}
	ticker := time.NewTicker(reminder)
	defer ticker.Stop()
	for {
		how(p.command)
		select {
		case <-p.exited:
			p.command = nil
			return
		case <-ticker.C:
		}
	}
}

func (p *process) kill() { p.end(func(command *exec.Cmd) { _ = command.Process.Kill() }) }

func (p *process) do(t testing.TB, action func(*exec.Cmd) error) {
	t.Helper()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.command == nil {
		t.Fatalf("%s does not run", p.program)
	}
	if err := action(p.command); err != nil {
		t.Fatal(err)
	}
}
