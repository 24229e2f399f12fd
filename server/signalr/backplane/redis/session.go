package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
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
	servers Servers
	files   TLSFiles
	place   topology
	lookout *lookout
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
	c := connector{
		options: &redisOptions, servers: options.Servers, files: options.TLSFiles,
		idle: 2 * options.HealthCheckInterval, timeout: options.PublishTimeout,
	}
	c.place = newTopology(&redisOptions, options.Servers, c)
	c.lookout = newLookout(c.place, options.HealthCheckInterval, redisOptions.DialTimeout)
	return c
}

// session is a go-redis client that lives exactly as long as one network connection. A go-redis client of many lives
// reconnects and resubscribes without telling: then nobody knows what was missed, and confirmations of a former
// connection would count for the present one.
type session struct {
	client *goredis.Client
	conn   *watchedConn
	// address is the server's; slot is what it was chosen for, anySlot if it does not matter.
	address string
	slot    int
	lookout *lookout
	// process is the run of Redis at the other end, set by the login; empty if it does not tell.
	process string
}

// anySlot is served by every primary.
const anySlot = -1

// openFor connects to the primary at address, which was chosen for slot. The login takes place with the first command, and
// so does the check that it is a primary.
func (c connector) openFor(ctx context.Context, address string, slot int) (*session, error) {
	var opened *session // the login comes after it is set
	options := c.checked()
	check := options.OnConnect
	options.OnConnect = func(ctx context.Context, conn *goredis.Conn) error {
		err := check(ctx, conn)
		if err == nil {
			opened.process, err = processOf(ctx, conn)
		}
		return err
	}
	opened, err := c.connect(ctx, address, options)
	if err != nil {
		return nil, err
	}
	opened.slot, opened.lookout = slot, c.lookout
	c.lookout.add(opened)
	return opened, nil
}

// connect opens a session with whatever server is at address.
func (c connector) connect(ctx context.Context, address string, options goredis.Options) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.DialTimeout)
	defer cancel()
	dialled, err := c.dial(ctx, address)
	if err != nil {
		return nil, err
	}
	conn := &watchedConn{Conn: dialled, idle: c.idle, ended: make(chan struct{})}
	client := goredis.NewClient(c.singleUse(conn, options))
	if c.place != nil { // else it is the topology itself that asks
		client.AddHook(redirects{c.place, address})
	}
	return &session{client: client, conn: conn, address: address, slot: anySlot}, nil
}

// checked are options by which a login fails at a server that is not a primary: it may have become a replica, and there
// publishing succeeds and reaches nobody.
func (c connector) checked() goredis.Options {
	options := *c.options
	options.OnConnect = func(ctx context.Context, conn *goredis.Conn) error {
		greeting, err := greet(ctx, conn)
		if err == nil {
			err = greeting.primary()
		}
		if err == nil && c.options.OnConnect != nil {
			err = c.options.OnConnect(ctx, conn)
		}
		return err
	}
	return options
}

// probe implements prober. It takes a part of the time that connecting may take, so that one server which does not answer
// leaves enough to use another.
func (c connector) probe(ctx context.Context, address string, talk func(context.Context, *goredis.Client) error) error {
	return c.talk(ctx, address, *c.options, talk)
}

// probeSentinel implements prober.
func (c connector) probeSentinel(ctx context.Context, address string, talk func(context.Context, *goredis.Client) error) error {
	options := *c.options
	options.Username, options.Password = c.servers.SentinelUser, c.servers.SentinelPassword
	options.CredentialsProvider, options.CredentialsProviderContext, options.StreamingCredentialsProvider = nil, nil, nil
	options.DB, options.ClientName, options.DisableIdentity, options.OnConnect = 0, "", true, nil
	return c.talk(ctx, address, options, talk)
}

func (c connector) talk(
	ctx context.Context, address string, options goredis.Options, talk func(context.Context, *goredis.Client) error,
) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.DialTimeout/3)
	defer cancel()
	opened, err := c.connect(ctx, address, options)
	if err != nil {
		return err
	}
	defer opened.close()
	stop := context.AfterFunc(ctx, opened.abort)
	defer stop()
	return talk(ctx, opened.client)
}

