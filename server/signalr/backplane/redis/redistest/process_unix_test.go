//go:build unix

package redistest

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Redis refuses to end while it writes its first append-only file.
func TestAProcessThatRefusesToEndIsToldAgain(t *testing.T) {
	listens := filepath.Join(t.TempDir(), "listens")
	p := &process{program: "sh", arguments: []string{"-c", `trap "trap - TERM" TERM; >"$0"; while :; do sleep 0.05; done`, listens}}
	p.start(t)
	t.Cleanup(p.kill)
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(listens); err == nil {
			break
		}
		if time.Since(begin) > time.Minute {
			t.Fatal("the process does not begin")
		}
	}
	p.stop()
	if p.alive() == nil {
		t.Error("the process goes on")
	}
}
