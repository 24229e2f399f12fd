//go:build !unix

package process

import "time"

// OwnCPU is the processor time that this process has used: not told on this system.
func OwnCPU() time.Duration { return 0 }
