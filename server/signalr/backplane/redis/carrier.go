package redis

import (
	"context"
	"sync"
)

// carrier is the way of bytes through Redis, whatever the mode: it takes payloads to the processes that have subscribed
// their channel, and knows nothing of hubs. Which channels those are it reads from the table that it was made with
// (subscriptions): it asks for changes, confirms what is in place, restarts after a lost connection, and hands what
// comes to the table's handlers, one at a time, the payloads of one publisher to one channel in order. It reports to
// status; a new generation is a gap in which payloads may have been missed.
type carrier interface {
	// run works until ctx ends, then refuses what still waits with backplane.ErrClosed.
	run(ctx context.Context)
	// publish returns when Redis has accepted payload, with the number of subscribers that it was handed to. It keeps
	// payload until then. Errors wrap backplane.ErrUnavailable.
	publish(ctx context.Context, channel string, payload []byte) (receivers int64, err error)
	// order names what puts payloads in the order in which they come here now. It is empty if nothing does, or nothing is
	// known of it. Where it is by channel only, each has the order of its own that fences need.
	order() string
}

// newCarrier returns the carrier of the mode that options ask for.
func newCarrier(connector connector, options Options, table *subscriptions, status *status) carrier {
	switch options.Mode {
	case ModeStreams:
		return newStreams(connector, options, table, status)
	case ModeSharded:
		return newSharded(connector.place, connector.with, options, table, status)
	default:
		return newLink(connector.at(slotOf(options.ChannelPrefix)), options, table.part, status)
	}
}

// link is the carrier on classic publish/subscribe: one connection to publish and one to subscribe, both to the same
// server. In a Cluster any server would do; only when all processes publish and subscribe at the same one is there an
// order among messages, and a true count of their receivers. Sharded publish/subscribe has a link for each shard.
type link struct {
	publisher  *publisher
	subscriber *subscriber
}

func newLink(open opener, options Options, part *part, status *status) *link {
	publisher := newPublisher(open, options, status)
	return &link{
		publisher: publisher,
		subscriber: &subscriber{
			open:        open,
			sharded:     options.Mode == ModeSharded,
			healthCheck: options.HealthCheckInterval,
			part:        part,
			leg:         status.leg(subscribing),
			observer:    options.Observer,
			lost:        publisher.doubt,
		},
	}
}

func (l *link) run(ctx context.Context) {
	var connections sync.WaitGroup
	connections.Go(func() { l.publisher.run(ctx) })
	connections.Go(func() { l.subscriber.run(ctx) })
	connections.Wait()
}

func (l *link) order() string { return l.subscriber.part.source() }

func (l *link) publish(ctx context.Context, channel string, payload []byte) (receivers int64, err error) {
	return l.publisher.publish(ctx, channel, payload)
}
