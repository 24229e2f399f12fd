//go:build unix

package process

import (
	"fmt"
	"os"
	"syscall"
)

func terminate(process *os.Process) { _ = process.Signal(syscall.SIGTERM) }

// kill ends the whole group, of which the process is the leader, so that no child of a server is left.
func kill(process *os.Process) { _ = syscall.Kill(-process.Pid, syscall.SIGKILL) }

// Pause stops the process where it is: it answers nobody, and its sockets stay open.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }

func (p *Process) signal(signal syscall.Signal) error {
	if err := p.command.Process.Signal(signal); err != nil {
		return fmt.Errorf("send %v to process %d: %w", signal, p.PID(), err)
	}
	return nil
}
