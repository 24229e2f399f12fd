package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/stream"
)

// streamReader reads the streams of all hubs of one process over one connection. A channel is subscribed as soon as its
// stream has a place from which it is read: Redis knows nothing of channels here, so that takes no round trip and goes on
// while Redis is away.
type streamReader struct {
	connector connector
	keys      streamKeys
	table     *subscriptions
	leg       *leg
	logger    *slog.Logger
	observer  Observer
	// inquire asks Redis over another connection, this one being blocked, where streams end.
	inquire func(streams []string, answer func(ends map[string]stream.ID))
	// block is how long Redis may wait for something to send.
	block time.Duration
	// history is that of the Redis that was read last. Only the goroutine of run touches it.
	history string
	// changed tells the reader that there are streams to begin with.
	changed chan struct{}
	// malformed and missing limit log lines.
	malformed, missing logLimit

	// mutex guards what follows.
	mutex   sync.Mutex
	streams map[string]*readStream
	// interrupt ends the connection so that a new stream is read at once; nil while there is none.
	interrupt func()
	// interrupted: the connection ended for that reason.
	interrupted bool
	// ahead are the places that catchUp of the table waits for, by stream; nil if for none.
	ahead map[string]stream.ID
}

// readStream is one stream that is read.
type readStream struct {
	key string
	// cursor belongs to the reader's goroutine once it is set; nil until a place was found. Setting it takes the mutex.
	cursor *stream.Cursor
	// asks belongs to the reader's goroutine too: how many entries are asked for at once.
	asks int64
	// The reader's mutex guards what follows: channels are subscribed, waiting those of them that are not confirmed yet;
	// reached is the place of the last entry that was delivered.
	channels int
	waiting  []string
	reached  stream.ID
}

func newStreamReader(
	connector connector, keys streamKeys, options Options, table *subscriptions, status *status,
	inquire func(streams []string, answer func(ends map[string]stream.ID)),
) *streamReader {
	return &streamReader{
		connector: connector, keys: keys, table: table, leg: status.leg(subscribing), logger: options.Logger,
		inquire: inquire, observer: options.Observer, block: options.HealthCheckInterval,
		changed: make(chan struct{}, 1), streams: make(map[string]*readStream),
	}
}

// fit makes the next page as long as the entries of this one let it be. A page without any says nothing, and one with few does not
// say that many more would be as short.
func (s *readStream) fit(page []goredis.XMessage) {
	if entries := int64(len(page)); entries > 0 {
		s.asks = min(nextPage(page), max(2*entries, firstPage))
	}
}

// shorten makes the next page shorter than one that did not come in time.
func (s *readStream) shorten(err error) {
	if isTimeout(err) {
		s.asks = max(s.asks/2, 1)
	}
}

// startShort makes the first page behind a gap no longer than if nothing were known: what has come meanwhile may be longer than
// what came before.
func (s *readStream) startShort() { s.asks = min(s.asks, firstPage) }

// run keeps a connection until ctx ends.
func (r *streamReader) run(ctx context.Context) {
	// Over a lost connection too: what it did not bring comes over the next.
	r.table.flows()
	defer r.table.ebbs()
	var subscribing sync.WaitGroup
	subscribing.Go(func() { r.subscribe(ctx) })
	defer subscribing.Wait()
	var retry retry
	for ctx.Err() == nil {
		var found facts
		opened, err := r.connector.openAndLogIn(ctx, r.keys.slot(), func(ctx context.Context, s *session) (err error) {
			found, err = learn(ctx, s.client)
			return err
		})
		if err == nil {
			retry.connected()
			err = r.serve(ctx, opened, found)
		}
		if ctx.Err() == nil && !r.wasInterrupted() {
			r.leg.fall(err)
			retry.wait(ctx)
		}
	}
}

// subscribe answers the table in place of Redis.
func (r *streamReader) subscribe(ctx context.Context) {
	for {
		subscribe, unsubscribe := r.table.changes()
		for _, channel := range unsubscribe {
			r.leaveStream(channel)
		}
		for _, channel := range subscribe {
			r.joinStream(channel)
		}
		if r.table.ask() {
			r.inquire(r.keysRead(), r.aim)
		}
		select {
		case <-r.table.wake:
		case <-ctx.Done():
			return
		}
	}
}

func (r *streamReader) joinStream(channel string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	key := r.keys.of(channel)
	found := r.streams[key]
	if found == nil {
		found = &readStream{key: key, asks: firstPage}
		r.streams[key] = found
		signal(r.changed)
		if r.interrupt != nil {
			r.interrupted = true
			r.interrupt()
		}
	}
	found.channels++
	if found.cursor != nil {
		r.table.confirm(channel)
		return
	}
	found.waiting = append(found.waiting, channel)
}

func (r *streamReader) leaveStream(channel string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.table.confirm(channel)
	key := r.keys.of(channel)
	found := r.streams[key]
	if found == nil {
		return
	}
	if found.channels--; found.channels == 0 {
		delete(r.streams, key)
		r.arrive()
	}
}

