package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// Peers are the other servers among which clients' requests are spread. Each connection is owned by one server, which
// answers all its requests. All methods may be called concurrently.
type Peers interface {
	// Locate finds the owner of a connection that this server does not know. With claim it becomes this server's if
	// nobody owns it; then here is true. Else owner is the server to give to Forward, or "" if the connection does not
	// exist, or not any more. With an error nobody knows.
	Locate(ctx context.Context, connectionID string, claim bool) (owner string, here bool, err error)
	// Forward lets the owner answer a request. It returns false, and has answered nothing, if the connection is not there
	// any more: then Locate has to be asked again. With takes set, for a poll, the owner may offer the connection instead of
	// an answer.
	Forward(w http.ResponseWriter, r *http.Request, connectionID, owner string, takes bool) (answered, offered bool)
	// Attach connects the socket of a client, which r asked for, to the owner of its connection: the tunnel has the bytes
	// of all frames in both directions. gone tells that the connection is not there any more; other errors may pass.
	Attach(ctx context.Context, r *http.Request, connectionID, owner string) (tunnel io.ReadWriteCloser, gone bool, err error)
	// Reclaim keeps a connection that is being given to another server, because its client has come back here. It reports
	// false if the other one has it already. With an error nobody knows yet.
	Reclaim(ctx context.Context, connectionID string) (kept bool, err error)
	// Await does the same without keeping the connection: it waits until it is known whose it is.
	Await(ctx context.Context, connectionID string) (kept bool, err error)
	// Doubt returns what to wait for before anything is done for connections, because some may not be this server's any more;
	// nil if none has to be waited for.
	Doubt() <-chan struct{}
	// Release says that a connection that was claimed has ended. It does not block.
	Release(connectionID string)
	// End is Release that returns when the other servers refuse the connection's client, or after a moment.
	End(connectionID string)
}

// forwardedKey finds, below its context, what is known of a request that comes from a peer.
type forwardedKey struct{}

// forwarded is a request that comes from a peer. elsewhere is set if it was not answered because the connection is not this
// server's any more.
type forwarded struct{ elsewhere bool }

func forwardedOf(ctx context.Context) *forwarded {
	found, _ := ctx.Value(forwardedKey{}).(*forwarded)
	return found
}

func isForwarded(ctx context.Context) bool { return forwardedOf(ctx) != nil }

// ServeForwarded answers requests that peers forward: those of connections of this server. It never forwards. It returns
// false, and has answered nothing, if the connection is not here any more.
func (m *Manager) ServeForwarded(w http.ResponseWriter, r *http.Request) bool {
	token, _ := queryValue(r.URL.Query(), "id")
	m.await(token)
	connection, ended := m.known(token)
	switch {
	case ended:
		http.Error(w, bodyUnknownID, http.StatusNotFound)
		return true
	case connection == nil:
		return false
	}
	request := &forwarded{}
	connection.endpoint.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), forwardedKey{}, request)))
	return !request.elsewhere
}

// ErrGivenUp is the cause of the end of a connection that other servers have given up because its own did not run for a while.
var ErrGivenUp = errors.New("other servers have given the connection up")

// Abandon ends a connection that other servers have given up.
func (m *Manager) Abandon(connectionID string) {
	for _, connection := range m.snapshot() {
		if connection.ID() == connectionID {
			connection.Abort(ErrGivenUp)
		}
	}
}

// maximumSearches is how often the owner of a connection is looked for, for one request: it may have gone, or have given the
// connection away, whenever it is asked.
const maximumSearches = 5

// locate finds a connection that this server does not know: it makes it here if nobody owns it yet, or takes it if its owner
// offers it, or else has its owner answer the request, or refuses it. In both these cases it returns nil.
func (x *exchange) locate(token string) *Connection {
	if request := forwardedOf(x.request.Context()); request != nil {
		request.elsewhere = true
		return nil
	}
	manager := x.endpoint.manager
	claims, ok := manager.options.Tokens.Verify(x.endpoint.hub, token, time.Now())
	if !ok {
		x.refuseUnknown()
		return nil
	}
	for range maximumSearches {
		connection, owner, err := manager.claim(x, token, claims)
		switch {
		case connection != nil:
			return connection
		case claims.Stateful && isWebSocketUpgrade(x.request) && mayLive(owner, err):
			x.hold(claims.ConnectionID, token)
			return nil
		case err != nil:
			x.refuseSearch(err)
			return nil
		case owner == "":
			x.refuseUnknown()
			return nil
		}
		if connection, answered := x.pass(claims.ConnectionID, token, owner); connection != nil || answered {
			return connection
		}
	}
	x.refuseUnknown()
	return nil
}

// mayLive tells from what claim returns whether another server may have the connection.
func mayLive(owner string, err error) bool {
	final := errors.Is(err, errFull) || errors.Is(err, errClosing) || errors.Is(err, errUnknownToken)
	return owner != "" || err != nil && !final
}

// refuseSearch answers a request for whose connection claim has failed.
func (x *exchange) refuseSearch(err error) {
	switch {
	case errors.Is(err, errFull):
		x.refuseFull()
	case errors.Is(err, errClosing), errors.Is(err, errUnknownToken):
		x.refuseUnknown()
	default:
		x.writer.Header().Set("Retry-After", strconv.Itoa(1))
		x.respond(http.StatusServiceUnavailable, "")
	}
}

