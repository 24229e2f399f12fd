//go:build unix

package redistest

import (
	"os/exec"
	"syscall"
	"testing"
)

// stop ends the process as a service manager does.
func (p *process) stop() {
	p.end(func(command *exec.Cmd) {
		_ = command.Process.Signal(syscall.SIGCONT)
		_ = command.Process.Signal(syscall.SIGTERM)
	})
}

func (p *process) pause(t testing.TB) {
	t.Helper()
	p.do(t, func(command *exec.Cmd) error { return command.Process.Signal(syscall.SIGSTOP) })
}

func (p *process) resume(t testing.TB) {
	t.Helper()
	p.do(t, func(command *exec.Cmd) error { return command.Process.Signal(syscall.SIGCONT) })
}
