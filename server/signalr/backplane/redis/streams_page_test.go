package redis

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/stream"
)

// pageOf is a page of so many entries, each of about so many bytes.
func pageOf(entries, bytes int) []goredis.XMessage {
	page := make([]goredis.XMessage, entries)
	for i := range page {
		page[i] = goredis.XMessage{Values: map[string]any{payloadField: strings.Repeat("x", bytes)}}
	}
	return page
}

func TestAPageIsAsLongAsEntriesLetItBe(t *testing.T) {
	for name, test := range map[string]struct {
		asks    int64
		happens func(*readStream)
		want    int64
	}{
		"short entries, a full page":      {firstPage, func(s *readStream) { s.fit(pageOf(firstPage, 100)) }, 2 * firstPage},
		"short entries, the longest page": {longestPage, func(s *readStream) { s.fit(pageOf(longestPage, 100)) }, longestPage},
		"one short entry":                 {firstPage, func(s *readStream) { s.fit(pageOf(1, 100)) }, firstPage},
		"one short entry behind long":     {1, func(s *readStream) { s.fit(pageOf(1, 100)) }, firstPage},
		"entries of a quarter":            {longestPage, func(s *readStream) { s.fit(pageOf(20, pageBytes/4)) }, 3},
		"an entry longer than a page":     {longestPage, func(s *readStream) { s.fit(pageOf(1, 2*pageBytes)) }, 1},
		"no entries":                      {7, func(s *readStream) { s.fit(nil) }, 7},
		"no answer in time":               {50, func(s *readStream) { s.shorten(fmt.Errorf("wrapped: %w", context.DeadlineExceeded)) }, 25},
		"no answer in time, one entry":    {1, func(s *readStream) { s.shorten(context.DeadlineExceeded) }, 1},
		"a broken connection":             {50, func(s *readStream) { s.shorten(net.ErrClosed) }, 50},
		"a gap behind short entries":      {longestPage, (*readStream).startShort, firstPage},
		"a gap behind long entries":       {3, (*readStream).startShort, 3},
	} {
		s := &readStream{asks: test.asks}
		if test.happens(s); s.asks != test.want {
			t.Errorf("%s: the next page has %d entries, want %d", name, s.asks, test.want)
		}
	}
}

// An answer that is too long to come in time must not be asked for again and again.
func TestAPageThatDoesNotComeInTimeIsAskedForShorter(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // it accepts and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	const timeout = 20 * time.Millisecond
	client := goredis.NewClient(&goredis.Options{
		Addr: listener.Addr().String(), MaxRetries: -1, ContextTimeoutEnabled: true, ReadTimeout: timeout,
	})
	defer func() { _ = client.Close() }()
	read := &readStream{key: "s", cursor: stream.NewCursor(stream.Info{}, nil, true), asks: 8}
	reader := &streamReader{block: timeout, streams: map[string]*readStream{read.key: read}}
	for name, try := range map[string]func() error{
		"catching up": func() error {
			_, err := reader.step(testContext(t), client, read)
			return err
		},
		"following": func() error {
			_, err := reader.follow(testContext(t), client)
			return err
		},
	} {
		before := read.asks
		if err := try(); !isTimeout(err) {
			t.Errorf("%s: %v", name, err)
		}
		if read.asks != before/2 {
			t.Errorf("%s: the next page has %d entries after one of %d", name, read.asks, before)
		}
	}
}

// meter measures the answers over all connections that it makes.
type meter struct {
	mutex sync.Mutex
	conns []*meteredConn
}

func (m *meter) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialled, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn := &meteredConn{Conn: dialled}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.conns = append(m.conns, conn)
	return conn, nil
}

// reset forgets the answers so far.
func (m *meter) reset() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, conn := range m.conns {
		conn.largest.Store(0)
	}
}

// largest is the size of the longest answer.
func (m *meter) largest() int64 {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	var largest int64
	for _, conn := range m.conns {
		largest = max(largest, conn.largest.Load())
	}
	return largest
}

// What a server has missed may be more than it can hold, or than comes within the time for one answer.
func TestStreamsCatchUpInPagesOfBoundedSize(t *testing.T) {
	t.Parallel()
	const entry, entries = 128 << 10, 3 * firstPage
	long := strings.Repeat("x", entry)
	for name, test := range map[string]struct {
		// before is what is missed and read before.
		before string
		most   int64
	}{
		"behind entries as long": {long, 2 * pageBytes},
		"behind short entries":   {"short", (firstPage + 1) * (entry + 200)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := redistest.Start(t)
			proxy := redistest.StartProxy(t, redis.Address)
			var seen states
			answers := new(meter)
			receiver := newRecorder()
			openHub(t, startPlane(t, proxy.Address, both(withStreams, seen.observe, func(o *Options) { o.Redis.Dialer = answers.dial })), receiver)
			hub := openHub(t, startPlane(t, redis.Address, withStreams), newRecorder())
			for _, text := range []string{test.before, long} {
				answers.reset()
				seen.expect(t, true)
				proxy.Cut()
				seen.expect(t, false)
				for number := range entries {
					publish(t, hub, toAll, fmt.Sprint(number, text))
				}
				proxy.Mend()
				for number := range entries {
					receiver.expect(t, toAll, fmt.Sprint(number, text))
				}
			}
			if largest := answers.largest(); largest > test.most {
				t.Errorf("one answer has %d bytes, want %d at most", largest, test.most)
			}
		})
	}
}

// Short entries come many at a time.
func TestStreamsCatchUpWithShortEntriesInLongPages(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	client := redis.Client(t, goredis.Options{})
	reader := &streamReader{table: newSubscriptions(func(int) {}), observer: Observer{}.withDefaults()}
	read := &readStream{key: "s", cursor: stream.NewCursor(stream.Info{}, nil, true), asks: firstPage}
	const entries = 5000
	fill(t, client, read.key, "short", entries, 1)
	steps := 0
	for atEnd := false; !atEnd; steps++ {
		var err error
		if atEnd, err = reader.step(testContext(t), client, read); err != nil {
			t.Fatal(err)
		}
	}
	if most := entries/longestPage + 5; steps > most {
		t.Errorf("it takes %d pages, want %d at most", steps, most)
	}
	if got := read.cursor.Position(); got != (stream.ID{Milliseconds: 1, Sequence: entries - 1}) {
		t.Errorf("it ends at %s", got)
	}
}
