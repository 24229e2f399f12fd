package crowd

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatcluster/chatcluster/server/chat"
	"github.com/chatcluster/chatcluster/server/signalr"
)

const patience = 60 * time.Second

// place is a hub server that can be ended and started anew at one address.
type place struct {
	t        *testing.T
	address  string
	server   *signalr.Server
	listener *httptest.Server
	handler  atomic.Pointer[http.ServeMux]

	mu   sync.Mutex      // guards seen
	seen map[string]bool // transports by which clients receive
}

// see notes by which transport a request lets its client receive.
func (p *place) see(r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case r.Method != http.MethodGet:
	case r.Header.Get("Upgrade") != "":
		p.seen["WebSockets"] = true
	case r.Header.Get("Accept") == "text/event-stream":
		p.seen["ServerSentEvents"] = true
	default:
		p.seen["LongPolling"] = true
	}
}

func (p *place) transports() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.seen))
}

func open(t *testing.T) *place {
	p := &place{t: t, seen: map[string]bool{}}
	p.start()
	t.Cleanup(p.end)
	return p
}

func (p *place) start() {
	server, err := signalr.NewServer(signalr.ServerOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	hub, err := server.Hub(chat.DefaultName, &chat.Hub{ServerName: "one"}, signalr.HubOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	endpoint := hub.Endpoint(signalr.EndpointOptions{})
	p.server = server
	if p.listener == nil {
		p.listener = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p.see(r)
			p.handler.Load().ServeHTTP(w, r)
		}))
		p.address = p.listener.URL + "/chatHub"
	}
	mux := http.NewServeMux()
	mux.Handle("/chatHub/", endpoint)
	mux.Handle("/chatHub", endpoint)
	p.handler.Store(mux)
}

func (p *place) end() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.server.Shutdown(ctx); err != nil {
		p.t.Errorf("shutting down: %v", err)
	}
	if p.t.Context().Err() != nil {
		p.listener.Close()
	}
}

func TestACrowdHearsAllThatItSays(t *testing.T) {
	options := Options{URL: open(t).address, Go: 3, Log: t.Logf}
	if folder, err := filepath.Abs("../../clients/javascript"); err == nil && hasJavaScript(folder) {
		options.JavaScript, options.JavaScriptFolder = 3, folder
	} else {
		t.Log("without JavaScript clients: node or hack/clients/javascript/node_modules is missing")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	crowd, err := Start(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	defer crowd.Stop()
	if got := crowd.RollCall(ctx); got.Said != crowd.Size() || got.Expected != crowd.Size()*crowd.Size() || got.Lost+got.Doubled+got.Failed != 0 {
		t.Errorf("the roll call of %d ends with %+v", crowd.Size(), got)
	}
	got, err := crowd.Talk(ctx, 50, func(context.Context) error { return nil })
	if err != nil || got.Said == 0 || got.Expected != got.Said*crowd.Size() || got.Lost+got.Doubled+got.Failed+got.Reconnects != 0 {
		t.Errorf("talking without a disturbance ends with %+v, %v", got, err)
	}
}

func TestJavaScriptClientsTakeTheTransportThatTheyAreTold(t *testing.T) {
	folder, err := filepath.Abs("../../clients/javascript")
	if err != nil || !hasJavaScript(folder) {
		t.Skip("node or hack/clients/javascript/node_modules is missing")
	}
	for _, transport := range []string{"WebSockets", "ServerSentEvents", "LongPolling"} {
		t.Run(transport, func(t *testing.T) {
			where := open(t)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			options := Options{URL: where.address, JavaScript: 2, JavaScriptFolder: folder, Transport: transport, Log: t.Logf}
			crowd, err := Start(ctx, options)
			if err != nil {
				t.Fatal(err)
			}
			defer crowd.Stop()
			if got := crowd.RollCall(ctx); got.Said != 2 || got.Expected != 4 || got.Lost+got.Doubled+got.Failed != 0 {
				t.Errorf("the roll call ends with %+v", got)
			}
			if got := where.transports(); len(got) != 1 || got[0] != transport {
				t.Errorf("the clients came by %q, want %q", got, transport)
			}
		})
	}
}

func TestACrowdComesBackAndCountsIt(t *testing.T) {
	where := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	crowd, err := Start(ctx, Options{URL: where.address, Go: 4, Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	defer crowd.Stop()
	got, err := crowd.Talk(ctx, 50, func(context.Context) error {
		where.end()
		for crowd.Connected() > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			time.Sleep(time.Millisecond)
		}
		where.start()
		return nil
	})
	if err != nil || got.Reconnects != 4 {
		t.Errorf("a server that ends and comes back: %+v, %v; want 4 reconnects", got, err)
	}
}

func TestAClientWithStatefulReconnectIsBackWhenItHearsSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(Options{JavaScript: 1})
		tell := func(event string) { c.follow(strings.NewReader(`{"client":"js-0",` + event + "}\n")) }
		tell(`"event":"joined"`)
		tell(`"event":"socket"`)
		calm := make(chan error, 1)
		go func() { calm <- c.AwaitCalm(t.Context(), time.Second) }()
		time.Sleep(time.Minute)
		select {
		case err := <-calm:
			t.Fatalf("all is calm while a client has no WebSocket: %v", err)
		default:
		}
		heard := time.Now()
		tell(`"event":"heard","text":"phase 1/js-0/1"`)
		if err := <-calm; err != nil || time.Since(heard) < time.Second {
			t.Errorf("calm %s after the client was back: %v", time.Since(heard), err)
		}
	})
}

func hasJavaScript(folder string) bool {
	_, noNode := exec.LookPath("node")
	_, noPackages := os.Stat(filepath.Join(folder, "node_modules", "@microsoft", "signalr"))
	return noNode == nil && noPackages == nil
}
