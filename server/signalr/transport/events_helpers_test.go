package transport

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/transport/pipetest"
)

// serveBy serves over HTTP/1.1 or HTTP/2 and returns a client, which takes little of an answer that nobody reads.
func serveBy(t *testing.T, handler http.Handler, major int) *http.Transport {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(major == 1)
	protocols.SetUnencryptedHTTP2(major == 2)
	network := pipetest.New()
	server := &http.Server{Handler: handler, Protocols: protocols, ErrorLog: silentLog()}
	served := make(chan error, 1)
	go func() { served <- server.Serve(network) }()
	client := &http.Transport{
		DialContext: network.Dial, Protocols: protocols, HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10},
	}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return client
}

func silentLog() *log.Logger { return log.New(io.Discard, "", 0) }

// proxyingPeers have the owner answer every request.
type proxyingPeers struct {
	oneOwner
	proxy httputil.ReverseProxy
}

func newProxyingPeers(owner http.RoundTripper) *proxyingPeers {
	return &proxyingPeers{proxy: httputil.ReverseProxy{
		Transport: owner, FlushInterval: -1, ErrorLog: silentLog(),
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "owner" },
	}}
}

func (p *proxyingPeers) Forward(w http.ResponseWriter, r *http.Request, _, _ string, _ bool) (answered, offered bool) {
	p.proxy.ServeHTTP(w, r)
	return true, false
}

// newEchoEndpoint returns an endpoint whose connections stay although nothing is attached to them.
func newEchoEndpoint(t *testing.T, application Application, tokens Tokens, peers Peers, timeout time.Duration) *Endpoint {
	t.Helper()
	manager := NewManager(ManagerOptions{Tokens: tokens, Peers: peers, DisconnectTimeout: time.Hour})
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		manager.Shutdown(ctx)
	})
	return manager.NewEndpoint("echo", application, EndpointOptions{TransportSendTimeout: timeout})
}
