package redis

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

func TestInfoOfAServer(t *testing.T) {
	text := "# Memory\r\nused_memory:1000\r\nmaxmemory:5000\r\n# Clients\r\nconnected_clients:7\r\nevicted_keys:x\r\n" +
		"connected_slaves:2\r\nslave0:ip=a,port=1,state=online,offset=90,lag=0\r\nslave1:ip=b,port=1,state=online,offset=60,lag=1\r\n" +
		"master_repl_offset:100\r\nodd line\r\n"
	want := ServerInfo{Address: "a:1", MemoryUsed: 1000, MemoryLimit: 5000, Clients: 7, Replicas: 2, ReplicationLag: 40}
	if got := parseInfo("a:1", text); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := parseInfo("a:1", ""); got != (ServerInfo{Address: "a:1"}) {
		t.Errorf("%+v", got)
	}
}

func TestRedisTellsHowItIs(t *testing.T) {
	redis := redistest.Start(t, "--maxmemory", "100mb")
	redistest.StartReplica(t, redis)
	client := redis.Client(t, goredis.Options{})
	inspected := make(chan []ServerInfo, 1000)
	observe := func(o *Options) {
		o.ServerInfoInterval = 50 * time.Millisecond
		o.Observer.ServersSeen = func(servers []ServerInfo) { inspected <- servers }
	}
	startPlane(t, redis.Address, observe)
	servers := receiveFrom(t, "how Redis is", inspected)
	if len(servers) != 1 || servers[0].Address != redis.Address || servers[0].MemoryLimit != 100<<20 || servers[0].Replicas != 1 || servers[0].Clients < 1 {
		t.Errorf("%+v", servers)
	}
	if err := client.Do(testContext(t), "ACL", "SETUSER", "default", "-info").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing is told", func() bool { return len(receiveFrom(t, "how Redis is", inspected)) == 0 })
	if err := client.Do(testContext(t), "ACL", "SETUSER", "default", "+info").Err(); err != nil {
		t.Fatal(err)
	}
	redis.Kill()
	eventually(t, "nothing is told", func() bool { return len(receiveFrom(t, "how Redis is", inspected)) == 0 })
}
