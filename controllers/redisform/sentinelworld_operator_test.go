package redisform

import (
	"fmt"
	"slices"
)

func (w *sentinelWorld) operate() {
	if w.away {
		return
	}
	w.last = Plan(w.now, w.facts(), w.wanted, w.memory)
	w.memory = w.last.Memory
	w.note()
	for _, step := range w.last.Steps {
		w.carry(step)
	}
	for _, name := range w.last.Replace {
		s := w.server(name)
		if s == nil {
			sentinel := w.sentinel(name)
			sentinel.forget()
			sentinel.Outdated, sentinel.Failing, sentinel.up = false, false, true
			continue
		}
		w.kill(s)
		s.Outdated, s.Failing = false, false
		w.start(s)
	}
	before := len(w.servers) + len(w.sentinels)
	w.servers = slices.DeleteFunc(w.servers, func(s *simServer) bool { return s.Ordinal >= w.last.Servers })
	w.sentinels = slices.DeleteFunc(w.sentinels, func(s *simSentinel) bool { return s.Ordinal >= w.last.Sentinels })
	if after := len(w.servers) + len(w.sentinels); after < before {
		w.line("  ", "%d servers, %d Sentinels", len(w.servers), len(w.sentinels))
	}
}

func (w *sentinelWorld) server(name string) *simServer {
	at := slices.IndexFunc(w.servers, func(s *simServer) bool { return s.Name == name })
	if at < 0 {
		return nil
	}
	return w.servers[at]
}

func (w *sentinelWorld) sentinel(name string) *simSentinel {
	at := slices.IndexFunc(w.sentinels, func(s *simSentinel) bool { return s.Name == name })
	return w.sentinels[at]
}

func (w *sentinelWorld) note() {
	status := w.last.Status
	said := fmt.Sprintf("%s primary=%s in-sync=%d/%d: %s", status.Reason, status.Primary, status.InSync, status.Replicas, status.Message)
	w.record(said, w.last)
}
