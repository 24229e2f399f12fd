package drain

import (
	"encoding/json"
	"net/http"
	"time"
)

// Path is where servers that have the cluster key, and the operator, find the drain at the peer port.
const Path = "/drain"

// The states of a server.
const (
	Serving  = "serving"
	Draining = "draining"
	Drained  = "drained"
)

// Progress is how far a drain is. It is what Path answers with; fields are never removed.
type Progress struct {
	// Instance is the process: the name of its machine, which is that of its pod, and a random part.
	Instance string `json:"instance"`
	// State is Serving, Draining or Drained.
	State string `json:"state"`
	// Ending is set when the process ends after the drain, or at the deadline.
	Ending bool `json:"ending"`
	// Since is when the drain began, Deadline when calls that still run are ended; both are absent while serving.
	Since    *time.Time `json:"since,omitempty"`
	Deadline *time.Time `json:"deadline,omitempty"`
	// Connections is how many connections this server owns and has not told to leave.
	Connections int       `json:"connections"`
	Remaining   Remaining `json:"remaining"`
	// ReadyPeers is how many other servers take clients, as far as is known without asking them.
	ReadyPeers int `json:"readyPeers"`
}

// Remaining is Count as Path answers with it.
type Remaining struct {
	Stateful    int `json:"stateful"`
	Stateless   int `json:"stateless"`
	LongPolling int `json:"longPolling"`
	Tunnelled   int `json:"tunnelled"`
}

// Progress says how far the server is.
func (r *Runner) Progress() Progress {
	count := r.options.Clients.Count()
	progress := Progress{
		State: Serving, Connections: count.Stateful + count.Stateless + count.LongPolling,
		Remaining: Remaining{count.Stateful, count.Stateless, count.LongPolling, count.Tunnelled},
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.present; p != nil {
		since := p.began.UTC()
		deadline := p.deadline(p.ending, Budget(r.options.Timeout)).UTC()
		progress.State, progress.Since, progress.Deadline, progress.Ending = Draining, &since, &deadline, !p.ending.IsZero()
		if p.drained {
			progress.State = Drained
		}
	}
	return progress
}

// instanceHeader names the process that a request is for; an address may be another one's by now.
const instanceHeader = "Chatcluster-Instance"

// Handler answers requests at Path: GET says how far the server is, POST starts a drain, DELETE takes it back. instance is
// this process, readyPeers tells how many other servers there are. It is for the peer port: it asks nobody who they are.
func (r *Runner) Handler(instance string, readyPeers func() int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if named := request.Header.Get(instanceHeader); named != "" && named != instance {
			http.Error(w, "this is "+instance, http.StatusMisdirectedRequest)
			return
		}
		status := http.StatusOK
		switch request.Method {
		case http.MethodGet, http.MethodHead:
		case http.MethodPost:
			r.Start()
			status = http.StatusAccepted
		case http.MethodDelete:
			if !r.Stop() {
				status = http.StatusConflict
			}
		default:
			w.Header().Set("Allow", "GET, HEAD, POST, DELETE")
			http.Error(w, "use GET, POST or DELETE", http.StatusMethodNotAllowed)
			return
		}
		progress := r.Progress()
		progress.Instance, progress.ReadyPeers = instance, readyPeers()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(progress) // a client that is gone needs no answer
	})
}
