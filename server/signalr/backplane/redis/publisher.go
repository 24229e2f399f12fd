package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"golang.org/x/sync/semaphore"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// publisher sends the PUBLISH commands of one process over one connection, in the order in which they were asked for:
// two connections, as a pool has them, would let messages of one channel overtake each other. While one pipeline is
// under way the next one gathers. No command is ever repeated, so no message doubles; a call that failed may have
// published nevertheless when the connection broke before the reply.
type publisher struct {
	open        opener
	sharded     bool
	timeout     time.Duration
	healthCheck time.Duration
	leg         *leg
	observer    Observer

	// room is what may still be queued, in bytes. It is taken by the caller and given back by finish.
	room *semaphore.Weighted
	// wake tells the writer that there is something to do.
	wake chan struct{}
	// doubtful is set when the connection may be dead: it is tried before the next batch.
	doubtful atomic.Bool

	// mutex guards queue and refusal.
	mutex sync.Mutex
	queue []*publication
	// refusal is what every call gets while Redis is away; nil while publications are taken.
	refusal error
}

// publication is one PUBLISH on its way.
type publication struct {
	channel string
	payload []byte
	// abandoned: the caller has left, there is no need to send it.
	abandoned atomic.Bool
	// done is closed once receivers and err are set.
	done      chan struct{}
	receivers int64
	err       error
}

// errPublishTimeout is the cause of a context that ended by PublishTimeout and not by the caller's doing.
var errPublishTimeout = errors.New("publish timeout")

func newPublisher(open opener, options Options, status *status) *publisher {
	return &publisher{
		open:        open,
		sharded:     options.Mode == ModeSharded,
		timeout:     options.PublishTimeout,
		healthCheck: options.HealthCheckInterval,
		leg:         status.leg(publishing),
		observer:    options.Observer,
		room:        semaphore.NewWeighted(maxQueuedBytes),
		wake:        make(chan struct{}, 1),
	}
}

// publish returns how many subscribers Redis sent payload to. It keeps payload until then.
func (p *publisher) publish(ctx context.Context, channel string, payload []byte) (receivers int64, err error) {
	receivers, err = p.queueAndWait(ctx, channel, payload)
	if err != nil {
		p.observer.PublishFailed()
	} else {
		p.observer.Published()
	}
	return receivers, err
}

func (p *publisher) queueAndWait(ctx context.Context, channel string, payload []byte) (int64, error) {
	if err := p.refused(); err != nil {
		return 0, err
	}
	item := &publication{channel: channel, payload: payload, done: make(chan struct{})}
	left, err := p.takeRoom(ctx, item.size())
	if err != nil {
		return 0, err
	}
	if err := p.enqueue(item); err != nil {
		p.room.Release(item.size())
		return 0, err
	}
	timer := takeTimer(left)
	defer giveTimer(timer)
	select {
	case <-item.done:
		return item.receivers, item.err
	case <-ctx.Done():
		item.abandoned.Store(true)
		return 0, fmt.Errorf("wait for Redis: %w", context.Cause(ctx))
	case <-timer.C:
		item.abandoned.Store(true)
		return 0, p.timedOut()
	}
}

// takeRoom waits until there is room in the queue, and returns how much of the timeout is left.
func (p *publisher) takeRoom(ctx context.Context, size int64) (left time.Duration, err error) {
	if p.room.TryAcquire(size) {
		return p.timeout, nil
	}
	started := time.Now()
	limited, cancel := context.WithTimeoutCause(ctx, p.timeout, errPublishTimeout)
	defer cancel()
	if err := p.room.Acquire(limited, size); err == nil {
		return max(p.timeout-time.Since(started), 0), nil
	}
	if cause := context.Cause(limited); !errors.Is(cause, errPublishTimeout) {
		return 0, fmt.Errorf("wait for Redis: %w", cause)
	}
	return 0, p.timedOut()
}

// timers are used again: a context with a deadline for each message costs several times as much.
var timers sync.Pool

func takeTimer(after time.Duration) *time.Timer {
	if timer, ok := timers.Get().(*time.Timer); ok {
		timer.Reset(after)
		return timer
	}
	return time.NewTimer(after)
}

func giveTimer(timer *time.Timer) {
	timer.Stop()
	timers.Put(timer)
}

// timedOut explains why a caller did not wait longer.
func (p *publisher) timedOut() error {
	return fmt.Errorf("redis at %s did not answer within %s: %w", p.leg.status.address, p.timeout, backplane.ErrUnavailable)
}

func (p *publisher) refused() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.refusal
}

func (p *publisher) enqueue(item *publication) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.refusal != nil {
		return p.refusal
	}
	p.queue = append(p.queue, item)
	p.signal()
	return nil
}

