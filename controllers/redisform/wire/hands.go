// Package wire sees how Redis servers and Sentinels are, and does to them what package redisform decides.
package wire

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/controllers/redisform"
)

// DefaultTimeout bounds what one member is asked or told.
const DefaultTimeout = 5 * time.Second

// Account is a user of Redis.
type Account struct {
	// User is its name; empty is the default user.
	User string
	// Passwords are those that may be good; the first is the one that should be used.
	Passwords []string
}

// Hands ask and tell the members of one form. They may be used by many at a time. Nothing that they return has a password.
type Hands struct {
	// Dial opens connections. Default: TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is for all members, each under its host name. Nil: no TLS.
	TLS *tls.Config
	// Operator is who the hands log in as.
	Operator Account
	// Internal is who the members log in as with each other.
	Internal Account
	// Users are the passwords that each user should have.
	Users map[string][]string
	// Told remembers which password each Sentinel uses: they do not say. Without it they are told once more.
	Told *Told
	// Timeout bounds what one member is asked or told. Default: DefaultTimeout.
	Timeout time.Duration
}

// Told is what Sentinels were told. The zero value is ready to use.
type Told struct {
	// mutex guards passwords, the digests by the runs of the Sentinels and what they watched.
	mutex     sync.Mutex
	passwords map[string]string
}

func (t *Told) get(run string) string {
	if t == nil {
		return ""
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.passwords[run]
}

func (t *Told) set(run, digest string) {
	if t == nil {
		return
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.passwords == nil {
		t.passwords = make(map[string]string)
	}
	t.passwords[run] = digest
}

// line is a connection to a member.
type line struct {
	*redis.Client
	member redisform.Member

	// mutex guards certificate, the digest of what the member showed last.
	mutex       sync.Mutex
	certificate string
}

func (l *line) shown() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.certificate
}

func (h *Hands) timeout() time.Duration {
	if h.Timeout > 0 {
		return h.Timeout
	}
	return DefaultTimeout
}

// open connects with a member and logs in. Errors name the member.
func (h *Hands) open(ctx context.Context, member redisform.Member) (*line, error) {
	if member.Address == "" {
		return nil, fmt.Errorf("%s has no address", member.Name)
	}
	passwords := h.Operator.Passwords
	if len(passwords) == 0 {
		passwords = []string{""}
	}
	var err error
	for _, password := range passwords {
		l := h.line(member, password)
		if err = l.Ping(ctx).Err(); err == nil || harmless(err) {
			return l, nil
		}
		_ = l.Close()
		if !refused(err) {
			break
		}
	}
	return nil, fmt.Errorf("connect with %s: %w", member.Name, err)
}

// harmless tells whether a server that says so executes what it is asked here.
func harmless(err error) bool {
	return redis.HasErrorPrefix(err, "LOADING") || redis.HasErrorPrefix(err, "MASTERDOWN")
}

func refused(err error) bool {
	return redis.HasErrorPrefix(err, "WRONGPASS") || redis.HasErrorPrefix(err, "NOAUTH") ||
		strings.Contains(err.Error(), "without any password configured")
}

func (h *Hands) line(member redisform.Member, password string) *line {
	l := &line{member: member}
	options := &redis.Options{
		Addr: member.Address, Protocol: 2, DisableIdentity: true, MaxRetries: -1, PoolSize: 1, DialerRetries: 1,
		DialTimeout: h.timeout(), ReadTimeout: h.timeout(), WriteTimeout: h.timeout(), ContextTimeoutEnabled: true,
		Password: password,
		Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
			return h.dial(ctx, l, network, address)
		},
	}
	if password != "" {
		options.Username = h.Operator.User
	}
	l.Client = redis.NewClient(options)
	return l
}

func (h *Hands) dial(ctx context.Context, l *line, network, address string) (net.Conn, error) {
	dial := h.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, network, address)
	if err != nil || h.TLS == nil {
		return conn, err
	}
	configuration := h.TLS.Clone()
	configuration.ServerName = l.member.Host
	encrypted := tls.Client(conn, configuration)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	if shown := encrypted.ConnectionState().PeerCertificates; len(shown) > 0 {
		l.mutex.Lock()
		defer l.mutex.Unlock()
		l.certificate = CertificateDigest(shown[0].Raw)
	}
	return encrypted, nil
}

// CertificateDigest is how plans know a certificate, given as DER.
func CertificateDigest(certificate []byte) string {
	sum := sha256.Sum256(certificate)
	return hex.EncodeToString(sum[:])
}
