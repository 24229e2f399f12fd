package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The peer protocol is HTTP/1.1 over mutual TLS. Every request names the instance that it is for, and is answered with
// 421 by any other. Requests of clients are under forwardPath, unchanged but for what says who the client is.
const (
	forwardPath = "/forward"
	ownerPath   = "/owner"
	movePath    = "/move"

	headerPrefix     = "Chatcluster-"
	instanceHeader   = headerPrefix + "Instance"
	connectionHeader = headerPrefix + "Connection"
	clientHeader     = headerPrefix + "Client"
	hostHeader       = headerPrefix + "Host"
	// takesHeader marks a poll that comes from a server which would take the connection.
	takesHeader = headerPrefix + "Takes"
	// refusalHeader marks answers of the peer itself, which clients must not see.
	refusalHeader = headerPrefix + "Refusal"
)

// The limits of connections between servers. A request to a peer has none as a whole: polls and event streams take as
// long as they take.
const (
	dialTimeout = 2 * time.Second
	// handshakeTimeout is longer: who has taken the connection is there, and may be short of processor time. A client of long polling
	// whose request does not get through has lost its connection.
	handshakeTimeout    = 5 * time.Second
	idlePerPeer         = 64
	clientIdleTimeout   = 90 * time.Second
	forwardBufferSize   = 4096
	maximumPeerResponse = 1024
	// continueTimeout is how long the owner may take to ask for the body of a request: longer than any move of the connection
	// that it waits for.
	continueTimeout = 15 * time.Second
)

// HTTPNetwork is the Network of servers that reach each other by TCP.
type HTTPNetwork struct {
	// machine is the part of this server's instance that names its machine.
	machine   string
	transport *http.Transport
	proxy     *httputil.ReverseProxy
}

// NewNetwork returns the network of a server whose peers have the same keys. Close it when it is no longer used.
func NewNetwork(self Peer, keys *Keys, logger *slog.Logger) *HTTPNetwork {
	n := &HTTPNetwork{machine: machineOf(self.Instance), transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSClientConfig:     keys.PeerTLS(),
		TLSHandshakeTimeout: handshakeTimeout,
		DisableCompression:  true,
		MaxIdleConnsPerHost: idlePerPeer,
		IdleConnTimeout:     clientIdleTimeout,
		WriteBufferSize:     forwardBufferSize,
		ReadBufferSize:      forwardBufferSize,

		ExpectContinueTimeout: continueTimeout,
	}}
	n.proxy = &httputil.ReverseProxy{
		Transport:      untracedTransport{n.transport},
		Rewrite:        rewrite,
		ModifyResponse: refusal,
		FlushInterval:  -1, // at once: streams and polls wait for nothing
		BufferPool:     &forwardBuffers{},
		ErrorLog:       slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) {
			forwarding(r.Context()).err = err
		},
	}
	return n
}

// Close closes connections that are not in use.
func (n *HTTPNetwork) Close() { n.transport.CloseIdleConnections() }

// forwardingKey finds what is to be done with a request below its context.
type forwardingKey struct{}

// forward is one request on its way to a peer. err is set if it was not answered.
type forward struct {
	peer         Peer
	connectionID string
	takes        bool
	err          error
}

func forwarding(ctx context.Context) *forward {
	found, _ := ctx.Value(forwardingKey{}).(*forward)
	return found
}

// Forward implements Network.
func (n *HTTPNetwork) Forward(w http.ResponseWriter, r *http.Request, peer Peer, connectionID string, takes bool) error {
	job := &forward{peer: peer, connectionID: connectionID, takes: takes}
	n.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), forwardingKey{}, job)))
	return n.explain(peer, job.err)
}

// rewrite makes the request to the peer of that of the client. Proxies in front of this server have said who the client
// is, and this server has decided what to believe: the peer is told the result, and the headers as they came.
func rewrite(request *httputil.ProxyRequest) {
	job := forwarding(request.In.Context())
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if values, present := request.In.Header[name]; present {
			request.Out.Header[name] = values
		}
	}
	address(request.Out, request.In, job.peer, job.connectionID)
	if job.takes {
		request.Out.Header.Set(takesHeader, "1")
	}
	if request.Out.Body != nil && request.Out.Body != http.NoBody {
		// The body stays here until the peer has made sure that the connection is its own: it can be sent only once.
		request.Out.Header.Set("Expect", "100-continue")
	}
}