func (p *publisher) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// doubt makes the publisher try its connection before it sends anything more: the subscriber has just lost its own.
func (p *publisher) doubt() {
	p.doubtful.Store(true)
	p.signal()
}

// run owns the connection until ctx ends. After a loss it tries at once to connect again, and lets calls wait for that;
// if Redis is not there they fail from then on, until it is.
func (p *publisher) run(ctx context.Context) {
	defer p.refuse(backplane.ErrClosed)
	var retry retry
	for ctx.Err() == nil {
		opened, err := p.open(ctx, func(ctx context.Context, s *session) error {
			return s.client.Ping(ctx).Err()
		})
		if err == nil {
			retry.connected()
			err = p.serve(ctx, opened)
		} else if ctx.Err() == nil {
			unreachable := fmt.Errorf("redis at %s cannot be reached (%w): %w", p.leg.status.address, err, backplane.ErrUnavailable)
			p.refuse(unreachable)
		}
		if ctx.Err() == nil {
			p.leg.fall(err)
			retry.wait(ctx)
		}
	}
}

// refuse fails what waits and, until accept, what comes.
func (p *publisher) refuse(err error) {
	p.mutex.Lock()
	p.refusal = err
	waiting := p.queue
	p.queue = nil
	p.mutex.Unlock()
	for _, item := range waiting {
		p.finish(item, 0, err)
	}
}

func (p *publisher) accept() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.refusal = nil
}

// serve publishes over one connection until it breaks or ctx ends. What it has not begun to send stays queued.
func (p *publisher) serve(ctx context.Context, opened *session) error {
	defer opened.close()
	stop := context.AfterFunc(ctx, opened.abort)
	defer stop()
	p.doubtful.Store(false)
	p.accept()
	p.leg.rise()
	ticker := time.NewTicker(p.healthCheck)
	defer ticker.Stop()
	pipeline := opened.client.Pipeline()
	for {
		if p.doubtful.Swap(false) {
			if err := opened.client.Ping(ctx).Err(); err != nil {
				return fmt.Errorf("ping: %w", err)
			}
		}
		if batch := p.take(); len(batch) > 0 {
			if err := p.send(ctx, pipeline, batch); err != nil {
				return err
			}
			continue
		}
		select {
		case <-p.wake:
		case <-ticker.C:
			p.doubtful.Store(true)
		case <-opened.ended():
			p.doubtful.Store(true) // the ping tells why
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take removes the next batch from the queue.
func (p *publisher) take() []*publication {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	count, bytes := 0, 0
	for count < len(p.queue) && count < maxBatch && bytes < maxBatchBytes {
		bytes += len(p.queue[count].payload)
		count++
	}
	batch := p.queue[:count:count]
	if count == len(p.queue) {
		p.queue = nil
	} else {
		p.queue = p.queue[count:]
	}
	return batch
}

// send publishes batch in one pipeline and gives every caller its own reply. It returns an error when the connection
// is of no use any more.
func (p *publisher) send(ctx context.Context, pipeline goredis.Pipeliner, batch []*publication) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	replies := make([]*goredis.IntCmd, len(batch))
	for i, item := range batch {
		if !item.abandoned.Load() {
			replies[i] = p.publishOver(ctx, pipeline, item)
		}
	}
	if pipeline.Len() > 0 {
		// The error is that of the first command that failed; each is looked at below.
		_, _ = pipeline.Exec(ctx)
	}
	var broken, refused error
	for i, item := range batch {
		receivers, err := replyOf(replies[i])
		switch {
		case isRefusal(err):
			refused = err
		case err != nil:
			broken = err
		}
		p.finish(item, receivers, p.explain(err))
	}
	if broken == nil {
		p.leg.status.answered(refused)
	}
	return broken
}

func (p *publisher) publishOver(ctx context.Context, pipeline goredis.Pipeliner, item *publication) *goredis.IntCmd {
	if p.sharded {
		return pipeline.SPublish(ctx, item.channel, item.payload)
	}
	return pipeline.Publish(ctx, item.channel, item.payload)
}

func replyOf(reply *goredis.IntCmd) (int64, error) {
	if reply == nil {
		return 0, nil
	}
	return reply.Result()
}

func (p *publisher) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case isRefusal(err):
		return fmt.Errorf("redis at %s refused the message (%w): %w", p.leg.status.address, err, backplane.ErrUnavailable)
	default:
		return fmt.Errorf("lost the connection to Redis at %s (%w): %w", p.leg.status.address, err, backplane.ErrUnavailable)
	}
}

func (p *publisher) finish(item *publication, receivers int64, err error) {
	item.receivers, item.err = receivers, err
	close(item.done)
	p.room.Release(item.size())
}

// size is what the publication takes of the room. One that is larger than the room takes all of it.
func (i *publication) size() int64 {
	return min(int64(len(i.channel)+len(i.payload)+publicationOverhead), maxQueuedBytes)
}
