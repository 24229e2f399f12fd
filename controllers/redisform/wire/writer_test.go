package wire_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/controllers/redisform"
)

// writer writes one key after the other, and counts as written what a replica has too.
type writer struct {
	// connect gives a connection to the primary of a key; lost is called when that was wrong.
	connect func(ctx context.Context, key string) (*redis.Conn, error)
	lost    func(context.Context)
	// mutex guards acknowledged, the keys that a replica had too.
	mutex        sync.Mutex
	acknowledged []string
}

func start(
	t testing.TB, stop func() error, connect func(context.Context, string) (*redis.Conn, error), lost func(context.Context),
) *writer {
	w := &writer{connect: connect, lost: lost}
	ctx, cancel := context.WithCancel(context.Background())
	var writing sync.WaitGroup
	writing.Go(func() { w.run(ctx) })
	t.Cleanup(func() {
		cancel()
		writing.Wait()
		_ = stop()
	})
	return w
}

// startWriter starts one that asks the Sentinels.
func startWriter(t testing.TB, f *form) *writer {
	var sentinels []string
	for _, name := range f.all(redisform.SentinelKind) {
		sentinels = append(sentinels, f.member(name).Address)
	}
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: primaryName, SentinelAddrs: sentinels, MaxRetries: -1, DialerRetries: 1, Protocol: 2,
	})
	connect := func(context.Context, string) (*redis.Conn, error) { return client.Conn(), nil }
	return start(t, client.Close, connect, func(context.Context) {})
}

func (w *writer) run(ctx context.Context) {
	ticker := time.NewTicker(2 * time.Millisecond) // the machine has other things to do, too
	defer ticker.Stop()
	for turn := 0; ctx.Err() == nil; turn++ {
		<-ticker.C
		key := fmt.Sprintf("write-%d", turn)
		if w.write(ctx, key) != nil {
			w.lost(ctx)
			continue
		}
		w.mutex.Lock()
		w.acknowledged = append(w.acknowledged, key)
		w.mutex.Unlock()
	}
}

var errNoReplica = errors.New("no replica has it")

// write uses one connection: WAIT is about what that has written.
func (w *writer) write(ctx context.Context, key string) error {
	conn, err := w.connect(ctx, key)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.Set(ctx, key, "", 0).Err(); err != nil {
		return err
	}
	replicas, err := conn.Wait(ctx, 1, interval).Result()
	if err == nil && replicas < 1 {
		err = errNoReplica
	}
	return err
}

func (w *writer) keys() []string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return slices.Clone(w.acknowledged)
}

// awaitMore waits until so many more writes were acknowledged.
func (w *writer) awaitMore(f *form, more int) {
	f.t.Helper()
	target := len(w.keys()) + more
	f.await("writes go on", func() bool { return len(w.keys()) >= target })
}

// check looks for all that was acknowledged at the primary.
func (w *writer) check(f *form) {
	f.t.Helper()
	acknowledged := w.keys()
	client := f.processes[f.out.Status.Primary].Client(f.t, redis.Options{})
	found, err := client.Exists(f.t.Context(), acknowledged...).Result()
	must(f.t, err)
	if int(found) != len(acknowledged) {
		f.t.Errorf("%d of %d acknowledged writes are lost\n%s", len(acknowledged)-int(found), len(acknowledged), strings.Join(f.trace, "\n"))
	}
	f.t.Logf("%d acknowledged writes", len(acknowledged))
}
