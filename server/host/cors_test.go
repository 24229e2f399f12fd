package host

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func corsHandler(log *bytes.Buffer) http.Handler {
	origins := newOrigins([]string{"http://localhost:4200", "https://chat.example.com"}, slog.New(slog.NewTextHandler(log, nil)))
	return origins.handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
}

func request(handler http.Handler, method, origin string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://hub:5001/chatHub/negotiate?negotiateVersion=1", nil)
	if header != nil {
		r.Header = header
	}
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	return recorder
}

func preflight(method, headers string) http.Header {
	return http.Header{"Access-Control-Request-Method": {method}, "Access-Control-Request-Headers": {headers}}
}

func TestPreflightOfAnAllowedOrigin(t *testing.T) {
	// What the JavaScript client's requests make browsers ask for, and a header that an application adds.
	const headers = "authorization,content-type,x-my-own,x-requested-with,x-signalr-user-agent"
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		response := request(corsHandler(new(bytes.Buffer)), http.MethodOptions, "http://localhost:4200", preflight(method, headers))
		got := response.Header()
		if response.Code != http.StatusNoContent || got.Get("Access-Control-Allow-Origin") != "http://localhost:4200" ||
			got.Get("Access-Control-Allow-Credentials") != "true" || got.Get("Access-Control-Allow-Methods") != method ||
			got.Get("Access-Control-Allow-Headers") != headers {
			t.Errorf("%s: %d %v", method, response.Code, got)
		}
	}
}

func TestPreflightThatIsNotAllowed(t *testing.T) {
	for name, response := range map[string]*httptest.ResponseRecorder{
		"origin": request(corsHandler(new(bytes.Buffer)), http.MethodOptions, "https://evil.example", preflight("POST", "x-requested-with")),
		"method": request(corsHandler(new(bytes.Buffer)), http.MethodOptions, "http://localhost:4200", preflight("PATCH", "")),
	} {
		if response.Code == http.StatusTeapot {
			t.Errorf("%s: a preflight reached the hub", name)
		}
		for header := range response.Header() {
			if strings.HasPrefix(header, "Access-Control-Allow") {
				t.Errorf("%s: allowed by %s", name, header)
			}
		}
	}
}

func TestResponsesToPages(t *testing.T) {
	for origin, allowed := range map[string]bool{
		"http://localhost:4200":      true,
		"https://chat.example.com":   true,
		"http://localhost:4201":      false,
		"https://localhost:4200":     false,
		"http://localhost:4200.evil": false,
		"https://evil.example":       false,
		"null":                       false,
		"":                           false,
	} {
		response := request(corsHandler(new(bytes.Buffer)), http.MethodPost, origin, nil)
		want := ""
		if allowed {
			want = origin
		}
		if got := response.Header().Get("Access-Control-Allow-Origin"); response.Code != http.StatusTeapot || got != want {
			t.Errorf("%q: %d, allowed %q", origin, response.Code, got)
		}
		if got := response.Header().Get("Access-Control-Allow-Credentials"); (got == "true") != allowed {
			t.Errorf("%q: credentials %q", origin, got)
		}
		if got := response.Header().Get("Vary"); got != "Origin" {
			t.Errorf("%q: a cache could mix up origins: Vary %q", origin, got)
		}
	}
}

func TestRefusedOriginIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	handler := corsHandler(&log)
	for range 3 {
		request(handler, http.MethodPost, "http://127.0.0.1:4200", nil)
	}
	request(handler, http.MethodPost, "http://localhost:4200", nil)
	request(handler, http.MethodPost, "http://hub:5001", nil) // the server's own pages
	request(handler, http.MethodPost, "", nil)
	if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), "http://127.0.0.1:4200") {
		t.Errorf("log: %q", log.String())
	}
	for at := range 2 * mostRefused {
		request(handler, http.MethodPost, fmt.Sprintf("http://%d.example", at), nil)
	}
	if lines := strings.Count(log.String(), "\n"); lines != mostRefused {
		t.Errorf("strangers made the server log %d lines", lines)
	}
}
