package redis

import (
	"sync"
	"time"
)

// logPause is the least time between two log lines of one kind.
const logPause = 10 * time.Second

// logLimit keeps events that anyone can cause in any number from filling the log.
type logLimit struct {
	// mutex guards what follows.
	mutex sync.Mutex
	last  time.Time
	count int
}

// add counts one event, and tells whether to log now and how many there were since the last line.
func (l *logLimit) add(now time.Time) (count int, due bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.count++
	if !l.last.IsZero() && now.Sub(l.last) < logPause {
		return 0, false
	}
	count, l.count, l.last = l.count, 0, now
	return count, true
}
