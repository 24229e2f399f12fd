package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// errSessionEnded is what go-redis gets when it tries to reconnect on its own.
var errSessionEnded = errors.New("the connection has ended")

// connector opens sessions with Redis.
type connector struct {
	options *goredis.Options
	place   topology
	// idle is for how long a reader waits for a byte before it takes Redis for gone.
	idle time.Duration
	// timeout is for one exchange with Redis, once connected.
	timeout time.Duration
}

func newConnector(options Options) connector {
	redisOptions := *options.Redis
	if redisOptions.Addr == "" {
		redisOptions.Addr = "localhost:6379"
	}
	if redisOptions.Network == "" {
		redisOptions.Network = "tcp"
	}
	redisOptions.DialTimeout = positiveOr(redisOptions.DialTimeout, 5*time.Second)
	return connector{
		options: &redisOptions, place: oneServer{redisOptions.Addr},
		idle: 2 * options.HealthCheckInterval, timeout: options.PublishTimeout,
	}
}

// session is a go-redis client that lives exactly as long as one network connection. A go-redis client of many lives
// reconnects and resubscribes without telling: then nobody knows what was missed, and confirmations of a former
// connection would count for the present one.
type session struct {
	client *goredis.Client
	conn   net.Conn
}

// open connects to the server at address. The login takes place with the first command.
func (c connector) open(ctx context.Context, address string) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.DialTimeout)
	defer cancel()
	conn, err := c.dial(ctx, address)
	if err != nil {
		return nil, err
	}
	conn = &watchedConn{Conn: conn, idle: c.idle}
	return &session{client: goredis.NewClient(c.singleUse(conn)), conn: conn}, nil
}

// openAndLogIn connects to the primary that serves slot and waits until it has answered login, where use is the session's
// first command.
func (c connector) openAndLogIn(ctx context.Context, slot int, use func(context.Context, *session) error) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.DialTimeout)
	defer cancel()
	address, err := locate(ctx, c.place, slot)
	if err != nil {
		return nil, err
	}
	opened, err := c.open(ctx, address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, opened.abort)
	defer stop()
	if err := use(ctx, opened); err != nil {
		opened.close()
		return nil, err
	}
	return opened, nil
}

// dial is go-redis's dialer with a context that ends the TLS handshake too.
func (c connector) dial(ctx context.Context, address string) (net.Conn, error) {
	if c.options.Dialer != nil {
		return c.options.Dialer(ctx, c.options.Network, address)
	}
	dialer := &net.Dialer{}
	if c.options.TLSConfig == nil {
		return dialer.DialContext(ctx, c.options.Network, address)
	}
	secure := &tls.Dialer{NetDialer: dialer, Config: c.options.TLSConfig}
	return secure.DialContext(ctx, c.options.Network, address)
}

// singleUse returns options for a client whose only connection is conn.
func (c connector) singleUse(conn net.Conn) *goredis.Options {
	options := *c.options
	var used atomic.Bool
	options.Dialer = func(context.Context, string, string) (net.Conn, error) {
		if used.Swap(true) {
			return nil, errSessionEnded
		}
		return conn, nil
	}
	// RESP2: pushed messages of RESP3 bring nothing here and go-redis handles them on paths of their own.
	options.Protocol = 2
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	// A repeated PUBLISH is a message that clients get twice.
	options.MaxRetries = -1
	options.DialerRetries = 1
	options.ContextTimeoutEnabled = true
	options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = c.timeout, c.timeout, c.timeout
	options.PoolSize, options.MaxActiveConns, options.MinIdleConns, options.PipelinePoolSize = 1, 0, 0, -1
	options.ConnMaxIdleTime, options.ConnMaxLifetime = -1, 0
	return &options
}

// abort ends the network connection, so that whoever reads or writes returns.
func (s *session) abort() { _ = s.conn.Close() }

func (s *session) close() {
	s.abort()
	_ = s.client.Close()
}

// isRefusal tells a reply by which Redis refused a command from a broken connection.
func isRefusal(err error) bool {
	var refusal goredis.Error
	return errors.As(err, &refusal)
}

// watchedConn finds out that the peer is gone without a word, as after a power cut: a Read that was given no deadline
// fails when nothing comes for too long. The deadline lies here and not with the caller because one that strikes
// amid a message would leave the reader out of step; here it only strikes when no byte comes at all. The time in which
// nobody reads does not count.
type watchedConn struct {
	net.Conn
	idle     time.Duration
	deadline atomic.Bool
}

// SetReadDeadline notes whether the caller watches the time itself.
func (c *watchedConn) SetReadDeadline(deadline time.Time) error {
	c.deadline.Store(!deadline.IsZero())
	return c.Conn.SetReadDeadline(deadline)
}

// SetDeadline does the same for reading and sets the deadline of writing.
func (c *watchedConn) SetDeadline(deadline time.Time) error {
	c.deadline.Store(!deadline.IsZero())
	return c.Conn.SetDeadline(deadline)
}

func (c *watchedConn) Read(buffer []byte) (int, error) {
	if c.deadline.Load() {
		return c.Conn.Read(buffer)
	}
	n, err := c.readWithin(buffer, c.idle)
	if n == 0 && isTimeout(err) {
		// A process that was stopped for a while wakes up to an expired deadline and a full socket.
		n, err = c.readWithin(buffer, c.idle/8)
	}
	if n == 0 && isTimeout(err) {
		return 0, fmt.Errorf("no answer for %s: %w", c.idle+c.idle/8, err)
	}
	return n, err
}

func (c *watchedConn) readWithin(buffer []byte, limit time.Duration) (int, error) {
	if err := c.Conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return 0, err
	}
	return c.Conn.Read(buffer)
}

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) && netErr.Timeout()
}
