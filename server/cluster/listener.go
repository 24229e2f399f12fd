package cluster

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The limits of a request of a peer, and how long its connection may be idle: longer than the peer keeps it, so that
// none is closed just as a request is sent on it.
const (
	peerHeaderTimeout  = 5 * time.Second
	peerIdleTimeout    = 2 * clientIdleTimeout
	maximumPeerHeaders = 64 << 10 // those of a client, and some
)

// Server returns the server of the peer listener, without a listener: only who has the cluster key gets in. Requests of
// clients whose connections are this server's go to forwarded.
func (m *Member) Server(keys *Keys, forwarded http.Handler) *http.Server {
	return &http.Server{
		Handler:           m.handler(forwarded),
		TLSConfig:         keys.PeerTLS(),
		ReadHeaderTimeout: peerHeaderTimeout,
		IdleTimeout:       peerIdleTimeout,
		MaxHeaderBytes:    maximumPeerHeaders,
		ErrorLog:          slog.NewLogLogger(m.logger.Handler(), slog.LevelDebug),
	}
}

func (m *Member) handler(forwarded http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connectionID := r.Header.Get(connectionHeader)
		switch {
		case r.Header.Get(instanceHeader) != m.options.Self.Instance:
			reject(w, http.StatusMisdirectedRequest)
		case r.URL.Path == movePath:
			m.serveMove(w, r)
		case r.URL.Path == ownerPath:
			m.serveOwner(w, connectionID)
		case !strings.HasPrefix(r.URL.Path, forwardPath+"/"):
			reject(w, http.StatusNotFound)
		case !m.comes(r.Context(), connectionID):
			RejectForwarded(w)
		case r.Header.Get(takesHeader) != "" && m.offers(connectionID):
			reject(w, http.StatusConflict)
		default:
			forwarded.ServeHTTP(w, restore(r))
		}
	})
}

func (m *Member) serveOwner(w http.ResponseWriter, connectionID string) {
	if !m.Owns(connectionID) {
		reject(w, http.StatusGone)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// RejectForwarded answers a forwarded request whose connection is not this server's any more. The peer looks again for the owner.
func RejectForwarded(w http.ResponseWriter) { reject(w, http.StatusGone) }

// reject answers in the name of this server, not of the owner of a connection.
func reject(w http.ResponseWriter, status int) {
	w.Header().Set(refusalHeader, "1")
	w.WriteHeader(status)
}

// restore makes the request of the client of that of the peer.
func restore(r *http.Request) *http.Request {
	original := r.WithContext(r.Context())
	original.URL = &url.URL{
		Path: strings.TrimPrefix(r.URL.Path, forwardPath), RawPath: strings.TrimPrefix(r.URL.RawPath, forwardPath), RawQuery: r.URL.RawQuery,
	}
	original.RequestURI = original.URL.RequestURI()
	original.RemoteAddr = r.Header.Get(clientHeader)
	original.Host = r.Header.Get(hostHeader)
	original.TLS = nil // it is the peer's, not the client's
	original.Header = make(http.Header, len(r.Header))
	for name, values := range r.Header {
		if !strings.HasPrefix(name, headerPrefix) {
			original.Header[name] = values
		}
	}
	return original
}
