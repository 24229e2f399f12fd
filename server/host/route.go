package host

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
)

// routes finds the handler of a path. Paths are matched without regard to case and to a slash at the end, as routing
// of ASP.NET Core does: clients come with addresses that worked there.
type routes struct {
	exact map[string]http.Handler
	// rest serves all other paths.
	rest http.Handler
}

// add mounts a handler. A path that is taken is an error.
func (r *routes) add(path string, handler http.Handler) error {
	path = canonical(path)
	if _, taken := r.exact[path]; taken {
		return fmt.Errorf("the path %q is used twice", path)
	}
	r.exact[path] = handler
	return nil
}

// ServeHTTP implements http.Handler.
func (r *routes) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if handler, found := r.exact[canonical(request.URL.Path)]; found {
		handler.ServeHTTP(w, request)
		return
	}
	r.rest.ServeHTTP(w, request)
}

func canonical(path string) string { return strings.ToLower(strings.TrimSuffix(path, "/")) }

type pathBaseKey struct{}

// stripPathBase takes base off the front of paths that have it and lets others pass as they are: probes and proxies
// come by either.
func stripPathBase(base string, next http.Handler) http.Handler {
	if base == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, found := cutPathBase(r.URL.Path, base)
		if !found {
			next.ServeHTTP(w, r)
			return
		}
		stripped := r.WithContext(context.WithValue(r.Context(), pathBaseKey{}, base))
		stripped.URL = &url.URL{Path: path, RawQuery: r.URL.RawQuery, ForceQuery: r.URL.ForceQuery}
		if raw, found := cutPathBase(r.URL.RawPath, base); found {
			stripped.URL.RawPath = raw
		}
		next.ServeHTTP(w, stripped)
	})
}

func cutPathBase(path, base string) (rest string, found bool) {
	if len(path) < len(base) || !strings.EqualFold(path[:len(base)], base) {
		return path, false
	}
	switch rest = path[len(base):]; {
	case rest == "":
		return "/", true
	case rest[0] == '/':
		return rest, true
	}
	return path, false
}

// survivePanics logs the panic of a handler and cuts its connection: half a response must not pass for a whole one.
func survivePanics(logger *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			problem := recover()
			if problem == nil {
				return
			}
			if problem != http.ErrAbortHandler { //nolint:errorlint // it is this very value, by its documentation
				logger.Error("a request made its handler panic", "method", r.Method, "path", r.URL.Path,
					"panic", fmt.Sprint(problem), "stack", string(debug.Stack()))
			}
			panic(http.ErrAbortHandler)
		}()
		next.ServeHTTP(w, r)
	})
}
