package main

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr"
)

// Stream sends 0, 1, ..., with a pause before each.
func (*Hub) Stream(ctx *signalr.Context, count, milliseconds int32) iter.Seq2[int32, error] {
	return func(yield func(int32, error) bool) {
		for i := range count {
			if err := pause(ctx, milliseconds); err != nil {
				yield(0, err)
				return
			}
			if !yield(i, nil) {
				return
			}
		}
	}
}

// StreamThenThrow sends 0, 1, ... and then fails.
func (*Hub) StreamThenThrow(_ *signalr.Context, count int32, message string) iter.Seq2[int32, error] {
	return func(yield func(int32, error) bool) {
		for i := range count {
			if !yield(i, nil) {
				return
			}
		}
		yield(0, &InvalidOperationException{message})
	}
}

// StreamForever sends a number every 20 ms until the client cancels, and then calls its StreamCanceled.
func (*Hub) StreamForever(ctx *signalr.Context) iter.Seq[int32] {
	return func(yield func(int32) bool) {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		// The context of the call has ended by then.
		defer func() { _ = ctx.Clients().Caller().Send(context.WithoutCancel(ctx), "StreamCanceled") }()
		for i := int32(0); ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if !yield(i) {
				return
			}
		}
	}
}

// UploadConcat returns the items of the client's stream, joined.
func (*Hub) UploadConcat(_ *signalr.Context, items iter.Seq2[string, error]) (string, error) {
	var all strings.Builder
	for item, err := range items {
		if err != nil {
			return "", err
		}
		all.WriteString(item)
	}
	return all.String(), nil
}

// UploadSum returns the sum of the first stream less that of the second.
func (*Hub) UploadSum(_ *signalr.Context, left, right iter.Seq2[int32, error]) (int32, error) {
	plus, err := sum(left)
	if err != nil {
		return 0, err
	}
	minus, err := sum(right)
	return plus - minus, err
}

func sum(items iter.Seq2[int32, error]) (total int32, err error) {
	for item, err := range items {
		if err != nil {
			return 0, err
		}
		total += item
	}
	return total, nil
}

// UploadError returns the text of the error that the stream ended with, or none.
func (*Hub) UploadError(_ *signalr.Context, items iter.Seq2[int32, error]) string {
	if _, err := sum(items); err != nil {
		return err.Error()
	}
	return "none"
}

// UploadFirst returns the first item and leaves the rest.
func (*Hub) UploadFirst(_ *signalr.Context, items iter.Seq2[int32, error]) (int32, error) {
	for item, err := range items {
		return item, err
	}
	return 0, errors.New("the stream has no item")
}

// UploadSlow waits, then counts the items.
func (*Hub) UploadSlow(ctx *signalr.Context, items iter.Seq2[int32, error], milliseconds int32) (count int32, err error) {
	if err := pause(ctx, milliseconds); err != nil {
		return 0, err
	}
	for _, err := range items {
		if err != nil {
			return 0, err
		}
		count++
	}
	return count, nil
}

// EchoStream sends the items back as they come.
func (*Hub) EchoStream(_ *signalr.Context, items iter.Seq2[string, error]) iter.Seq2[string, error] {
	return items
}
