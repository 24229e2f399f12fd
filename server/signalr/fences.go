package signalr

import (
	"sync"
	"sync/atomic"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// fences are those that somebody at this hub waits for.
type fences struct {
	// commands counts the fences that cut group commands. The goroutine that delivers writes it.
	commands atomic.Uint64

	// mu guards waiting.
	mu      sync.Mutex
	waiting map[string]func(target backplane.Target)
}

// await calls arrived, in the goroutine that delivers, for each fence with the mark.
func (f *fences) await(mark string, arrived func(target backplane.Target)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiting == nil {
		f.waiting = make(map[string]func(backplane.Target))
	}
	f.waiting[mark] = arrived
}

func (f *fences) forget(mark string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = without(f.waiting, mark)
}

// arrived is called by the goroutine that delivers.
func (f *fences) arrived(mark string, target backplane.Target) {
	if cutsCommands(target) {
		f.commands.Add(1)
	}
	f.mu.Lock()
	call := f.waiting[mark]
	f.mu.Unlock()
	if call != nil {
		call(target)
	}
}

// cutsCommands tells whether a fence for target cuts group commands.
func cutsCommands(target backplane.Target) bool {
	return target.Scope == backplane.ScopeEverything || target.Scope == backplane.ScopeCommands
}

// Fenced implements backplane.Receiver.
func (h *receiver) Fenced(mark string, target backplane.Target) { h.fences.arrived(mark, target) }
