package web

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

const indexContent = "<!doctype html><base href=\"./\">"

func builtPage() fstest.MapFS {
	return fstest.MapFS{
		"dist/README.md":                    {Data: []byte("placeholder")},
		"dist/page/index.html":              {Data: []byte(indexContent)},
		"dist/page/main-ABCD1234.js":        {Data: []byte("main()")},
		"dist/page/styles-ABCD1234.css":     {Data: []byte("body{}")},
		"dist/page/favicon.svg":             {Data: []byte("<svg/>")},
		"dist/page/media/font-ABCD1234.bin": {Data: []byte("binary")},
	}
}

func newTestHandler(t *testing.T, config Config) http.Handler {
	t.Helper()
	handler, err := newHandler(config, builtPage(), "dist/page")
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// ask sends one request; headers are name, value, name, value.
func ask(handler http.Handler, method, target string, headers ...string) *http.Response {
	request := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Result()
}

func bodyOf(t *testing.T, response *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestFilesHaveTheirTypeAndCaching(t *testing.T) {
	handler := newTestHandler(t, Config{})
	tests := []struct{ target, contentType, cacheControl, body string }{
		{"/", "text/html; charset=utf-8", cacheValidated, indexContent},
		{"/?from=mail", "text/html; charset=utf-8", cacheValidated, indexContent},
		{"/main-ABCD1234.js", "text/javascript; charset=utf-8", cacheForever, "main()"},
		{"/styles-ABCD1234.css", "text/css; charset=utf-8", cacheForever, "body{}"},
		{"/favicon.svg", "image/svg+xml", cacheValidated, "<svg/>"},
		{"/media/font-ABCD1234.bin", "application/octet-stream", cacheForever, "binary"},
		{"/config.json", "application/json", cacheValidated, `{"servers":[{"name":"","url":""}],"hubPath":"/chatHub"}`},
	}
	for _, test := range tests {
		t.Run(test.target, func(t *testing.T) {
			response := ask(handler, http.MethodGet, test.target)
			if response.StatusCode != http.StatusOK {
				t.Fatalf("status %d", response.StatusCode)
			}
			if got := response.Header.Get("Content-Type"); got != test.contentType {
				t.Errorf("content type %q, want %q", got, test.contentType)
			}
			if got := response.Header.Get("Cache-Control"); got != test.cacheControl {
				t.Errorf("cache control %q, want %q", got, test.cacheControl)
			}
			if got := bodyOf(t, response); got != test.body {
				t.Errorf("body %q, want %q", got, test.body)
			}
		})
	}
}

func TestHeadHasTheHeadersWithoutTheBody(t *testing.T) {
	response := ask(newTestHandler(t, Config{}), http.MethodHead, "/main-ABCD1234.js")
	if response.StatusCode != http.StatusOK || response.ContentLength != int64(len("main()")) {
		t.Errorf("status %d, length %d", response.StatusCode, response.ContentLength)
	}
	if body := bodyOf(t, response); body != "" {
		t.Errorf("body %q", body)
	}
}

func TestUnchangedFilesAreNotSentAgain(t *testing.T) {
	handler := newTestHandler(t, Config{})
	tag := ask(handler, http.MethodGet, "/").Header.Get("ETag")
	if response := ask(handler, http.MethodGet, "/", "If-None-Match", tag); response.StatusCode != http.StatusNotModified {
		t.Errorf("status %d for tag %s", response.StatusCode, tag)
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		response := ask(newTestHandler(t, Config{}), method, "/")
		if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: status %d, Allow %q", method, response.StatusCode, response.Header.Get("Allow"))
		}
	}
}

func TestUnknownPathsLeadNavigationsToThePageAndNothingElse(t *testing.T) {
	handler := newTestHandler(t, Config{})
	tests := []struct {
		name, target string
		headers      []string
		status       int
		location     string
	}{
		{"a followed link", "/room", []string{"Sec-Fetch-Mode", "navigate"}, http.StatusTemporaryRedirect, "./"},
		{"a deep link", "/room/7/edit", []string{"Accept", "text/html,*/*"}, http.StatusTemporaryRedirect, "./../../"},
		{"a folder", "/room/", []string{"Accept", "text/html"}, http.StatusTemporaryRedirect, "./../"},
		{"the page's file name", "/index.html", []string{"Accept", "text/html"}, http.StatusTemporaryRedirect, "./"},
		{"a file as a folder", "/favicon.svg/", []string{"Accept", "text/html"}, http.StatusTemporaryRedirect, "./../"},
		{"a script of an older build", "/main-OLDOLDOL.js", []string{"Sec-Fetch-Mode", "no-cors", "Accept", "*/*"}, http.StatusNotFound, ""},
		{"a fetch that takes anything", "/api", []string{"Accept", "*/*"}, http.StatusNotFound, ""},
		{"a fetch that says it takes HTML", "/api", []string{"Sec-Fetch-Mode", "cors", "Accept", "text/html"}, http.StatusNotFound, ""},
		{"the placeholder", "/README.md", nil, http.StatusNotFound, ""},
		{"a path out of the folder", "/../README.md", nil, http.StatusNotFound, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			response := ask(handler, http.MethodGet, test.target, test.headers...)
			if response.StatusCode != test.status || response.Header.Get("Location") != test.location {
				t.Errorf("status %d, location %q", response.StatusCode, response.Header.Get("Location"))
			}
		})
	}
}

