package redis

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"sync"
)

// streams is the carrier on Redis streams: one for each hub, all at the primary that serves their common slot. Writer and
// reader have a connection each, and the writer's guard one more.
type streams struct {
	writer *streamWriter
	reader *streamReader
}

func newStreams(connector connector, options Options, table *subscriptions, status *status) *streams {
	keys := streamKeys{options.ChannelPrefix}
	writer := newStreamWriter(connector, keys, options, status)
	return &streams{writer: writer, reader: newStreamReader(connector, keys, options, table, status, writer.inquire)}
}

func (s *streams) run(ctx context.Context) {
	var connections sync.WaitGroup
	connections.Go(func() { s.writer.run(ctx) })
	connections.Go(func() { s.reader.run(ctx) })
	connections.Wait()
}

// unknownReceivers is the number of receivers of what lies in a stream: nobody knows who reads it.
const unknownReceivers = -1

func (s *streams) publish(ctx context.Context, channel string, payload []byte) (receivers int64, err error) {
	return unknownReceivers, s.writer.publish(ctx, channel, payload)
}

// order is that of the entries of a stream. It is the same for all who read them from the same run of Redis.
func (s *streams) order() string { return s.reader.table.source() }

// streamKeys names the streams. All of one prefix are in one slot, because one command reads them all.
type streamKeys struct{ prefix string }

func (k streamKeys) slot() int { return slotOf(k.of(k.prefix + ":")) }

// of returns the stream for a channel: that of its hub.
func (k streamKeys) of(channel string) string {
	hub, _, _ := strings.Cut(strings.TrimPrefix(channel, k.prefix), ":")
	return k.prefix + "{" + k.prefix + "chatcluster}:stream:" + hub
}

// newPublisherName returns a name that no other process has. Numbers count per name: a process that starts again is
// another publisher.
func newPublisherName() string {
	var random [8]byte
	// rand.Read never returns an error.
	_, _ = rand.Read(random[:])
	return hex.EncodeToString(random[:])
}
