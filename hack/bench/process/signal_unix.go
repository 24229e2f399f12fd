//go:build unix

package process

import (
	"os"
	"syscall"
)

func terminate(process *os.Process) { _ = process.Signal(syscall.SIGTERM) }

// kill ends the whole group, of which the process is the leader, so that no child of a server is left.
func kill(process *os.Process) { _ = syscall.Kill(-process.Pid, syscall.SIGKILL) }
