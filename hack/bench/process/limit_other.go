//go:build !linux && !darwin

package process

import "math"

// OpenFileLimit is how many files this process may have open: not told on this system.
func OpenFileLimit() int { return math.MaxInt }
