package redis

import (
	"context"
	"errors"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/stream"
)

// rewind makes all cursors ready for another Redis than before.
func (r *streamReader) rewind(ctx context.Context, client *goredis.Client) error {
	for _, found := range r.list() {
		if found.cursor == nil {
			continue
		}
		info, err := infoOf(client.XInfoStream(ctx, found.key))
		if err != nil {
			return err
		}
		r.missed(found.key, found.cursor.NewHistory(info))
		r.advance(found)
	}
	return nil
}

// infoOf takes a stream that does not exist for an empty one.
func infoOf(reply *goredis.XInfoStreamCmd) (stream.Info, error) {
	result, err := reply.Result()
	if goredis.HasErrorPrefix(err, "no such key") {
		return stream.Info{}, nil
	}
	if err != nil {
		return stream.Info{}, fmt.Errorf("look at the stream: %w", err)
	}
	last, err := stream.ParseID(result.LastGeneratedID)
	if err != nil {
		return stream.Info{}, fmt.Errorf("look at the stream: %w", err)
	}
	return stream.Info{LastGenerated: last, Added: uint64(result.EntriesAdded), Length: uint64(result.Length)}, nil
}

// begin finds the place of a new stream: its end.
func (r *streamReader) begin(ctx context.Context, client *goredis.Client, begun *readStream) error {
	end, err := lookBack(ctx, client, begun.key)
	if err != nil {
		return fmt.Errorf("begin with the stream: %w", err)
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	begun.cursor = stream.NewCursor(end.info, end.seen, end.whole)
	begun.reached = begun.cursor.Position()
	r.arrive()
	for _, channel := range begun.waiting {
		r.table.confirm(channel)
	}
	begun.waiting = nil
	return nil
}

// catchUp reads to the end, and at each step looks for what was trimmed before it was read.
func (r *streamReader) catchUp(ctx context.Context, client *goredis.Client) error {
	for _, found := range r.list() {
		if found.cursor == nil {
			if err := r.begin(ctx, client, found); err != nil {
				return err
			}
		}
		for atEnd := false; !atEnd; {
			var err error
			if atEnd, err = r.step(ctx, client, found); err != nil {
				return err
			}
		}
	}
	return nil
}

// step reads once from one stream. Redis executes both commands at the same moment.
func (r *streamReader) step(ctx context.Context, client *goredis.Client, from *readStream) (atEnd bool, err error) {
	cursor, asked := from.cursor, from.asks
	transaction := client.TxPipeline()
	look := transaction.XInfoStream(ctx, from.key)
	read := transaction.XRead(ctx, &goredis.XReadArgs{Streams: []string{from.key, cursor.Position().String()}, Count: asked, Block: -1})
	if _, err := transaction.Exec(ctx); err != nil && !isRefusal(err) {
		from.shorten(err)
		return false, fmt.Errorf("read the stream: %w", err)
	}
	info, err := infoOf(look)
	if err != nil {
		return false, err
	}
	if info.LastGenerated.Before(cursor.Position()) { // the stream was deleted and began anew
		r.missed(from.key, cursor.NewHistory(info))
		r.advance(from)
		r.table.hears(r.table.source())
		return info == stream.Info{}, nil
	}
	result, err := read.Result()
	if err != nil && !errors.Is(err, goredis.Nil) {
		return false, fmt.Errorf("read the stream: %w", err)
	}
	r.missed(from.key, cursor.Look(info))
	count := int64(0)
	for _, part := range result {
		count += int64(len(part.Messages))
		r.take(from, part.Messages)
	}
	r.observer.Lagging(cursor.Lag(info))
	if count < asked {
		cursor.AtEnd(info)
	}
	return count < asked, nil
}
