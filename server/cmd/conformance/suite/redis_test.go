package suite

import (
	"context"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// hubName is the hub's name on Redis.
const hubName = "ConformanceHub"

// redisServer is a real redis-server.
type redisServer struct {
	address string
	command *exec.Cmd
	client  *goredis.Client
}

// redis returns the Redis that rows share; without one the row is skipped.
func (x *trial) redis() *redisServer {
	x.Helper()
	x.needRedis()
	redis, err := x.implementation.sharedRedis()
	x.must(err)
	return redis
}

func (x *trial) needRedis() {
	x.Helper()
	if reason := redisAbsent(); reason != "" {
		x.Skip(reason)
	}
}

// ownRedis starts a Redis for this row alone.
func (x *trial) ownRedis(port int) *redisServer {
	x.Helper()
	x.needRedis()
	r, err := startRedis(port)
	x.must(err)
	x.Cleanup(r.stop)
	return r
}

func startRedis(port int) (*redisServer, error) {
	r := &redisServer{address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	r.command = exec.Command("redis-server", "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
	dieWithParent(r.command)
	if err := r.command.Start(); err != nil {
		return nil, err
	}
	r.client = goredis.NewClient(&goredis.Options{Addr: r.address, DisableIdentity: true, MaxRetries: -1})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := r.client.Ping(ctx).Err()
		if err == nil {
			return r, nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			r.stop()
			return nil, err
		}
	}
}

// stop kills Redis: no server may rely on a goodbye.
func (r *redisServer) stop() {
	_ = r.client.Close()
	_ = r.command.Process.Kill()
	_ = r.command.Wait()
}

// cluster is servers with one Redis and one channel prefix.
type cluster struct {
	x      *trial
	redis  *redisServer
	prefix string
	// environment is what makes servers join.
	environment []string
}

// backplane returns the two servers on the Redis that rows share. Both run: no client is idle while another's server
// starts.
func (x *trial) backplane() *cluster {
	x.Helper()
	n := x.redis().cluster(x, strings.ReplaceAll(x.implementation.name, " ", "")+".")
	n.node(0)
	n.node(1)
	return n
}

func (r *redisServer) cluster(x *trial, prefix string) *cluster {
	return &cluster{x: x, redis: r, prefix: prefix, environment: []string{"REDIS_CONNECTION=" + r.address, "CHANNEL_PREFIX=" + prefix}}
}

// node returns one of the servers; rows share them.
func (n *cluster) node(number int) *server {
	n.x.Helper()
	return n.x.node(number, n.environment...)
}

// connect connects a client to one of the servers.
func (n *cluster) connect(number int) *client {
	n.x.Helper()
	return n.connectBy(number, how{})
}

// connectBy connects a client to one of the servers and waits until messages reach it: the reference answers the
// handshake before that.
func (n *cluster) connectBy(number int, h how) *client {
	n.x.Helper()
	c := n.x.connectBy(n.node(number), h)
	c.invoke("Echo", "registered")
	return c
}

// publish sends a payload, which is packed, to a channel as another server does.
func (n *cluster) publish(channel string, payload []any) {
	n.x.Helper()
	n.x.must(n.redis.client.Publish(n.x.Context(), n.prefix+channel, pack(payload...)).Err())
}

// listen hears what is published on channels that match the pattern, from now on.
func (n *cluster) listen(pattern string) <-chan *goredis.Message {
	n.x.Helper()
	subscription := n.redis.client.PSubscribe(n.x.Context(), n.prefix+pattern)
	_, err := subscription.Receive(n.x.Context())
	n.x.must(err)
	n.x.Cleanup(func() { _ = subscription.Close() })
	return subscription.Channel(goredis.WithChannelSize(10_000))
}

// hear returns the next message whose channel, without the prefix, begins with that.
func (n *cluster) hear(from <-chan *goredis.Message, channel string) (name string, payload any) {
	n.x.Helper()
	limit := time.After(patience)
	for {
		select {
		case message := <-from:
			name = strings.TrimPrefix(message.Channel, n.prefix)
			if strings.HasPrefix(name, channel) {
				payload, err := unpack([]byte(message.Payload))
				n.x.must(err)
				return name, payload
			}
		case <-limit:
			n.x.Fatalf("nothing was published on %s", channel)
		}
	}
}

// subscribers counts the servers that listen to a channel.
func (n *cluster) subscribers(channel string) int64 {
	n.x.Helper()
	counts, err := n.redis.client.PubSubNumSub(n.x.Context(), n.prefix+channel).Result()
	n.x.must(err)
	return counts[n.prefix+channel]
}
