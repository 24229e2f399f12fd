//go:build unix

package redis

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// BenchmarkPublish publishes messages to groups, as many callers at once as a busy hub has, and says what Redis
// and this process take of a processor. Members are on the same server: it gets back all that it publishes.
//
//	go test ./server/signalr/backplane/redis -run xxx -bench Publish -benchtime 500000x
func BenchmarkPublish(b *testing.B) {
	for _, mode := range Modes() {
		for _, listening := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/members=%t", mode, listening), func(b *testing.B) { benchmarkPublish(b, mode, listening) })
		}
	}
}

// counter is a hub that counts.
type counter struct {
	dropper
	delivered atomic.Int64
}

func (c *counter) Deliver(backplane.Target, backplane.Message) { c.delivered.Add(1) }

func benchmarkPublish(b *testing.B, mode Mode, listening bool) {
	redis := redistest.Start(b)
	client := redis.Client(b, goredis.Options{})
	receiver := &counter{}
	hub := openHub(b, startPlane(b, redis.Address, func(o *Options) { o.Mode = mode }), receiver)
	targets := make([]backplane.Target, 1000)
	for number := range targets {
		targets[number] = toGroup(fmt.Sprint(number))
	}
	if listening {
		if err := hub.Subscribe(testContext(b), targets...); err != nil {
			b.Fatal(err)
		}
	}
	frame := make([]byte, 150)
	message := backplane.Message{Encodings: []backplane.Encoding{{Protocol: "json", Frame: frame}, {Protocol: "messagepack", Frame: frame[:100]}}}
	before, ownBefore := processorTime(b, client), ownProcessorTime(b)
	b.ReportAllocs()
	b.SetParallelism(256)
	b.ResetTimer()
	started := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		for at := 0; pb.Next(); at++ {
			if err := hub.Publish(b.Context(), targets[at%len(targets)], message); err != nil {
				b.Error(err)
				return
			}
		}
	})
	took := time.Since(started)
	if listening {
		eventually(b, "all has come", func() bool { return receiver.delivered.Load() == int64(b.N) })
	}
	b.StopTimer()
	used, ownUsed := processorTime(b, client)-before, ownProcessorTime(b)-ownBefore
	b.ReportMetric(float64(b.N)/took.Seconds(), "messages/s")
	b.ReportMetric(100*used/took.Seconds(), "%CPU-redis")
	b.ReportMetric(1e6*used/float64(b.N), "µsCPU-redis/op")
	b.ReportMetric(1e6*ownUsed/float64(b.N), "µsCPU-server/op")
}

// ownProcessorTime returns the seconds that this process has used so far.
func ownProcessorTime(t testing.TB) float64 {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

// processorTime returns the seconds that Redis has used so far.
func processorTime(t testing.TB, client *goredis.Client) float64 {
	t.Helper()
	info := client.InfoMap(t.Context(), "cpu")
	user, errUser := strconv.ParseFloat(info.Item("CPU", "used_cpu_user"), 64)
	system, errSystem := strconv.ParseFloat(info.Item("CPU", "used_cpu_sys"), 64)
	if errUser != nil || errSystem != nil {
		t.Fatal(errUser, errSystem)
	}
	return user + system
}
