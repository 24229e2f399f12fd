package host

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// negotiationLimit bounds how often one address may begin a connection. Each address has perMinute of them saved up at
// most, and gets them back evenly.
type negotiationLimit struct {
	perMinute int
	observer  refusalObserver
	now       func() time.Time

	// mu guards what follows.
	mu        sync.Mutex
	addresses map[netip.Prefix]*rate.Limiter
	swept     time.Time
}

// The table of addresses is swept once in a while, and more often while it is full: then all are forgotten that have everything
// saved up again. In between, a new address takes the place of any other: everybody waits for a sweep, and a flood from so
// many addresses is nothing that this limit could stop.
const (
	sweepInterval     = time.Minute
	fullSweepInterval = time.Second
	mostAddresses     = 100_000
	networkBitsIPv6   = 64
)

// refusalObserver is told when a client ran into a limit.
type refusalObserver interface{ Refused(limit transport.Limit) }

func newNegotiationLimit(perMinute int, observer refusalObserver) *negotiationLimit {
	return &negotiationLimit{perMinute: perMinute, observer: observer, now: time.Now, addresses: map[netip.Prefix]*rate.Limiter{}}
}

// handler turns away clients that begin more connections than they may.
func (l *negotiationLimit) handler(next http.Handler) http.Handler {
	if l.perMinute == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !beginsConnection(r) || l.allow(r.RemoteAddr) {
			next.ServeHTTP(w, r)
			return
		}
		l.observer.Refused(transport.LimitNegotiations)
		wait := 60/l.perMinute + 1
		w.Header().Set("Retry-After", strconv.Itoa(wait))
		http.Error(w, fmt.Sprintf("Too many new connections from your address. Try again in %d s.", wait), http.StatusTooManyRequests)
	})
}

// beginsConnection tells requests that begin a connection from those that continue one.
func beginsConnection(r *http.Request) bool {
	if r.Method == http.MethodPost {
		return transport.IsNegotiation(r.URL.Path)
	}
	if r.Method != http.MethodGet {
		return false
	}
	for name, values := range r.URL.Query() {
		if strings.EqualFold(name, "id") && len(values) > 0 && values[0] != "" {
			return false
		}
	}
	return true // a WebSocket without negotiation, or a mistake
}

func (l *negotiationLimit) allow(remote string) bool {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return true // a client without an address, which the server's own listeners do not have
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if since := now.Sub(l.swept); since > sweepInterval || since > fullSweepInterval && len(l.addresses) >= mostAddresses {
		l.sweep(now)
	}
	network := networkOf(peer.Addr())
	limiter := l.addresses[network]
	if limiter == nil {
		l.makeRoom()
		limiter = rate.NewLimiter(rate.Limit(float64(l.perMinute)/60), l.perMinute)
		l.addresses[network] = limiter
	}
	return limiter.AllowN(now, 1)
}

// sweep is called with mu held.
func (l *negotiationLimit) sweep(now time.Time) {
	l.swept = now
	for network, limiter := range l.addresses {
		if limiter.TokensAt(now) >= float64(l.perMinute) {
			delete(l.addresses, network)
		}
	}
}

// makeRoom forgets any one address if the table is full. It is called with mu held.
func (l *negotiationLimit) makeRoom() {
	if len(l.addresses) < mostAddresses {
		return
	}
	for network := range l.addresses {
		delete(l.addresses, network)
		return
	}
}

// networkOf is what counts as one address: of IPv6 the network that one subscriber gets.
func networkOf(address netip.Addr) netip.Prefix {
	address = address.Unmap().WithZone("")
	bits := address.BitLen()
	if address.Is6() {
		bits = networkBitsIPv6
	}
	return netip.PrefixFrom(address, bits).Masked()
}
