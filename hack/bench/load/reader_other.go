//go:build !linux

package load

import "time"

func newReader(s *Swarm, _ bool) (reader, error) { return &portableReader{swarm: s}, nil }

func preciseSleep(duration time.Duration) { time.Sleep(duration) }
