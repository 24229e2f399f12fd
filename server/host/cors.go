package host

import (
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/rs/cors"
)

// origins decides which web pages may use the hubs.
type origins struct {
	allowed []string
	logger  *slog.Logger

	// mu guards refused, the origins that were logged already.
	mu      sync.Mutex
	refused map[string]bool
}

// mostRefused and longestOrigin bound what strangers can make the server log and remember.
const (
	mostRefused   = 100
	longestOrigin = 300
)

func newOrigins(allowed []string, logger *slog.Logger) *origins {
	return &origins{allowed: allowed, logger: logger, refused: map[string]bool{}}
}

// allow tells whether a page of that origin may call the server of another. Browsers send origins in lower case.
func (o *origins) allow(_ *http.Request, origin string) bool {
	return slices.Contains(o.allowed, strings.ToLower(origin))
}

// handler answers preflight requests and lets pages of the allowed origins read responses, with credentials. Any header
// is allowed: applications add their own.
func (o *origins) handler(next http.Handler) http.Handler {
	rules := cors.New(cors.Options{
		AllowOriginVaryRequestFunc: func(r *http.Request, origin string) (bool, []string) { return o.allow(r, origin), nil },
		AllowedMethods:             []string{http.MethodGet, http.MethodPost, http.MethodDelete},
		AllowedHeaders:             []string{"*"},
		AllowCredentials:           true,
	})
	guarded := rules.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mention(r)
		guarded.ServeHTTP(w, r)
	})
}

// mention logs an origin that is refused, once: the browser tells its user next to nothing about the reason.
func (o *origins) mention(r *http.Request) {
	origin := r.Header.Get("Origin")
	if origin == "" || len(origin) > longestOrigin || o.allow(r, origin) || isSameHost(r, origin) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refused[origin] || len(o.refused) >= mostRefused {
		return
	}
	o.refused[origin] = true
	o.logger.Warn("refused a web page whose origin is not in CorsOrigins", "origin", origin, "allowed", strings.Join(o.allowed, ","))
}

func isSameHost(r *http.Request, origin string) bool {
	parsed, err := url.Parse(origin)
	return err == nil && strings.EqualFold(parsed.Host, r.Host)
}
