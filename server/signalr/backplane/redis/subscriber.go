package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// subscriber owns the connection on which this process receives the messages of all its hubs, or those of one shard. There
// is one only, read by one goroutine, because Redis keeps the order of messages per connection: with two, a message could
// be seen before one that was published earlier on another channel.
type subscriber struct {
	open        opener
	sharded     bool
	healthCheck time.Duration
	part        *part
	leg         *leg
	observer    Observer
	// lost is called when a connection that was good has ended.
	lost func()
	// moved is called, for sharded channels, when the server has said that it does not serve a slot (any more).
	moved func(elsewhere redirect)
}

// The payloads of pings. The answer to inPlace comes behind the confirmations of all that was subscribed before.
const (
	greeting  = "hello"
	inPlace   = "in place"
	heartbeat = "alive"
)

var errUnexpectedReply = errors.New("unexpected reply on the subscriber connection")

// run keeps a connection until ctx ends.
func (s *subscriber) run(ctx context.Context) {
	var retry retry
	for ctx.Err() == nil {
		var pubsub *goredis.PubSub
		opened, err := s.open(ctx, func(ctx context.Context, opened *session) error {
			pubsub = opened.client.Subscribe(ctx)
			return pubsub.Ping(ctx, greeting)
		})
		if err == nil {
			retry.connected()
			err = s.serve(ctx, opened, pubsub)
		}
		if ctx.Err() == nil {
			s.leg.fall(err)
			retry.wait(ctx)
		}
	}
}

// serve subscribes everything anew over one connection, and delivers messages until it breaks or ctx ends. It returns
// what ended it first, be it the reading or the writing side.
func (s *subscriber) serve(ctx context.Context, opened *session, pubsub *goredis.PubSub) error {
	defer opened.close()
	defer func() { _ = pubsub.Close() }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, opened.abort)
	defer stop()
	s.part.hears(opened.process)
	defer s.part.hears("")
	s.part.restart()
	s.part.flows()
	defer s.part.ebbs()
	var writer sync.WaitGroup
	var writeErr error
	writer.Go(func() {
		defer cancel()
		writeErr = s.write(ctx, opened, pubsub)
	})
	readErr := s.read(ctx, pubsub)
	cancel()
	writer.Wait()
	s.lost()
	if isConsequence(readErr) {
		return writeErr
	}
	return readErr
}

// isConsequence tells an error that only says that the other side of the connection has failed before.
func isConsequence(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, errSessionEnded) || errors.Is(err, context.Canceled)
}

// write sends what the table wants, and pings: a connection on which nothing can be expected to come says nothing about
// its peer.
func (s *subscriber) write(ctx context.Context, opened *session, pubsub *goredis.PubSub) error {
	ticker := time.NewTicker(s.healthCheck)
	defer ticker.Stop()
	if err := s.sendChanges(ctx, opened, pubsub); err != nil {
		return err
	}
	next := inPlace
	for {
		if next != "" {
			if err := pubsub.Ping(ctx, next); err != nil {
				return fmt.Errorf("ping: %w", err)
			}
			next = ""
		}
		select {
		case <-s.part.wake:
			if err := s.sendChanges(ctx, opened, pubsub); err != nil {
				return err
			}
			if s.part.ask() {
				next = caughtUp
			}
		case <-ticker.C:
			next = heartbeat
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *subscriber) sendChanges(ctx context.Context, opened *session, pubsub *goredis.PubSub) error {
	subscribe, unsubscribe := s.part.changes()
	if s.sharded {
		return sendSharded(opened.conn, subscribe, unsubscribe)
	}
	if err := inBatches(unsubscribe, func(batch []string) error { return pubsub.Unsubscribe(ctx, batch...) }); err != nil {
		return fmt.Errorf("unsubscribe: %w", err)
	}
	if err := inBatches(subscribe, func(batch []string) error { return pubsub.Subscribe(ctx, batch...) }); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

// inBatches never calls send without channels: an UNSUBSCRIBE that names none ends all subscriptions.
func inBatches(channels []string, send func(batch []string) error) error {
	for len(channels) > 0 {
		count, bytes := 0, 0
		for count < len(channels) && count < maxSubscribeBatch && bytes < maxSubscribeBytes {
			bytes += len(channels[count])
			count++
		}
		if err := send(channels[:count]); err != nil {
			return err
		}
		channels = channels[count:]
	}
	return nil
}

func (s *subscriber) read(ctx context.Context, pubsub *goredis.PubSub) error {
	for {
		reply, err := receive(ctx, pubsub)
		if elsewhere, moved := redirectOf(err); s.sharded && moved {
			s.misplaced(elsewhere)
			continue
		}
		if err != nil {
			return err
		}
		switch reply := reply.(type) {
		case *goredis.Message:
			s.observer.Received(len(reply.Payload))
			if deliver := s.part.table.handler(reply.Channel); deliver != nil {
				deliver([]byte(reply.Payload))
			}
		case *goredis.Subscription:
			if expected := s.part.confirm(reply.Channel); !expected && reply.Kind == "sunsubscribe" {
				s.part.ousted(reply.Channel)
				s.moved(redirect{})
			}
		case *goredis.Pong:
			switch reply.Payload {
			case inPlace:
				s.leg.rise()
			case caughtUp:
				s.part.answered()
			}
		}
	}
}

// receive reads one reply. go-redis panics on arrays that no Redis sends; what is not Redis must not end this process.
func receive(ctx context.Context, pubsub *goredis.PubSub) (reply any, err error) {
	defer func() {
		if recover() != nil {
			err = errUnexpectedReply
		}
	}()
	return pubsub.Receive(ctx)
}
