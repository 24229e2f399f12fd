package signalr_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
	"github.com/chatcluster/chatcluster/server/signalr/transport/pipetest"
)

// crowdHub tells the ids of its connections.
type crowdHub struct{ connected chan string }

func (h crowdHub) OnConnected(ctx *signalr.Context) error {
	h.connected <- ctx.ConnectionID()
	return nil
}

// crowd is a server with users, on a Redis.
type crowd struct {
	hub   *signalr.Hub
	redis *goredis.Client
	// connected has the ids of connections that ids does not have yet.
	connected chan string
	ids       []string
}

func startCrowd(b *testing.B, mode redis.Mode, users int) *crowd {
	b.Helper()
	server := redistest.Start(b)
	c := &crowd{redis: server.Client(b, goredis.Options{}), connected: make(chan string, users)}
	plane := redis.New(redis.Options{Redis: &goredis.Options{Addr: server.Address}, Mode: mode})
	hubs, err := signalr.NewServer(signalr.ServerOptions{Backplane: plane})
	if err != nil {
		b.Fatal(err)
	}
	c.hub, err = hubs.Hub("Chat", crowdHub{c.connected}, signalr.HubOptions{
		ClientTimeoutInterval: time.Hour, KeepAliveInterval: time.Hour,
		UserID: func(request *signalr.Request) string { return request.URL.Query().Get("user") },
	})
	if err != nil {
		b.Fatal(err)
	}
	listener := pipetest.New()
	web := &http.Server{Handler: c.hub.Endpoint(signalr.EndpointOptions{}), ReadHeaderTimeout: time.Minute}
	go func() { _ = web.Serve(listener) }()
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = listener.Close()
		_ = web.Close()
		_ = hubs.Shutdown(ctx)
		_ = plane.Close()
	})
	c.connect(b, listener, users)
	return c
}

// connect lets all users come, some at a time, and waits until they are there.
func (c *crowd) connect(b *testing.B, listener *pipetest.Network, users int) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: listener.Dial}}
	atOnce(b, users, func(number int) error {
		socket, _, err := websocket.Dial(b.Context(), "ws://pipe/?user="+strconv.Itoa(number), &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			return err
		}
		b.Cleanup(func() { _ = socket.CloseNow() })
		if err := socket.Write(b.Context(), websocket.MessageText, []byte("{\"protocol\":\"json\",\"version\":1}\x1e")); err != nil {
			return err
		}
		_, _, err = socket.Read(b.Context())
		return err
	})
	deadline := time.After(time.Minute)
	for len(c.ids) < users {
		select {
		case id := <-c.connected:
			c.ids = append(c.ids, id)
		case <-deadline:
			b.Fatalf("%d of %d users are there", len(c.ids), users)
		}
	}
}

// atOnce calls action for all numbers, 64 at a time.
func atOnce(b *testing.B, count int, action func(number int) error) {
	b.Helper()
	numbers := make(chan int)
	failures := make(chan error, 64)
	var workers sync.WaitGroup
	for range cap(failures) {
		workers.Go(func() {
			var failed error
			for number := range numbers {
				failed = errors.Join(failed, action(number))
			}
			failures <- failed
		})
	}
	for number := range count {
		numbers <- number
	}
	close(numbers)
	workers.Wait()
	for range cap(failures) {
		if err := <-failures; err != nil {
			b.Fatal(err)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func (c *crowd) redisMemory(b *testing.B) int64 {
	b.Helper()
	used, err := strconv.ParseInt(c.redis.InfoMap(b.Context(), "memory").Item("Memory", "used_memory"), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return used
}

// BenchmarkGroups lets 10,000 users, over connections within the process, join b.N groups: what a group of one member
// costs this server and Redis, and how long joining takes, 64 at a time and alone.
//
//	go test ./server/signalr -run xxx -bench Groups -benchtime 100000x
func BenchmarkGroups(b *testing.B) {
	for _, mode := range redis.Modes() {
		b.Run(string(mode), func(b *testing.B) {
			const users = 10_000
			c := startCrowd(b, mode, users)
			join := func(number int) error {
				return c.hub.Groups().Add(b.Context(), c.ids[number%users], fmt.Sprintf("group %d", number))
			}
			heapBefore, redisBefore := heap(), c.redisMemory(b)
			b.ResetTimer()
			atOnce(b, b.N, join)
			b.StopTimer()
			b.ReportMetric(float64(int64(heap())-int64(heapBefore))/float64(b.N), "B/group")
			b.ReportMetric(float64(c.redisMemory(b)-redisBefore)/float64(b.N), "redis-B/group")
			const alone = 1000
			started := time.Now()
			for number := range alone {
				if err := join(b.N + number); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(time.Since(started).Microseconds())/alone, "µs/join-alone")
		})
	}
}
