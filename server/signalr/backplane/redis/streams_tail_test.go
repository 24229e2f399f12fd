package redis

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/stream"
)

// meteredConn counts the bytes of answers.
type meteredConn struct {
	net.Conn
	// current is the answer to the last request, largest the largest one, and total are all.
	current, largest, total atomic.Int64
}

func (c *meteredConn) Write(request []byte) (int, error) {
	c.current.Store(0)
	return c.Conn.Write(request)
}

func (c *meteredConn) Read(buffer []byte) (int, error) {
	n, err := c.Conn.Read(buffer)
	c.total.Add(int64(n))
	c.largest.Store(max(c.largest.Load(), c.current.Add(int64(n))))
	return n, err
}

// A stream may hold gigabytes. Who begins to read it wants no more of them than the last moments, and not at once.
func TestStreamsAreLookedThroughOnlyWhereAReaderMayRewindTo(t *testing.T) {
	t.Parallel()
	const last = 100_000 // the time of the newest entry
	redis := redistest.Start(t)
	long := strings.Repeat("x", 8<<10)
	for name, test := range map[string]struct {
		payload string
		// old entries lie before the rewind, recent ones behind it.
		old, recent int
		// fewest and most are how many are seen.
		fewest, most int
		whole        bool
	}{
		"none":                    {whole: true},
		"a few of old":            {payload: long, old: 10, fewest: 10, most: 10, whole: true},
		"many of old":             {payload: long, old: 1500, recent: 1, fewest: 1, most: firstPage, whole: true},
		"some of old and recent":  {payload: long, old: 1500, recent: 1000, fewest: 1000, most: 1000, whole: true},
		"as many as the first":    {payload: long, recent: firstPage, fewest: firstPage, most: firstPage, whole: true},
		"as many as are looked":   {recent: tailCount, fewest: tailCount, most: tailCount},
		"more than can be looked": {old: 10, recent: tailCount + 700, fewest: tailCount, most: tailCount},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := new(meteredConn)
			client := redis.Client(t, goredis.Options{PoolSize: 1, Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
				dialled, err := new(net.Dialer).DialContext(ctx, network, address)
				conn.Conn = dialled
				return conn, err
			}})
			begins := stream.ID{Milliseconds: last}.Earlier(stream.Rewind).Milliseconds
			fill(t, client, name, test.payload, test.old, begins-1)
			fill(t, client, name, test.payload, test.recent, last)
			conn.total.Store(0)
			conn.largest.Store(0)
			end, err := lookBack(testContext(t), client, name)
			if err != nil {
				t.Fatal(err)
			}
			if seen := len(end.seen); seen < test.fewest || seen > test.most || end.whole != test.whole {
				t.Errorf("seen %d, whole %v", seen, end.whole)
			}
			if !slices.IsSortedFunc(end.seen, func(a, b stream.Seen) int { return int(a.Origin.Number) - int(b.Origin.Number) }) {
				t.Error("they are in disorder")
			}
			if largest := conn.largest.Load(); largest > 2*pageBytes {
				t.Errorf("one answer has %d bytes", largest)
			}
			entry := int64(len(test.payload) + 200)
			if total := conn.total.Load(); total > int64(test.most+firstPage)*entry+1000 {
				t.Errorf("%d bytes were read", total)
			}
		})
	}
}

// fill adds entries of one millisecond to a stream, numbered over all calls.
func fill(t *testing.T, client *goredis.Client, key, payload string, count int, at uint64) {
	t.Helper()
	pipeline := client.Pipeline()
	before := client.XLen(testContext(t), key).Val()
	for number := range count {
		pipeline.XAdd(testContext(t), &goredis.XAddArgs{
			Stream: key, ID: stream.ID{Milliseconds: at, Sequence: uint64(number)}.String(),
			Values: []any{publisherField, "p", numberField, fmt.Sprint(int(before) + number + 1), channelField, "c", payloadField, payload},
		})
	}
	if _, err := pipeline.Exec(testContext(t)); err != nil {
		t.Fatal(err)
	}
}
