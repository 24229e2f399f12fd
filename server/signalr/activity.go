package signalr

import "sync"

// activity counts what runs for a connection: dispatchers, calls and streams.
type activity struct {
	// mu guards everything.
	mu      sync.Mutex
	running int
	// quiet is closed when nothing runs; nil while nobody waits.
	quiet chan struct{}
}

func (a *activity) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running++
}

func (a *activity) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running--; a.running == 0 && a.quiet != nil {
		close(a.quiet)
		a.quiet = nil
	}
}

// busy tells whether anything runs.
func (a *activity) busy() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.running > 0
}

// done returns a channel that is closed when nothing runs.
func (a *activity) done() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.quiet == nil {
		a.quiet = make(chan struct{})
		if a.running == 0 {
			quiet := a.quiet
			a.quiet = nil
			close(quiet)
			return quiet
		}
	}
	return a.quiet
}

// start runs something for the connection, in a goroutine that the end of the hub waits for.
func (c *connection) start(run func()) {
	c.activity.begin()
	c.hub.running.Go(func() {
		defer c.activity.end()
		run()
	})
}
