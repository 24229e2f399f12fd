package redistest

import (
	"os/exec"
	"syscall"
)

// dieWithParent ends the program if the tests are killed: nobody else would.
func dieWithParent(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
