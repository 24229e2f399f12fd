//go:build !linux

package transport

import "runtime"

// giveWay lets run what is ready to: the goroutines of this process.
func giveWay() { runtime.Gosched() }