func TestPageWorksUnderAPathBase(t *testing.T) {
	handler := http.StripPrefix("/apps/chat", newTestHandler(t, Config{}))
	tests := []struct {
		target   string
		status   int
		location string
	}{
		{"/apps/chat/", http.StatusOK, ""},
		{"/apps/chat", http.StatusTemporaryRedirect, "./chat/"},
		{"/apps/chat?a=/", http.StatusTemporaryRedirect, "./chat/"},
		{"/apps/chat/main-ABCD1234.js", http.StatusOK, ""},
		{"/apps/chat/config.json", http.StatusOK, ""},
		{"/apps/chat/room/7", http.StatusTemporaryRedirect, "./../"},
	}
	for _, test := range tests {
		t.Run(test.target, func(t *testing.T) {
			response := ask(handler, http.MethodGet, test.target, "Accept", "text/html")
			if response.StatusCode != test.status || response.Header.Get("Location") != test.location {
				t.Errorf("status %d, location %q", response.StatusCode, response.Header.Get("Location"))
			}
		})
	}
}

func TestRedirectsNeverLeaveTheSite(t *testing.T) {
	handler := newTestHandler(t, Config{})
	for _, target := range []string{"//evil.example", "//evil.example/", "/%2fevil.example", "/\\evil.example/x"} {
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.URL.Path, request.RequestURI = target, target
		request.Header.Set("Accept", "text/html")
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		if location := recorder.Header().Get("Location"); location != "" && !strings.HasPrefix(location, "./") {
			t.Errorf("%s leads to %q", target, location)
		}
	}
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	config := Config{Servers: []Server{
		{Name: "Server 1", URL: "http://localhost:5001"},
		{Name: "Server 2", URL: "https://two.example/base"},
		{Name: "Here"},
	}}
	handler := newTestHandler(t, config)
	for _, target := range []string{"/", "/config.json", "/missing.js"} {
		header := ask(handler, http.MethodGet, target).Header
		policy := header.Get("Content-Security-Policy")
		for _, part := range []string{
			"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'",
			"connect-src 'self' http://localhost:5001 https://two.example ws://localhost:5001 wss://two.example;",
		} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: policy %q lacks %q", target, policy, part)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("%s: unsafe policy %q", target, policy)
		}
		if header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: headers %v", target, header)
		}
	}
}

func TestConfigReachesThePage(t *testing.T) {
	config := Config{HubPath: "/hubs/chat", Servers: []Server{{Name: "Server 1", URL: "http://localhost:5001"}, {Name: "Server 2", URL: "http://localhost:5002"}}}
	var got Config
	body := bodyOf(t, ask(newTestHandler(t, config), http.MethodGet, "/config.json"))
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got.HubPath != config.HubPath || len(got.Servers) != 2 || got.Servers[1] != config.Servers[1] {
		t.Errorf("config.json is %s", body)
	}
}

func TestBadConfigIsRefusedByName(t *testing.T) {
	tests := []struct {
		name   string
		config Config
		want   string
	}{
		{"hub path", Config{HubPath: "chatHub"}, `hub path "chatHub" must start with /`},
		{"scheme", Config{Servers: []Server{{Name: "A", URL: "ftp://host"}}}, `server "A": the URL must be empty or like`},
		{"no host", Config{Servers: []Server{{Name: "A", URL: "localhost:5001"}}}, `server "A": the URL must be empty or like`},
		{"query", Config{Servers: []Server{{Name: "A", URL: "http://host?x=1"}}}, "no user, query or fragment"},
		{"password", Config{Servers: []Server{{Name: "A", URL: "http://u:secret@host"}}}, "no user, query or fragment"},
		{"policy injection", Config{Servers: []Server{{Name: "A", URL: "http://host;script-src"}}}, "URL"},
		{"two unnamed", Config{Servers: []Server{{URL: "http://a"}, {URL: "http://b"}}}, "a name of its own"},
		{"one name twice", Config{Servers: []Server{{Name: "A", URL: "http://a"}, {Name: "A", URL: "http://b"}}}, "a name of its own"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := newHandler(test.config, builtPage(), "dist/page")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("error %v repeats a password", err)
			}
		})
	}
}

func TestPageThatIsNotBuiltIsTold(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"nothing but the placeholder": {"dist/README.md": {Data: []byte("placeholder")}},
		"a build that broke off":      {"dist/page/main-ABCD1234.js": {Data: []byte("main()")}},
	} {
		if _, err := newHandler(Config{}, files, "dist/page"); !errors.Is(err, ErrNotBuilt) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestEmbeddedPageIsServedWhenBuilt(t *testing.T) {
	handler, err := Handler(Config{})
	if errors.Is(err, ErrNotBuilt) {
		t.Skip("skipped: the page is not built (make page)")
	}
	if err != nil {
		t.Fatal(err)
	}
	if body := bodyOf(t, ask(handler, http.MethodGet, "/")); !strings.Contains(body, "<chat-page>") {
		t.Errorf("page %q", body)
	}
}
