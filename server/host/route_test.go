package host

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// namePath answers with the path that it was called with.
func namePath(prefix string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, prefix+r.URL.Path+" base="+PathBase(r))
	})
}

func get(handler http.Handler, path string) (status int, body string) {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	return recorder.Code, recorder.Body.String()
}

func TestPathsAreFoundAsInASPNETCore(t *testing.T) {
	routes := &routes{exact: map[string]http.Handler{}, rest: namePath("rest ")}
	if err := routes.add("/chatHub", namePath("hub ")); err != nil {
		t.Fatal(err)
	}
	handler := stripPathBase("/base", routes)
	for path, want := range map[string]string{
		"/chatHub":                "hub /chatHub base=",
		"/CHATHUB/":               "hub /CHATHUB/ base=",
		"/chatHub?id=1":           "hub /chatHub base=",
		"/base/chathub":           "hub /chathub base=/base",
		"/BASE/chatHub":           "hub /chatHub base=/base",
		"/base":                   "rest / base=/base",
		"/base/":                  "rest / base=/base",
		"/basement":               "rest /basement base=",
		"/base%2FchatHub":         "hub /chatHub base=/base",
		"/chatHub/other":          "rest /chatHub/other base=",
		"/":                       "rest / base=",
		"/base/base/chatHub":      "rest /base/chatHub base=/base",
		"/base/a%2Fb":             "rest /a/b base=/base",
		"/chatHub//":              "rest /chatHub// base=",
		"/base/chatHub/negotiate": "rest /chatHub/negotiate base=/base",
	} {
		if _, body := get(handler, path); body != want {
			t.Errorf("%s: got %q, want %q", path, body, want)
		}
	}
}

func TestPathThatIsTakenIsRefused(t *testing.T) {
	routes := &routes{exact: map[string]http.Handler{}}
	if err := routes.add("/chatHub", namePath("")); err != nil {
		t.Fatal(err)
	}
	if err := routes.add("/CHATHUB/", namePath("")); err == nil {
		t.Error("two handlers at one path")
	}
}

func TestPanicIsLoggedAndCutsTheConnection(t *testing.T) {
	var log bytes.Buffer
	handler := survivePanics(slog.New(slog.NewTextHandler(&log, nil)), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			_, _ = io.WriteString(w, "half")
			panic("a mistake")
		}
		_, _ = io.WriteString(w, "whole")
	}))
	server := httptest.NewServer(handler)
	defer server.Close()
	if response, err := http.Get(server.URL + "/panic"); err == nil {
		_ = response.Body.Close()
		t.Error("half a response passed for a whole one")
	}
	response, err := http.Get(server.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if string(body) != "whole" {
		t.Errorf("after the panic: %q", body)
	}
	server.Close() // nobody writes into the log any more
	if line := log.String(); !strings.Contains(line, "a mistake") || !strings.Contains(line, "route_test.go") || strings.Count(line, "\n") != 1 {
		t.Errorf("log: %q", line)
	}
}
