//go:build !linux

package process

import "time"

// Read tells what one process has used: on this system nothing.
func Read(int) (Usage, error) { return Usage{}, ErrUnsupported }

// MachineCPU is the processor time that all processes of this machine have used: not told on this system.
func MachineCPU() time.Duration { return 0 }

func executable(int) (string, error) { return "", ErrUnsupported }