// opener opens sessions at one place. They are logged in once use, which has the first command, has returned.
type opener func(ctx context.Context, use func(context.Context, *session) error) (*session, error)

// at opens sessions with the primary that serves slot, whichever that is at the time.
func (c connector) at(slot int) opener {
	return func(ctx context.Context, use func(context.Context, *session) error) (*session, error) {
		return c.openAndLogIn(ctx, slot, use)
	}
}

// with opens sessions with the server at address as long as it is a primary.
func (c connector) with(address string) opener {
	return func(ctx context.Context, use func(context.Context, *session) error) (*session, error) {
		ctx, cancel := context.WithTimeout(ctx, c.options.DialTimeout)
		defer cancel()
		return c.logIn(ctx, address, anySlot, use)
	}
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
	return c.logIn(ctx, address, slot, use)
}

func (c connector) logIn(
	ctx context.Context, address string, slot int, use func(context.Context, *session) error,
) (*session, error) {
	opened, err := c.openFor(ctx, address, slot)
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
	config, err := c.files.apply(c.options.TLSConfig)
	if err != nil {
		return nil, err
	}
	if config == nil {
		return dialer.DialContext(ctx, c.options.Network, address)
	}
	secure := &tls.Dialer{NetDialer: dialer, Config: config}
	return secure.DialContext(ctx, c.options.Network, address)
}

// singleUse returns options for a client whose only connection is conn.
func (c connector) singleUse(conn net.Conn, options goredis.Options) *goredis.Options {
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

// fail does the same, and lets whoever reads or writes know why.
func (s *session) fail(cause error) { s.conn.fail(cause) }

// ended is closed when the connection has been ended from here.
func (s *session) ended() <-chan struct{} { return s.conn.ended }

// belongs tells whether the session is with the primary that serves its slot.
func (s *session) belongs(shards []shard) bool {
	for _, shard := range shards {
		if shard.address == s.address && (s.slot == anySlot || shard.serves(s.slot)) {
			return true
		}
	}
	return false
}

func (s *session) close() {
	s.abort()
	_ = s.client.Close()
	if s.lookout != nil {
		s.lookout.remove(s)
	}
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
	// cause is why the connection was ended from here, if it was for a reason; it is set before ended is closed.
	cause  atomic.Pointer[error]
	ending sync.Once
	ended  chan struct{}
}

// Close ends the connection.
func (c *watchedConn) Close() error {
	c.ending.Do(func() { close(c.ended) })
	return c.Conn.Close()
}

func (c *watchedConn) fail(cause error) {
	c.cause.CompareAndSwap(nil, &cause)
	_ = c.Close()
}

// because replaces the error of a connection that was ended for a reason.
func (c *watchedConn) because(err error) error {
	if cause := c.cause.Load(); err != nil && cause != nil {
		return *cause
	}
	return err
}

func (c *watchedConn) Write(buffer []byte) (int, error) {
	n, err := c.Conn.Write(buffer)
	return n, c.because(err)
}

// SetReadDeadline notes whether the caller watches the time itself.
func (c *watchedConn) SetReadDeadline(deadline time.Time) error {
	c.deadline.Store(!deadline.IsZero())
	return c.because(c.Conn.SetReadDeadline(deadline))
}

// SetWriteDeadline is the first to fail when the connection has been ended from here.
func (c *watchedConn) SetWriteDeadline(deadline time.Time) error {
	return c.because(c.Conn.SetWriteDeadline(deadline))
}

// SetDeadline does the same for reading and sets the deadline of writing.
func (c *watchedConn) SetDeadline(deadline time.Time) error {
	c.deadline.Store(!deadline.IsZero())
	return c.because(c.Conn.SetDeadline(deadline))
}

func (c *watchedConn) Read(buffer []byte) (int, error) {
	n, err := c.read(buffer)
	return n, c.because(err)
}

func (c *watchedConn) read(buffer []byte) (int, error) {
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
