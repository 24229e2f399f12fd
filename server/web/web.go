// Package web serves the chat page, which is built with Angular and embedded into the binary.
package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// ErrNotBuilt is returned by [Handler] when the binary was compiled before the page was built.
var ErrNotBuilt = errors.New("the page is not built: run make page")

// all: keeps the pattern valid on a checkout that has only the folder's README.md.
//
//go:embed all:dist
var dist embed.FS

// Handler serves the page at the root of the paths it gets, and its configuration beside it. The page works under any
// path base: all it loads is relative to its own address, so the caller only strips the base, as with
// [http.StripPrefix]. The handler is safe for concurrent use.
func Handler(config Config) (http.Handler, error) {
	return newHandler(config, dist, "dist/page")
}

type handler struct {
	assets                map[string]asset
	contentSecurityPolicy string
}

func newHandler(config Config, files fs.FS, folder string) (*handler, error) {
	config, err := config.complete()
	if err != nil {
		return nil, fmt.Errorf("page configuration: %w", err)
	}
	page, err := fs.Sub(files, folder)
	if err != nil {
		return nil, fmt.Errorf("open the page: %w", err)
	}
	assets, err := loadAssets(page)
	if err != nil {
		return nil, err
	}
	configFile, err := config.asset()
	if err != nil {
		return nil, err
	}
	assets["config.json"] = configFile
	return &handler{assets: assets, contentSecurityPolicy: config.contentSecurityPolicy()}, nil
}

func (h *handler) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	h.setSecurityHeaders(writer.Header())
	if request.Method != http.MethodGet && request.Method != http.MethodHead {
		writer.Header().Set("Allow", "GET, HEAD")
		http.Error(writer, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+request.URL.Path), "/")
	if name == "" {
		h.servePage(writer, request)
		return
	}
	if found, ok := h.assets[name]; ok && name != indexName && !strings.HasSuffix(request.URL.Path, "/") {
		found.serve(writer, request)
		return
	}
	if isNavigation(request) {
		redirectToPage(writer, request.URL.Path)
		return
	}
	http.NotFound(writer, request)
}

// servePage answers the root. An address without a slash at its end (/chat, stripped to nothing) is corrected first:
// relative to it the browser would look for the page's files one level too high.
func (h *handler) servePage(writer http.ResponseWriter, request *http.Request) {
	address, _, _ := strings.Cut(request.RequestURI, "?")
	if strings.HasPrefix(address, "/") && !strings.HasSuffix(address, "/") {
		redirect(writer, "./"+path.Base(address)+"/")
		return
	}
	h.assets[indexName].serve(writer, request)
}

// setSecurityHeaders allows what the page needs and nothing else. The page has neither inline scripts nor inline styles.
func (h *handler) setSecurityHeaders(header http.Header) {
	header.Set("Content-Security-Policy", h.contentSecurityPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// isNavigation tells a person who follows a link or types an address from a script or style that is missing: a missing
// file must be a 404, else a browser would try to run the page as a script.
func isNavigation(request *http.Request) bool {
	if mode := request.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(request.Header.Get("Accept"), "text/html")
}

// redirectToPage leads an address below the page back to it, without knowing what was stripped from the address.
func redirectToPage(writer http.ResponseWriter, requestPath string) {
	depth := strings.Count(strings.TrimPrefix(requestPath, "/"), "/")
	redirect(writer, "./"+strings.Repeat("../", depth))
}

// redirect sets the header itself: http.Redirect would make the location absolute, from the stripped path.
func redirect(writer http.ResponseWriter, location string) {
	writer.Header().Set("Location", location)
	writer.Header().Set("Cache-Control", "no-cache")
	writer.WriteHeader(http.StatusTemporaryRedirect)
}

// serve answers with the asset: whole, in part, or not modified.
func (a asset) serve(writer http.ResponseWriter, request *http.Request) {
	header := writer.Header()
	header.Set("Content-Type", a.contentType)
	header.Set("Cache-Control", a.cacheControl)
	header.Set("ETag", a.entityTag)
	http.ServeContent(writer, request, "", time.Time{}, bytes.NewReader(a.content))
}
