package host

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/host/metrics"
	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
)

// clusterLink is what joins a server with others: the backplane, and the keys with which all of them prove tokens.
type clusterLink struct {
	backplane backplane.Backplane
	keys      *cluster.Keys
	checks    []check

	// What follows is for Redis only. redis is nil for a server that stands alone.
	redis   *redis.Backplane
	options redis.Options
	login   credentials
	logger  *slog.Logger
	// agreed is set when the keys are those of the cluster.
	agreed atomic.Bool
	// reconnected has room for one: a Redis that came back may have forgotten the key.
	reconnected chan struct{}
	// member is told of it too.
	member atomic.Pointer[cluster.Member]
	stop   context.CancelFunc
	work   sync.WaitGroup
}

// openClusterLink starts to connect and returns at once; joined tells when the server is one of the cluster.
func openClusterLink(c config.Config, m *metrics.Metrics, logger *slog.Logger) (*clusterLink, error) {
	key, others := clusterKeys(c.ClusterKey, c.ClusterKeyPrevious)
	given := len(key) > 0
	if !given {
		// A key of this server alone. Nobody is served with it before it was exchanged for that of the cluster.
		key = make([]byte, cluster.MinimumKeySize)
		_, _ = rand.Read(key)
	}
	keys, err := cluster.NewKeys(key, others...)
	if err != nil {
		return nil, config.Problem("ClusterKey", "%v", err)
	}
	if c.RedisConnection == "" {
		return &clusterLink{backplane: &backplane.Memory{}, keys: keys}, nil
	}
	result := &clusterLink{keys: keys, logger: logger, reconnected: make(chan struct{}, 1)}
	if result.options, err = redisSettings(c, &result.login); err != nil {
		return nil, err
	}
	result.options.Logger = logger
	result.agreed.Store(given)
	result.openRedis(m.Redis())
	return result, nil
}

// clusterKeys are the key that makes tokens, and others that prove them.
func clusterKeys(current, previous string) (key []byte, others [][]byte) {
	if previous != "" {
		others = append(others, []byte(previous))
	}
	return []byte(current), others
}

func (c *clusterLink) replaceKeys(current, previous string) error {
	key, others := clusterKeys(current, previous)
	return c.keys.Replace(key, others...)
}

// redisSettings are what the configuration says of Redis.
func redisSettings(c config.Config, login *credentials) (redis.Options, error) {
	connection, err := parseConnection(c.RedisConnection, c.RedisPassword)
	if err != nil {
		return redis.Options{}, err
	}
	if c.RedisChannelPrefix != "" {
		connection.ChannelPrefix = c.RedisChannelPrefix
	}
	if c.RedisDefaultDatabase != nil {
		connection.Database = *c.RedisDefaultDatabase
	}
	login.set(connection)
	options := connection.Options()
	options.Redis.CredentialsProvider = login.provide
	setBackplane(&options, c.Backplane)
	options.TLSFiles = redis.TLSFiles{
		AuthorityFile: c.RedisTLSCAFile, CertificateFile: c.RedisTLSCertificateFile, KeyFile: c.RedisTLSKeyFile,
	}
	return options, checkRedisFiles(options.TLSFiles)
}

// checkRedisFiles names the key of a file that cannot be used: at the start it is a mistake, later it may be half replaced.
func checkRedisFiles(files redis.TLSFiles) error {
	if err := (redis.TLSFiles{AuthorityFile: files.AuthorityFile}).Check(); err != nil {
		return config.Problem("RedisTlsCaFile", "cannot be used: %w", err)
	}
	files.AuthorityFile = ""
	if err := files.Check(); err != nil {
		return config.Problem("RedisTlsCertificateFile", "or RedisTlsKeyFile cannot be used: %w", err)
	}
	return nil
}

func setBackplane(options *redis.Options, from config.Backplane) {
	options.Mode, options.LocalFallback = redis.Mode(from.Mode), from.LocalFallback
	options.StreamSafety = redis.Safety(from.StreamSafety)
	options.StreamLength, options.StreamAge = int64(from.StreamLength), from.StreamAge
	options.WaitTimeout = from.StreamWaitTimeout
}

// watch takes over keys and passwords that change in their files.
func (c *clusterLink) watch(reloads *reloads, from config.Config) {
	if from.ClusterKey != "" {
		reloads.watch(func(texts []string) error { return c.replaceKeys(texts[0], texts[1]) },
			value{key: "ClusterKey", text: from.ClusterKey, file: from.ClusterKeyFile},
			value{key: "ClusterKeyPrevious", text: from.ClusterKeyPrevious, file: from.ClusterKeyPreviousFile, optional: true})
	}
	if from.RedisConnection == "" {
		return
	}
	started, _ := parseConnection(from.RedisConnection, "") // it was parsed before
	reloads.watch(func(texts []string) error { return c.login.replace(started, texts[0], texts[1]) },
		value{key: "RedisConnection", text: from.RedisConnection, file: from.RedisConnectionFile},
		value{key: "RedisPassword", text: from.RedisPassword, file: from.RedisPasswordFile})
}