func (r *streamReader) setInterrupt(interrupt func()) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.interrupt = interrupt
}

func (r *streamReader) wasInterrupted() bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	was := r.interrupted
	r.interrupted = false
	return was
}

// list returns the streams to read, in the same order each time.
func (r *streamReader) list() []*readStream {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	result := make([]*readStream, 0, len(r.streams))
	for _, found := range r.streams {
		result = append(result, found)
	}
	slices.SortFunc(result, func(a, b *readStream) int {
		if a.key < b.key {
			return -1
		}
		return 1
	})
	return result
}

// serve reads over one connection until it breaks or ctx ends.
func (r *streamReader) serve(ctx context.Context, opened *session, found facts) error {
	defer opened.close()
	stop := context.AfterFunc(ctx, opened.abort)
	defer stop()
	for _, known := range r.list() {
		known.startShort()
	}
	if found.history == "" || found.history != r.history {
		if err := r.rewind(ctx, opened.client); err != nil {
			return err
		}
		r.history = found.history
		r.table.hears(opened.process)
	}
	r.setInterrupt(opened.abort)
	defer r.setInterrupt(nil)
	if err := r.catchUp(ctx, opened.client); err != nil {
		return err
	}
	r.leg.rise()
	for {
		sent := time.Now()
		behind, err := r.follow(ctx, opened.client)
		if err != nil {
			return err
		}
		// Who did not read for a while, or cannot keep up, may miss what is trimmed meanwhile.
		if behind || time.Since(sent) > r.block+time.Second {
			if err := r.catchUp(ctx, opened.client); err != nil {
				return err
			}
		}
	}
}

// follow waits for entries of any stream. It tells whether there may be more than it has read.
func (r *streamReader) follow(ctx context.Context, client *goredis.Client) (behind bool, err error) {
	all := r.list()
	if len(all) == 0 {
		return true, r.awaitStreams(ctx, client)
	}
	names, places, asks := make([]string, 0, len(all)), make([]string, 0, len(all)), all[0].asks
	byName := make(map[string]*readStream, len(all))
	for _, found := range all {
		if found.cursor == nil {
			return true, nil
		}
		byName[found.key] = found
		names, places = append(names, found.key), append(places, found.cursor.Position().String())
		asks = min(asks, found.asks)
	}
	// Redis answers within the block; whoever does not is gone.
	limited, cancel := context.WithTimeout(ctx, 2*r.block+r.block/4)
	defer cancel()
	result, err := client.XRead(limited, &goredis.XReadArgs{Streams: append(names, places...), Count: asks, Block: r.block}).Result()
	if err != nil && !errors.Is(err, goredis.Nil) {
		for _, found := range all {
			found.shorten(err)
		}
		return false, fmt.Errorf("read the streams: %w", err)
	}
	for _, part := range result {
		behind = behind || int64(len(part.Messages)) == asks
		r.take(byName[part.Stream], part.Messages)
	}
	return behind, nil
}

// awaitStreams keeps the connection of a process that has no hubs.
func (r *streamReader) awaitStreams(ctx context.Context, client *goredis.Client) error {
	ticker := time.NewTicker(r.block)
	defer ticker.Stop()
	for {
		select {
		case <-r.changed:
			return nil
		case <-ticker.C:
			if err := client.Ping(ctx).Err(); err != nil {
				return fmt.Errorf("ping: %w", err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take delivers what was not taken before.
func (r *streamReader) take(from *readStream, messages []goredis.XMessage) {
	from.fit(messages)
	for _, message := range messages {
		id, err := stream.ParseID(message.ID)
		if err != nil {
			continue
		}
		entry, ok := parseEntry(message.Values)
		if !ok {
			from.cursor.Skip(id)
			r.skipped(from.key)
			continue
		}
		deliver, missed := from.cursor.Take(id, entry.origin)
		r.missed(from.key, missed)
		if !deliver {
			r.observer.Repeated()
			continue
		}
		r.observer.Received(len(entry.payload))
		if handler := r.table.handler(entry.channel); handler != nil {
			handler([]byte(entry.payload))
		}
	}
	r.advance(from)
}

// missed counts and tells of entries that were gone before they were read.
func (r *streamReader) missed(key string, entries uint64) {
	if entries == 0 {
		return
	}
	r.leg.status.missed(entries)
	r.observer.Missed(entries)
	r.table.hears(r.table.source()) // others may have read them
	if times, due := r.missing.add(time.Now()); due {
		r.logger.Error("messages were gone from the stream before this server had read them", "stream", key, "messages", entries, "times", times)
	}
}

func (r *streamReader) skipped(key string) {
	if count, due := r.malformed.add(time.Now()); due {
		r.logger.Warn("skipped what no server of this kind wrote into the stream", "stream", key, "entries", count)
	}
}
