package host

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/alicebob/miniredis/v2"
	resp "github.com/alicebob/miniredis/v2/server"

	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// clusterKeyName is where servers find the cluster key in Redis.
const clusterKeyName = "chatcluster:cluster-key"

// startRedis starts a Redis, at a port that nobody takes while it is down.
func startRedis(t testing.TB) *miniredis.Miniredis {
	t.Helper()
	redis := miniredis.NewMiniRedis()
	if err := redis.StartAddr(fmt.Sprintf("127.0.0.1:%d", redistest.FreePort(t))); err != nil {
		t.Fatal(err)
	}
	redis.Server().SetPreHook(answerInfo)
	t.Cleanup(redis.Close)
	return redis
}

// answerInfo answers INFO in miniredis's place, which crashes if it is closed while it looks for the answer.
func answerInfo(client *resp.Peer, command string, _ ...string) bool {
	isInfo := strings.EqualFold(command, "INFO")
	if isInfo {
		client.WriteBulk("# Server\r\n")
	}
	return isInfo
}

func useRedis(server *miniredis.Miniredis) func(*config.Config) {
	return func(c *config.Config) { c.RedisConnection = server.Addr() }
}

// ready asks whether the host is ready.
func (r *running) ready() bool {
	status, _ := r.do(http.MethodGet, "/readyz", nil)
	return status == http.StatusOK
}

// report is the verbose answer to the question whether the host is ready.
func (r *running) report() string {
	_, body := r.do(http.MethodGet, "/readyz?verbose", nil)
	return body
}

func TestServersOnOneRedisAreOne(t *testing.T) {
	server := startRedis(t)
	first, second := start(t, useRedis(server)), start(t, useRedis(server))
	eventually(t, "both ready", func() bool { return first.ready() && second.ready() })
	// A client negotiates with one server and connects to the other, as behind a Service.
	here := connect(t, first.address()+"/chatHub", second.address()+"/chatHub")
	there := connect(t, second.address()+"/chatHub", first.address()+"/chatHub")
	here.send(`{"type":1,"target":"Broadcast","arguments":["hi"]}`)
	here.expect(`{"type":1,"target":"Receive","arguments":["hi"]}`)
	there.expect(`{"type":1,"target":"Receive","arguments":["hi"]}`)
}

func TestServersWithAClusterKeyNeedNoneInRedis(t *testing.T) {
	server := startRedis(t)
	keyed := func(c *config.Config) {
		c.RedisConnection, c.ClusterKey = server.Addr(), strings.Repeat("k", 32)
	}
	first, second := start(t, keyed), start(t, keyed)
	eventually(t, "both ready", func() bool { return first.ready() && second.ready() })
	c := connect(t, first.address()+"/chatHub", second.address()+"/chatHub")
	c.send(`{"type":1,"target":"Broadcast","arguments":["hi"]}`)
	c.expect(`{"type":1,"target":"Receive","arguments":["hi"]}`)
	if server.Exists(clusterKeyName) {
		t.Error("a cluster key was put into Redis")
	}
}

func TestServerIsNotReadyBeforeItsFirstConnectionToRedis(t *testing.T) {
	server := startRedis(t)
	server.SetError("LOADING Redis is loading the dataset in memory")
	r := start(t, useRedis(server))
	if r.ready() {
		t.Error("ready without Redis")
	}
	if report := r.report(); !strings.Contains(report, "[-] redis: not connected yet") {
		t.Error(report)
	}
	header := http.Header{"Origin": {"http://localhost:4200"}}
	status, body := r.do(http.MethodPost, "/chatHub/negotiate?negotiateVersion=1", header)
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "not connected to Redis yet") {
		t.Errorf("negotiate: %d %s", status, body)
	}
	if status, _ := r.do(http.MethodGet, "/healthz", nil); status != http.StatusOK {
		t.Errorf("alive: %d", status)
	}
	server.SetError("")
	eventually(t, "ready", r.ready)
	connect(t, r.address()+"/chatHub", r.address()+"/chatHub")
}