// pass lets the owner of a connection answer, or takes the connection if the owner would rather have that. With neither,
// the connection is somewhere else by now.
func (x *exchange) pass(connectionID, token, owner string) (taken *Connection, answered bool) {
	takes := x.isPoll() && x.endpoint.application.Adopts()
	answered, offered := x.forward(connectionID, owner, takes)
	if !offered {
		return nil, answered
	}
	if taken = x.adopt(connectionID, token, owner); taken != nil {
		return taken, false
	}
	answered, _ = x.forward(connectionID, owner, false)
	return nil, answered
}

// claim makes a connection on this server if nobody owns it. Requests with the same token wait for each other: what the
// first of them makes, the others find.
func (m *Manager) claim(x *exchange, token string, claims Claims) (connection *Connection, owner string, err error) {
	defer m.take(token)()
	if connection, ended := m.known(token); connection != nil || ended {
		return connection, "", nil
	}
	fresh := time.Since(claims.IssuedAt) <= m.options.DisconnectTimeout
	full := m.room()
	here := fresh && full == nil
	if m.options.Peers != nil {
		if owner, here, err = m.options.Peers.Locate(x.request.Context(), claims.ConnectionID, here); err != nil {
			return nil, "", fmt.Errorf("find the owner of a connection: %w", err)
		}
	}
	switch {
	case here:
	case owner == "" && fresh:
		return nil, "", full
	default:
		return nil, owner, nil
	}
	connection, err = m.add(&Connection{
		endpoint: x.endpoint, id: claims.ConnectionID, token: token, negotiated: true, stateful: claims.Stateful,
	}, newRequest(x.request, x.user))
	if err != nil {
		m.release(claims.ConnectionID)
	}
	return connection, "", err
}

// release says that a negotiated connection is no longer this server's.
func (m *Manager) release(connectionID string) {
	if m.options.Peers != nil {
		m.options.Peers.Release(connectionID)
	}
}

// forward lets the owner of a connection answer. Headers that were prepared for an answer of this server's own give way to
// the owner's.
func (x *exchange) forward(connectionID, owner string, takes bool) (answered, offered bool) {
	header := x.writer.Header()
	prepared := make(http.Header, len(noCacheHeaders))
	for _, name := range noCacheHeaders {
		if values, set := header[name]; set {
			prepared[name] = values
			delete(header, name)
		}
	}
	writer := &timedWriter{ResponseWriter: x.writer, limit: x.sendLimit(x.endpoint.options.TransportSendTimeout)}
	request, end := x.endpoint.manager.relay(x.request)
	defer end()
	answered, offered = x.endpoint.manager.options.Peers.Forward(writer, request, connectionID, owner, takes)
	switch {
	case !answered:
		maps.Copy(header, prepared)
	case !writer.begun && request.Context().Err() != nil:
		// It was ended from here. An empty answer would be that of a stream which is over.
		x.refuseSearch(context.Cause(request.Context()))
	}
	return answered, offered
}

// relay returns the request to be forwarded. That for an event stream ends when the manager does: it would hold up the end of
// this server for as long as the client stays. The client begins anew elsewhere.
func (m *Manager) relay(r *http.Request) (forwarded *http.Request, end func()) {
	if !isEventStream(r) {
		return r, func() {}
	}
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(m.relaying, cancel)
	return r.WithContext(ctx), func() {
		stop()
		cancel()
	}
}

// timedWriter gives each write of a response a time limit: a client that reads nothing shall not hold the owner's answer
// for ever.
type timedWriter struct {
	http.ResponseWriter
	limit sendLimit
	// begun is set with the first of it.
	begun bool
}

// WriteHeader implements http.ResponseWriter.
func (w *timedWriter) WriteHeader(status int) {
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *timedWriter) Write(data []byte) (int, error) {
	w.begun = true
	w.limit.begin()
	defer w.limit.end()
	return w.ResponseWriter.Write(data)
}

// FlushError is for http.ResponseController: what Write has put into a buffer is written here.
func (w *timedWriter) FlushError() error {
	w.begun = true
	w.limit.begin()
	defer w.limit.end()
	return w.limit.control.Flush()
}

// Unwrap is for http.ResponseController.
func (w *timedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// take waits until no other request looks for the owner of a token, and returns what lets the next one.
func (m *Manager) take(token string) (end func()) {
	for {
		m.mu.Lock()
		turn, taken := m.seeking[token]
		if !taken {
			turn = make(chan struct{})
			m.seeking[token] = turn
			m.mu.Unlock()
			return func() {
				m.mu.Lock()
				defer m.mu.Unlock()
				delete(m.seeking, token)
				close(turn)
			}
		}
		m.mu.Unlock()
		<-turn
	}
}

// await waits until no request looks for the owner of a token.
func (m *Manager) await(token string) {
	m.mu.Lock()
	turn := m.seeking[token]
	m.mu.Unlock()
	if turn != nil {
		<-turn
	}
}
