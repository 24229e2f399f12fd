package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"golang.org/x/sync/semaphore"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/stream"
)

// streamWriter puts the messages of one process into their streams, over one connection and in order. While Redis is away
// calls wait. What Redis has accepted and may forget is kept, and goes out again when it has.
type streamWriter struct {
	connector connector
	keys      streamKeys
	name      string
	options   Options
	leg       *leg
	logger    *slog.Logger

	// room is what may still be queued, in bytes. It is taken by the caller and given back when the item is settled.
	room *semaphore.Weighted
	// wake tells the writer, accepted the guard, that there is something to do.
	wake, accepted chan struct{}
	// forgetting limits the log lines about items that were given up before they were safe.
	forgetting logLimit

	// mutex guards what follows.
	mutex  sync.Mutex
	outbox *stream.Outbox
	// history is that of the Redis that the accepted items were given to.
	history string
	written map[string]struct{}
	// inquiry is what was asked last and not answered yet; nil if nothing.
	inquiry *inquiry
	// hadReplicas: a Redis that was written to had replicas once.
	hadReplicas bool
	closed      bool
}

// maxKeptBytes bounds what is kept of accepted messages until they are safe.
const maxKeptBytes = 32 << 20

func newStreamWriter(connector connector, keys streamKeys, options Options, status *status) *streamWriter {
	return &streamWriter{
		connector: connector,
		keys:      keys,
		name:      newPublisherName(),
		options:   options,
		leg:       status.leg(publishing),
		logger:    options.Logger,
		room:      semaphore.NewWeighted(maxQueuedBytes),
		wake:      make(chan struct{}, 1),
		accepted:  make(chan struct{}, 1),
		outbox:    stream.NewOutbox(maxKeptBytes),
		written:   make(map[string]struct{}),
	}
}

var errStreamTimeout = errors.New("stream timeout")

// publish returns when Redis has payload.
func (w *streamWriter) publish(ctx context.Context, channel string, payload []byte) error {
	err := w.queueAndWait(ctx, channel, payload)
	if err != nil {
		w.options.Observer.PublishFailed()
	} else {
		w.options.Observer.Published()
	}
	return err
}

func (w *streamWriter) queueAndWait(ctx context.Context, channel string, payload []byte) error {
	ctx, cancel := context.WithTimeoutCause(ctx, w.options.WaitTimeout, errStreamTimeout)
	defer cancel()
	size := min(int64(len(channel)+len(payload)+publicationOverhead), maxQueuedBytes)
	if err := w.room.Acquire(ctx, size); err != nil {
		return w.timedOut(ctx)
	}
	done := make(chan error, 1)
	item := &stream.Item{Stream: w.keys.of(channel), Channel: channel, Payload: payload}
	item.Settle = func(err error) {
		w.room.Release(size)
		done <- err
	}
	w.add(item)
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		item.Abandon()
		return w.gaveUp(ctx, item)
	}
}

// gaveUp explains why a caller did not wait longer, and whether the message may arrive nevertheless.
func (w *streamWriter) gaveUp(ctx context.Context, item *stream.Item) error {
	w.mutex.Lock()
	sent := item.Number() > 0
	w.mutex.Unlock()
	if sent {
		return fmt.Errorf("%w; it is on its way and may arrive later", w.timedOut(ctx))
	}
	return w.timedOut(ctx)
}

func (w *streamWriter) add(item *stream.Item) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.closed {
		item.Settle(backplane.ErrClosed)
		return
	}
	w.outbox.Add(item)
	signal(w.wake)
}

// signal leaves a note in a channel with room for one.
func signal(notes chan<- struct{}) {
	select {
	case notes <- struct{}{}:
	default:
	}
}

func (w *streamWriter) timedOut(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, errStreamTimeout) {
		return fmt.Errorf("wait for Redis: %w", cause)
	}
	status := w.leg.status
	return fmt.Errorf("redis at %s did not take the message within %s (%s): %w",
		status.address, w.options.WaitTimeout, status.reason(), backplane.ErrUnavailable)
}

// run owns the connection until ctx ends.
func (w *streamWriter) run(ctx context.Context) {
	defer w.close()
	var retry retry
	for ctx.Err() == nil {
		var found facts
		opened, err := w.connector.openAndLogIn(ctx, w.keys.slot(), func(ctx context.Context, s *session) (err error) {
			found, err = learn(ctx, s.client)
			return err
		})
		if err == nil {
			retry.connected()
			err = w.serve(ctx, opened, found)
		}
		if ctx.Err() == nil {
			w.leg.fall(err)
			retry.wait(ctx)
		}
	}
}

func (w *streamWriter) close() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.closed = true
	w.outbox.Fail(backplane.ErrClosed)
}

// serve writes over one connection until it breaks or ctx ends.
func (w *streamWriter) serve(ctx context.Context, opened *session, found facts) error {
	defer opened.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, opened.abort)
	defer stop()
	w.reconnect(found)
	w.leg.rise()
	var guard sync.WaitGroup
	defer guard.Wait()
	defer cancel()
	guard.Go(func() { w.guard(ctx, found, opened.abort) })
	health, trim := time.NewTicker(w.options.HealthCheckInterval), time.NewTicker(trimInterval)
	defer health.Stop()
	defer trim.Stop()
	for {
		if err := w.look(ctx, opened.client); err != nil {
			return err
		}
		if batch := w.next(); len(batch) > 0 {
			if err := w.send(ctx, opened.client, batch); err != nil {
				return err
			}
			continue
		}
		var err error
		select {
		case <-w.wake:
		case <-health.C:
			err = opened.client.Ping(ctx).Err()
		case <-trim.C:
			err = w.trim(ctx, opened.client)
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("keep the connection: %w", err)
		}
	}
}

