package redis

import (
	"context"
	"fmt"
	"slices"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/stream"
)

// tailCount is how many entries are looked through at most, when a stream is new, for the numbers that publishers have come to:
// of a stream that holds gigabytes only the last moments matter.
const tailCount = 10_000

// The limits of what is asked of a stream at once. Redis answers with whole entries, however long they are.
const (
	// firstPage is how many entries are asked for before it is known how long they are, pageBytes about how much later.
	firstPage = 50
	pageBytes = 1 << 20
	// longestPage is how many are asked for where they are short.
	longestPage = 500
)

// tail is the end of a stream, read backwards.
type tail struct {
	info stream.Info
	// since is where it need not go on.
	since stream.ID
	// seen are the entries, the oldest first, but for those that cannot be read; looked counts all.
	seen   []stream.Seen
	looked int
	// oldest is that of all; whole tells that nothing from since on lies before it.
	oldest stream.ID
	whole  bool
}

// lookBack reads the end of a stream as stream.NewCursor wants it. It holds no more of it than that, and one page.
func lookBack(ctx context.Context, client *goredis.Client, key string) (*tail, error) {
	transaction := client.TxPipeline() // Redis executes both commands at the same moment
	look, read := transaction.XInfoStream(ctx, key), transaction.XRevRangeN(ctx, key, "+", "-", firstPage)
	if _, err := transaction.Exec(ctx); err != nil && !isRefusal(err) {
		return nil, fmt.Errorf("read the end of the stream: %w", err)
	}
	info, err := infoOf(look)
	if err != nil {
		return nil, err
	}
	t := &tail{info: info, since: info.LastGenerated.Earlier(stream.Rewind)}
	page, err := read.Result()
	for asked := int64(firstPage); err == nil; {
		if err = t.add(page, asked); err != nil || t.whole || t.looked >= tailCount {
			break
		}
		asked = min(nextPage(page), int64(tailCount-t.looked))
		page, err = client.XRevRangeN(ctx, key, "("+t.oldest.String(), t.since.String(), asked).Result()
	}
	if err != nil {
		return nil, fmt.Errorf("read the end of the stream: %w", err)
	}
	slices.Reverse(t.seen)
	return t, nil
}

// add takes a page, for which so many entries were asked.
func (t *tail) add(page []goredis.XMessage, asked int64) error {
	for _, message := range page {
		id, err := stream.ParseID(message.ID)
		if err != nil {
			return fmt.Errorf("entry %q: %w", message.ID, err)
		}
		if entry, ok := parseEntry(message.Values); ok {
			t.seen = append(t.seen, stream.Seen{ID: id, Origin: entry.origin})
		}
		t.oldest = id
	}
	t.looked += len(page)
	t.whole = int64(len(page)) < asked || t.oldest.Before(t.since)
	return nil
}

// nextPage returns how many entries to ask for behind a page that has some, so that they are about pageBytes.
func nextPage(page []goredis.XMessage) int64 {
	size := 1
	for _, message := range page {
		for _, value := range message.Values {
			if text, ok := value.(string); ok {
				size += len(text)
			}
		}
	}
	return int64(min(max(len(page)*pageBytes/size, 1), longestPage))
}
