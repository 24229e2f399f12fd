//go:build linux || darwin

package process

import (
	"math"
	"syscall"
)

// OpenFileLimit is how many files this process may have open.
func OpenFileLimit() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > math.MaxInt {
		return math.MaxInt
	}
	return int(limit.Cur)
}