// reconnect sends again what this Redis may not have.
func (w *streamWriter) reconnect(found facts) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.outbox.Reconnect(found.history == "" || found.history != w.history)
	w.history = found.history
}

func (w *streamWriter) next() []*stream.Item {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.outbox.Next(maxBatch, maxBatchBytes)
}

// send writes batch, which is of one stream, in one transaction: all of it is taken, or nothing. It returns an error when the
// connection is of no use any more.
func (w *streamWriter) send(ctx context.Context, client *goredis.Client, batch []*stream.Item) error {
	ctx, cancel := context.WithTimeout(ctx, w.options.PublishTimeout)
	defer cancel()
	transaction := client.TxPipeline()
	replies := make([]*goredis.StringCmd, len(batch))
	for i, item := range batch {
		replies[i] = transaction.XAdd(ctx, &goredis.XAddArgs{
			Stream: item.Stream, MaxLen: w.options.StreamLength, Approx: true,
			Values: streamFields(w.name, item),
		})
	}
	_, err := transaction.Exec(ctx)
	if refusal := refusalOf(replies); isRefusal(err) && refusal != nil {
		err = refusal
	}
	switch {
	case err == nil:
		w.leg.status.answered(nil)
		w.accept(batch)
		return nil
	case isRefusal(err) && !isPassing(err):
		return w.refuse(ctx, batch, err)
	default:
		return fmt.Errorf("write to the stream: %w", err)
	}
}

// refusalOf returns why Redis did not take a command of a transaction; the transaction's own error only says that.
func refusalOf(replies []*goredis.StringCmd) error {
	for _, reply := range replies {
		if err := reply.Err(); err != nil && !goredis.HasErrorPrefix(err, "EXECABORT") {
			return err
		}
	}
	return nil
}

// isPassing tells the refusals of a server that is not, or not now, the one to write to.
func isPassing(err error) bool {
	for _, prefix := range []string{"READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK", "UNBLOCKED", "BUSY"} {
		if goredis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}

// isFinal tells the refusals that no waiting ends: the key is no stream, or a stream that has had its last entry.
func isFinal(err error) bool {
	return goredis.HasErrorPrefix(err, "WRONGTYPE") || goredis.HasErrorPrefix(err, "The stream has exhausted")
}

func (w *streamWriter) accept(batch []*stream.Item) {
	w.settle(func() {
		for _, item := range batch {
			w.written[item.Stream] = struct{}{}
		}
		w.outbox.Accept(batch, time.Now())
		signal(w.accepted)
	})
}

// settle calls how with the mutex held, and tells of messages that had to be forgotten for it.
func (w *streamWriter) settle(how func()) {
	w.mutex.Lock()
	_, before := w.outbox.Kept()
	how()
	_, after := w.outbox.Kept()
	w.mutex.Unlock()
	if after == before {
		return
	}
	w.leg.status.forgot(after - before)
	if count, due := w.forgetting.add(time.Now()); due {
		w.logger.Warn("Redis does not confirm that messages are safe, gave up keeping the oldest", "times", count)
	}
}

// refusedPause is the time between attempts to send again what Redis refuses now and may have taken before.
const refusedPause = 100 * time.Millisecond

func (w *streamWriter) refuse(ctx context.Context, batch []*stream.Item, err error) error {
	w.leg.status.answered(err)
	refusal := fmt.Errorf("redis at %s refused the message (%w): %w", w.leg.status.address, err, backplane.ErrUnavailable)
	stay := 0
	w.settle(func() {
		stay = w.outbox.Refuse(batch, refusal)
		if isFinal(err) {
			w.outbox.GiveUp(batch[:stay], refusal)
			stay = 0
		}
	})
	if stay == 0 {
		return nil // what is for other streams need not wait
	}
	pause := time.NewTimer(refusedPause)
	defer pause.Stop()
	select {
	case <-pause.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// trimInterval is the time between two looks for entries that are too old.
const trimInterval = 30 * time.Second

// trim removes old entries, by the clock of Redis: that of this machine may be wrong.
func (w *streamWriter) trim(ctx context.Context, client *goredis.Client) error {
	w.mutex.Lock()
	names := make([]string, 0, len(w.written))
	for name := range w.written {
		names = append(names, name)
	}
	w.mutex.Unlock()
	now, err := client.Time(ctx).Result()
	if err != nil {
		return fmt.Errorf("ask Redis for the time: %w", err)
	}
	oldest := stream.ID{Milliseconds: uint64(now.Add(-w.options.StreamAge).UnixMilli())}.String()
	pipeline := client.Pipeline()
	for _, name := range names {
		pipeline.XTrimMinIDApprox(ctx, name, oldest, 0)
	}
	if _, err := pipeline.Exec(ctx); err != nil && !isRefusal(err) {
		return fmt.Errorf("trim the streams: %w", err)
	}
	return nil
}