// address makes out, which has the headers of in, a request to a peer.
func address(out, in *http.Request, peer Peer, connectionID string) {
	for name := range out.Header {
		if strings.HasPrefix(name, headerPrefix) {
			delete(out.Header, name)
		}
	}
	out.URL = &url.URL{Scheme: "https", Host: peer.Address, Path: forwardPath + in.URL.Path, RawQuery: in.URL.RawQuery}
	if in.URL.RawPath != "" {
		out.URL.RawPath = forwardPath + in.URL.RawPath
	}
	out.Host = peer.Address
	out.Header.Set(instanceHeader, peer.Instance)
	out.Header.Set(connectionHeader, connectionID)
	out.Header.Set(clientHeader, in.RemoteAddr)
	out.Header.Set(hostHeader, in.Host)
}

// Attach implements Network. The peer answers the client's own request for a WebSocket; what follows are the bytes that
// client and owner exchange, frame by frame.
func (n *HTTPNetwork) Attach(ctx context.Context, r *http.Request, peer Peer, connectionID string) (io.ReadWriteCloser, error) {
	out := r.Clone(ctx)
	out.Body, out.ContentLength, out.RequestURI = nil, 0, ""
	address(out, r, peer, connectionID)
	response, err := n.transport.RoundTrip(out)
	if err != nil {
		return nil, fmt.Errorf("attach to peer %s: %w", peer.Instance, n.explain(peer, err))
	}
	if tunnel, ok := response.Body.(io.ReadWriteCloser); ok && response.StatusCode == http.StatusSwitchingProtocols {
		return tunnel, nil
	}
	_ = response.Body.Close()
	switch {
	case refusal(response) != nil:
		err = refusal(response)
	case response.StatusCode < http.StatusInternalServerError:
		err = ErrNotOwner // the owner has it no more, or not for this client
	default:
		err = fmt.Errorf("it answered with status %d", response.StatusCode)
	}
	return nil, fmt.Errorf("attach to peer %s: %w", peer.Instance, err)
}

// refusal turns answers of the peer itself into errors.
func refusal(response *http.Response) error {
	if response.Header.Get(refusalHeader) == "" {
		return nil
	}
	return refusalError(response.StatusCode)
}

func refusalError(status int) error {
	switch status {
	case http.StatusMisdirectedRequest:
		return ErrGone
	case http.StatusGone:
		return ErrNotOwner
	case http.StatusConflict:
		return ErrOffered
	}
	return fmt.Errorf("the peer answered with status %d", status) //nolint:err113 // nobody decides by it
}

// Owns implements Network.
func (n *HTTPNetwork) Owns(ctx context.Context, peer Peer, connectionID string) (bool, error) {
	address := url.URL{Scheme: "https", Host: peer.Address, Path: ownerPath}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return false, fmt.Errorf("ask peer %s: %w", peer.Instance, err)
	}
	request.Header.Set(instanceHeader, peer.Instance)
	request.Header.Set(connectionHeader, connectionID)
	response, err := n.transport.RoundTrip(request)
	if err != nil {
		return false, fmt.Errorf("ask peer %s: %w", peer.Instance, n.explain(peer, err))
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.CopyN(io.Discard, response.Body, maximumPeerResponse) // so that the connection can be used again
	if response.StatusCode == http.StatusNoContent {
		return true, nil
	}
	if err := refusalError(response.StatusCode); !errors.Is(err, ErrNotOwner) {
		return false, fmt.Errorf("ask peer %s: %w", peer.Instance, err)
	}
	return false, nil
}

// explain finds ErrGone in the error of a network. An address that refuses connections has no server any more, unless it
// is one that only its own machine can reach.
func (n *HTTPNetwork) explain(peer Peer, err error) error {
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	if isLoopback(peer.Address) && machineOf(peer.Instance) != n.machine {
		return err
	}
	return fmt.Errorf("%w: %w", ErrGone, err)
}

func machineOf(instance string) string {
	return instance[:max(strings.LastIndexByte(instance, '_'), 0)]
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

// forwardBuffers are small: an event stream holds one for as long as it lives.
type forwardBuffers struct{ pool sync.Pool }

// Get implements httputil.BufferPool.
func (b *forwardBuffers) Get() []byte {
	if buffer, ok := b.pool.Get().(*[forwardBufferSize]byte); ok {
		return buffer[:]
	}
	return make([]byte, forwardBufferSize)
}

// Put implements httputil.BufferPool.
func (b *forwardBuffers) Put(buffer []byte) { b.pool.Put((*[forwardBufferSize]byte)(buffer)) }
