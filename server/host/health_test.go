package host

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestReadiness(t *testing.T) {
	redis := struct {
		text  string
		well  bool
		gates bool
	}{}
	checked := health{checks: []check{{
		name:  "redis",
		state: func() (string, bool) { return redis.text, redis.well },
		gates: func() bool { return redis.gates },
	}}}
	tests := []struct {
		name     string
		text     string
		well     bool
		gates    bool
		draining bool
		status   int
		plain    string
		verbose  string
	}{
		{
			"before the first connection", "not connected yet", false, true, false, 503,
			"not ready: redis: not connected yet\n", "[+] server: running\n[-] redis: not connected yet\nnot ready: redis: not connected yet\n",
		},
		{"connected", "connected", true, false, false, 200, "ready\n", "[+] server: running\n[+] redis: connected\nready\n"},
		{"lost later", "connection lost", false, false, false, 200, "ready\n", "[+] server: running\n[-] redis: connection lost\nready\n"},
		{
			"draining", "connected", true, false, true, 503,
			"not ready: draining\n", "[-] server: draining\n[+] redis: connected\nnot ready: draining\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			redis.text, redis.well, redis.gates = test.text, test.well, test.gates
			checked.draining.Store(test.draining)
			ready := http.HandlerFunc(checked.serveReady)
			if status, body := get(ready, "/readyz"); status != test.status || body != test.plain {
				t.Errorf("%d %q", status, body)
			}
			if status, body := get(ready, "/readyz?verbose"); status != test.status || body != test.verbose {
				t.Errorf("verbose: %d %q", status, body)
			}
			if status, body := get(http.HandlerFunc(checked.serveAlive), "/healthz"); status != 200 || body != "ok\n" {
				t.Errorf("alive: %d %q", status, body)
			}
		})
	}
}

func TestHealthIsAskedWithGET(t *testing.T) {
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "DELETE": 405} {
		recorder := httptest.NewRecorder()
		new(health).serveReady(recorder, httptest.NewRequest(method, "/readyz", nil))
		if recorder.Code != want || recorder.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", method, recorder.Code, recorder.Header())
		}
	}
}
