package redis

import (
	"context"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/stream"
)

// With streams, who has caught up (catchUp of the table) has read all that Redis had when it was asked. The writer asks,
// because the reader's connection waits for entries; the reader tells when it is there.

// inquiry is a question where streams end.
type inquiry struct {
	streams []string
	answer  func(ends map[string]stream.ID)
}

// inquire calls answer with the last entry of each stream that has one, once Redis has told. Nothing may be asked before that.
func (w *streamWriter) inquire(streams []string, answer func(ends map[string]stream.ID)) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.inquiry = &inquiry{streams, answer}
	signal(w.wake)
}

// look answers what was asked. A question that the connection did not survive is asked again over the next.
func (w *streamWriter) look(ctx context.Context, client *goredis.Client) error {
	w.mutex.Lock()
	asked := w.inquiry
	w.mutex.Unlock()
	if asked == nil {
		return nil
	}
	ends, err := w.ends(ctx, client, asked.streams)
	if err != nil {
		return err
	}
	w.mutex.Lock()
	w.inquiry = nil
	w.mutex.Unlock()
	asked.answer(ends)
	return nil
}

func (w *streamWriter) ends(ctx context.Context, client *goredis.Client, streams []string) (map[string]stream.ID, error) {
	ctx, cancel := context.WithTimeout(ctx, w.options.PublishTimeout)
	defer cancel()
	pipeline := client.Pipeline()
	replies := make([]*goredis.XMessageSliceCmd, len(streams))
	for i, name := range streams {
		replies[i] = pipeline.XRevRangeN(ctx, name, "+", "-", 1)
	}
	if _, err := pipeline.Exec(ctx); err != nil && !isRefusal(err) {
		return nil, fmt.Errorf("look where the streams end: %w", err)
	}
	ends := make(map[string]stream.ID, len(streams))
	for i, reply := range replies {
		for _, last := range reply.Val() { // none if it is empty, or Redis refuses: then nobody waits for it
			if id, err := stream.ParseID(last.ID); err == nil {
				ends[streams[i]] = id
			}
		}
	}
	return ends, nil
}

func (r *streamReader) keysRead() []string {
	all := r.list()
	keys := make([]string, len(all))
	for i, found := range all {
		keys[i] = found.key
	}
	return keys
}

// aim takes the places to come to.
func (r *streamReader) aim(ends map[string]stream.ID) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.ahead = ends
	r.arrive()
}

// advance notes where the reader is: further, or further back with another Redis.
func (r *streamReader) advance(from *readStream) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	from.reached = from.cursor.Position()
	r.arrive()
}

// arrive tells the table when there is nothing ahead any more. It is called with the mutex held, before the table's.
func (r *streamReader) arrive() {
	if r.ahead == nil {
		return
	}
	for key, end := range r.ahead {
		if found := r.streams[key]; found != nil && found.reached.Before(end) {
			return
		}
	}
	r.ahead = nil
	r.table.answered()
}
