package redis

import (
	"sync"
	"time"
)

// refusals tells of a Redis that is connected and does not take messages: out of memory, or without the permission.
type refusals struct {
	limit logLimit

	// mutex guards last.
	mutex sync.Mutex
	last  error
}

func (r *refusals) set(err error) (before error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	before, r.last = r.last, err
	return before
}

func (r *refusals) get() error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.last
}

// answered notes how Redis took the latest messages; a nil err means that it took them all.
func (s *status) answered(err error) {
	before := s.refusals.set(err)
	switch {
	case err == nil && before != nil:
		s.logger.Info("Redis takes messages again", "address", s.address)
	case err != nil && (before == nil || before.Error() != err.Error()):
		if count, due := s.refusals.limit.add(time.Now()); due {
			s.logger.Warn("Redis refuses messages", "address", s.address, "error", err, "times", count)
		}
	}
}
