//go:build !unix

package redistest

import "testing"

func (p *process) stop() { p.kill() }

func (p *process) pause(t testing.TB) {
	t.Helper()
	t.Skip("processes cannot be paused on this system")
}

func (p *process) resume(testing.TB) {}
