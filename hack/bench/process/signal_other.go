//go:build !unix

package process

import (
	"errors"
	"os"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return nil }

func terminate(process *os.Process) { _ = process.Kill() }

func kill(process *os.Process) { _ = process.Kill() }

// Pause stops the process where it is: not on this system.
func (p *Process) Pause() error { return errors.ErrUnsupported }

// Resume lets a paused process go on: not on this system.
func (p *Process) Resume() error { return errors.ErrUnsupported }
