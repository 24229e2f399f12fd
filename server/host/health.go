package host

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
)

// The paths of the health checks.
const (
	healthPath = "/healthz"
	readyPath  = "/readyz"
)

// check is one thing that readiness looks at.
type check struct {
	name string
	// state returns how it is in a few words, and whether all is well. The words are public: they name no addresses.
	state func() (text string, well bool)
	// gates makes the server not ready while the check is not well; nil never does.
	gates func() bool
}

// health answers the probes of whoever runs the server.
type health struct {
	draining atomic.Bool
	checks   []check
}

// ready returns why the server should get no clients, or nothing if it may.
func (h *health) ready() (reason string) {
	if h.draining.Load() {
		return "draining"
	}
	for _, check := range h.checks {
		if check.gates != nil && check.gates() {
			text, _ := check.state()
			return check.name + ": " + text
		}
	}
	return ""
}

// serveAlive says that the process lives. It asks nothing of others: restarting this process would not help them.
func (h *health) serveAlive(w http.ResponseWriter, r *http.Request) {
	respondHealth(w, r, http.StatusOK, "ok\n")
}

// serveReady says whether the server may get clients; with ?verbose it lists what it looked at.
func (h *health) serveReady(w http.ResponseWriter, r *http.Request) {
	status, text := http.StatusOK, "ready\n"
	if reason := h.ready(); reason != "" {
		status, text = http.StatusServiceUnavailable, "not ready: "+reason+"\n"
	}
	if r.URL.Query().Has("verbose") {
		text = h.list() + text
	}
	respondHealth(w, r, status, text)
}

func (h *health) list() string {
	var lines strings.Builder
	write := func(well bool, name, text string) {
		mark := map[bool]string{true: "+", false: "-"}[well]
		fmt.Fprintf(&lines, "[%s] %s: %s\n", mark, name, text)
	}
	if h.draining.Load() {
		write(false, "server", "draining")
	} else {
		write(true, "server", "running")
	}
	for _, check := range h.checks {
		text, well := check.state()
		write(well, check.name, text)
	}
	return lines.String()
}

func respondHealth(w http.ResponseWriter, r *http.Request, status int, text string) {
	header := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		status, text = http.StatusMethodNotAllowed, "use GET\n"
	}
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
