// Package redistest runs Redis for tests as users run it: real processes on loopback, alone, with replicas and
// Sentinels, or as a Cluster, with TLS and users where wanted, and a proxy to put in between. Tests kill, pause and
// restart them at will.
//
// Every function skips the test with one line where Redis is not installed, fails it when something does not start, and
// ends at the end of the test what it began. Ports are free ones, chosen at random.
package redistest

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/freeport"
)

// patience is how long to wait for what must come. Only a failing test waits that long.
const patience = 60 * time.Second

// eventually waits for what announces itself by no event.
func eventually(t testing.TB, what string, condition func() error) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(patience)
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("did not happen within %s: %s: %v", patience, what, err)
		}
	}
}

// FreePort returns a port that nothing has now, and that no outgoing connection takes.
func FreePort(t testing.TB) int {
	t.Helper()
	port, err := freeport.Find(context.Background())
	must(t, err)
	return port
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func quote(value any) string { return fmt.Sprintf("%q", fmt.Sprint(value)) }