func TestServerWhoseRedisIsLostStaysReady(t *testing.T) {
	server := startRedis(t)
	r := start(t, useRedis(server))
	eventually(t, "ready", r.ready)
	old := negotiate(t, r.address()+"/chatHub")
	server.Close()
	eventually(t, "the loss shows", func() bool { return strings.Contains(r.report(), "[-] redis: connection lost") })
	if !r.ready() {
		t.Error("taken from its clients")
	}
	// The Redis that comes back has forgotten everything: the key is put back, so that newer servers have the same.
	server.FlushAll()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the key is back", func() bool { return server.Exists(clusterKeyName) })
	newer := start(t, useRedis(server))
	eventually(t, "the newer one is ready", newer.ready)
	c, err := dial(t, newer.address()+"/chatHub?id="+old, nil)
	if err != nil {
		t.Fatalf("a token from before the loss: %v", err)
	}
	c.send(`{"protocol":"json","version":1}`)
	c.expect(`{}`)
}

func TestAnotherKeyInARedisThatCameBackIsAdopted(t *testing.T) {
	server := startRedis(t)
	r := start(t, useRedis(server))
	eventually(t, "ready", r.ready)
	old := negotiate(t, r.address()+"/chatHub")
	name := clusterKeyName
	server.Close()
	eventually(t, "the loss shows", func() bool { return strings.Contains(r.report(), "[-] redis: connection lost") })
	server.FlushAll()
	if err := server.Set(name, strings.Repeat("n", 32)); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new key is adopted", func() bool { return strings.Contains(r.log.String(), "another cluster key") })
	newer := start(t, useRedis(server))
	eventually(t, "the newer one is ready", newer.ready)
	connect(t, r.address()+"/chatHub", newer.address()+"/chatHub")
	connect(t, newer.address()+"/chatHub", r.address()+"/chatHub")
	if _, err := dial(t, r.address()+"/chatHub?id="+old, nil); err != nil {
		t.Errorf("a token from before the loss: %v", err)
	}
}

func TestForeignKeyInRedisIsReportedAndWaitedOut(t *testing.T) {
	server := startRedis(t)
	var attempts atomic.Int32
	server.Server().SetPreHook(func(client *resp.Peer, command string, arguments ...string) bool {
		if strings.EqualFold(command, "GET") && slices.Contains(arguments, clusterKeyName) {
			attempts.Add(1)
		}
		return answerInfo(client, command, arguments...)
	})
	if err := server.Set(clusterKeyName, "too short"); err != nil {
		t.Fatal(err)
	}
	r := start(t, useRedis(server))
	eventually(t, "the report", func() bool { return strings.Contains(r.report(), "there is no cluster key yet") })
	if r.ready() {
		t.Error("ready without a key")
	}
	eventually(t, "two more attempts", func() bool { return !r.ready() && attempts.Load() > 2 })
	if said := strings.Count(r.log.String(), "cannot use the cluster key"); said != 1 {
		t.Errorf("said %d times", said)
	}
	server.Del(clusterKeyName)
	eventually(t, "ready", r.ready)
	connect(t, r.address()+"/chatHub", r.address()+"/chatHub")
}

func TestPrefixAndDatabaseOverrideTheConnectionString(t *testing.T) {
	database := 3
	options, err := redisSettings(config.Config{
		RedisConnection:    "redis:6379,channelPrefix=string,defaultDatabase=1",
		RedisChannelPrefix: "key", RedisDefaultDatabase: &database,
	}, &credentials{})
	if err != nil || options.ChannelPrefix != "key" || options.Redis.DB != 3 {
		t.Errorf("%+v, %v", options, err)
	}
	options, err = redisSettings(config.Config{RedisConnection: "redis:6379,channelPrefix=string,defaultDatabase=1"}, &credentials{})
	if err != nil || options.ChannelPrefix != "string" || options.Redis.DB != 1 {
		t.Errorf("%+v, %v", options, err)
	}
}

func TestServerEndsWhileRedisIsAway(t *testing.T) {
	server := startRedis(t)
	server.SetError("LOADING Redis is loading the dataset in memory")
	r := start(t, useRedis(server))
	if err := r.end(); err != nil {
		t.Error(err)
	}
}

func TestServerWithoutHubsNeedsNoRedis(t *testing.T) {
	settings := config.Default()
	settings.URLs, settings.RedisConnection = []config.Address{{Host: "127.0.0.1"}}, "127.0.0.1:1"
	host, err := New(Options{Config: settings})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	if reason := host.health.ready(); reason != "" {
		t.Error(reason)
	}
}
