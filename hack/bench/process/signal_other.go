//go:build !unix

package process

import (
	"os"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return nil }

func terminate(process *os.Process) { _ = process.Kill() }

func kill(process *os.Process) { _ = process.Kill() }
