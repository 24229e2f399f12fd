package haproxy

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAServerIsUpWhileItIsReady(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("haproxy"); err != nil {
		t.Skip("haproxy is not installed")
	}
	var ready atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" && !ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	b, err := Start(t.Context(), Options{
		Program: "haproxy", Folder: t.TempDir(),
		Servers: []Server{{"one", server.Listener.Addr().String()}, {"none", "127.0.0.1:1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, state := range []bool{false, true, false} {
		ready.Store(state)
		if err := b.Await(ctx, "one", state); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Await(ctx, "none", false); err != nil {
		t.Error(err)
	}
}

func TestAProgramThatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Options{Program: "/no/such/haproxy", Folder: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "/no/such/haproxy") || !strings.Contains(err.Error(), "--haproxy") {
		t.Errorf("got %v", err)
	}
}

func TestConfigurationHasEveryServerAndNoAffinity(t *testing.T) {
	t.Parallel()
	text := Configuration("127.0.0.1:80", "/run/h.sock", []Server{{"a", "10.0.0.1:1"}, {"b", "10.0.0.2:2"}})
	for _, want := range []string{"bind 127.0.0.1:80\n", "stats socket /run/h.sock ", "server a 10.0.0.1:1\n", "server b 10.0.0.2:2\n", "option redispatch", "/readyz", "inter 500ms", "http-response set-header X-Place %s\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	for _, affinity := range []string{"cookie", "stick", "balance source"} {
		if strings.Contains(text, affinity) {
			t.Errorf("%q is in\n%s", affinity, text)
		}
	}
}

func TestStateIsReadFromWhatHAProxyTells(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text, problem string
		want          map[string]bool
	}{
		"servers":      {"# pxname,svname,scur,status,\nclients,FRONTEND,1,OPEN,\nhubs,a,1,UP,\nhubs,b,0,DOWN 1/2,\nhubs,c,0,UP 1/2,\nhubs,BACKEND,1,UP,\n\n", "", map[string]bool{"a": true, "b": false, "c": true}},
		"nothing":      {"", "EOF", nil},
		"other text":   {"Unknown command\n", "columns are missing", nil},
		"a short line": {"# pxname,svname,status\nhubs\n", "", map[string]bool{}},
	} {
		got, err := parseState(strings.NewReader(test.text))
		if (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
			t.Errorf("%s: %v, want %q", name, err, test.problem)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s differs (-want +got):\n%s", name, diff)
		}
	}
}