func (c *clusterLink) openRedis(observer redis.Observer) {
	count := observer.StateChanged
	observer.StateChanged = func(state redis.State) {
		count(state)
		if state.Connected && state.Generation > 1 {
			select {
			case c.reconnected <- struct{}{}:
			default:
			}
			if member := c.member.Load(); member != nil {
				member.RenewNow() // a Redis that came back empty lists nobody
				member.Reassert()
			}
		}
	}
	options := c.options
	options.Observer = observer
	c.redis = redis.New(options)
	c.backplane = c.redis
	c.checks = []check{{name: "redis", state: c.state, gates: func() bool { return !c.joined() }}}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	if !c.agreed.Load() {
		c.work.Go(func() { c.agree(ctx) })
	}
}

// joined tells whether the server has been one of the cluster at least once. A Redis that is lost later changes
// nothing: taking all servers from their clients at once would help nobody.
func (c *clusterLink) joined() bool {
	return c.redis == nil || c.agreed.Load() && c.redis.State().EverConnected
}

func (c *clusterLink) state() (text string, well bool) {
	state := c.redis.State()
	switch {
	case !state.EverConnected:
		return "not connected yet", false
	case !c.agreed.Load():
		return "connected, but there is no cluster key yet", false
	case !state.Connected:
		return "connection lost, reconnecting", false
	case state.Refusal != nil:
		return "connected, but it refused the latest message", false
	}
	return connectedText(state), true
}

// connectedText names what was lost on the way, if anything was.
func connectedText(state redis.State) string {
	text := "connected"
	if state.Missed > 0 {
		text += fmt.Sprintf("; %d messages were gone from their stream before they were read here", state.Missed)
	}
	if state.Forgotten > 0 {
		text += fmt.Sprintf("; %d messages could not be kept until they were safe in Redis", state.Forgotten)
	}
	return text
}

// agree gets the key of the cluster, and puts it back into a Redis that came back without it.
func (c *clusterLink) agree(ctx context.Context) {
	key, err := c.obtain(ctx)
	if err != nil {
		return // the server ends
	}
	c.agreed.Store(true)
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.reconnected:
			key = c.restore(ctx, key)
		}
	}
}

// badKeyPause is how long the server waits before it looks again whether somebody has corrected the key in Redis.
const badKeyPause = time.Second

// obtain adopts the key of the cluster. What lies in its place in Redis may be no key: then it waits until somebody has
// corrected that, or ctx ends.
func (c *clusterLink) obtain(ctx context.Context) (key []byte, err error) {
	for said := false; ; said = true {
		if key, err = redis.ClusterKey(ctx, c.options); err == nil {
			err = c.keys.Replace(key)
		}
		if err == nil {
			return key, nil
		}
		if !said && ctx.Err() == nil {
			c.logger.Error("cannot use the cluster key in Redis, this server will not get ready before that is corrected", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(badKeyPause):
		}
	}
}

// restore returns the key that the cluster has now. If another server was faster with a new one, tokens made with the
// old one stay good on this server.
func (c *clusterLink) restore(ctx context.Context, key []byte) []byte {
	err := redis.RestoreClusterKey(ctx, c.options, key)
	if !errors.Is(err, redis.ErrBadClusterKey) {
		return key
	}
	newer, err := redis.ClusterKey(ctx, c.options)
	if err == nil {
		err = c.keys.Replace(newer, key)
	}
	if err != nil {
		if ctx.Err() == nil {
			c.logger.Error("cannot use the cluster key in Redis, keeping the old one", "error", err)
		}
		return key
	}
	c.logger.Warn("Redis came back with another cluster key, using that one")
	return newer
}

// gate turns clients away until the server is one of the cluster: what they would negotiate nobody else would know.
func (c *clusterLink) gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.joined() {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Retry-After", "1")
		http.Error(w, "This server is not connected to Redis yet. Try again.", http.StatusServiceUnavailable)
	})
}

// close ends all that openClusterLink started.
func (c *clusterLink) close() error {
	if c.redis == nil {
		return nil
	}
	c.stop()
	c.work.Wait()
	if err := c.redis.Close(); err != nil {
		return fmt.Errorf("close the connection to Redis: %w", err)
	}
	return nil
}
