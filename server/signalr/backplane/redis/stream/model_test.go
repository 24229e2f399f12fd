package stream

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// entry is what the simulated Redis keeps.
type entry struct {
	id     ID
	origin Origin
	text   string
}

// fakeRedis is one stream of a Redis that may forget what nobody has made safe, and trims.
type fakeRedis struct {
	clock   uint64
	run     int
	entries []entry
	last    ID
	added   uint64
	// safe is how many of all entries that ever were survive a crash.
	safe uint64
}

func (f *fakeRedis) info() Info {
	return Info{LastGenerated: f.last, Added: f.added, Length: uint64(len(f.entries))}
}

func (f *fakeRedis) append(origin Origin, text string) {
	id := ID{Milliseconds: f.clock}
	if !f.last.Before(id) {
		id = ID{f.last.Milliseconds, f.last.Sequence + 1}
	}
	f.last, f.added = id, f.added+1
	f.entries = append(f.entries, entry{id, origin, text})
}

func (f *fakeRedis) after(position ID, most int) []entry {
	var result []entry
	for _, entry := range f.entries {
		if position.Before(entry.id) && len(result) < most {
			result = append(result, entry)
		}
	}
	return result
}

// crash forgets the end of the stream down to what is safe, and comes back with a clock that is off.
func (f *fakeRedis) crash(forget, clock uint64) {
	forget = min(forget, f.added-f.safe, uint64(len(f.entries)))
	f.entries = f.entries[:uint64(len(f.entries))-forget]
	f.added -= forget
	f.last = ID{}
	if len(f.entries) > 0 {
		f.last = f.entries[len(f.entries)-1].id
	}
	f.run, f.clock = f.run+1, clock
}

// fakePublisher sends texts that say what they are.
type fakePublisher struct {
	name     string
	outbox   *Outbox
	run      int
	written  int
	accepted []string
}

func (p *fakePublisher) publish() {
	p.written++
	text := fmt.Sprintf("%s/%d", p.name, p.written)
	p.outbox.Add(&Item{Stream: "s", Payload: []byte(text), Settle: func(err error) {
		if err == nil {
			p.accepted = append(p.accepted, text)
		}
	}})
}

// fakeReader follows the stream and keeps what it delivers.
type fakeReader struct {
	cursor    *Cursor
	run       int
	delivered []string
	missed    uint64
}

func newFakeReader(redis *fakeRedis) *fakeReader {
	var tail []Seen
	for _, entry := range redis.entries {
		tail = append(tail, Seen{entry.id, entry.origin})
	}
	return &fakeReader{cursor: NewCursor(redis.info(), tail, true), run: redis.run}
}

func (r *fakeReader) read(redis *fakeRedis, most int) {
	if r.run != redis.run {
		r.missed += r.cursor.NewHistory(redis.info())
		r.run = redis.run
	}
	info := redis.info()
	r.missed += r.cursor.Look(info)
	found := redis.after(r.cursor.Position(), most)
	for _, entry := range found {
		deliver, missed := r.cursor.Take(entry.id, entry.origin)
		r.missed += missed
		if deliver {
			r.delivered = append(r.delivered, entry.text)
		}
	}
	if len(found) < most {
		r.cursor.AtEnd(info)
	}
}

// world is publishers and readers around one Redis.
type world struct {
	redis      *fakeRedis
	publishers []*fakePublisher
	readers    []*fakeReader
}

func newWorld() *world {
	w := &world{redis: &fakeRedis{clock: 1_000_000}}
	for _, name := range []string{"a", "b"} {
		w.publishers = append(w.publishers, &fakePublisher{name: name, outbox: NewOutbox(1 << 20)})
	}
	w.readers = append(w.readers, newFakeReader(w.redis), newFakeReader(w.redis))
	return w
}

var errLate = errors.New("refused")

// exchange lets a publisher send one batch. How says what happens to it.
func (w *world) exchange(p *fakePublisher, how string) {
	if p.run != w.redis.run {
		p.outbox.Reconnect(true)
		p.run = w.redis.run
	}
	batch := p.outbox.Next(3, 1<<20)
	if len(batch) == 0 {
		return
	}
	if how == "refuse" {
		p.outbox.Refuse(batch, errLate)
		return
	}
	if how != "lost on the way" {
		for _, item := range batch {
			w.redis.append(Origin{p.name, item.Number()}, string(item.Payload))
		}
	}
	if how == "taken" {
		p.outbox.Accept(batch, time.Time{})
	} else {
		p.outbox.Reconnect(false)
	}
}

// secure makes all that is in Redis survive, and tells a publisher.
func (w *world) secure(p *fakePublisher) {
	if p.run == w.redis.run {
		w.redis.safe = w.redis.added
		p.outbox.Safe(p.outbox.Accepted())
	}
}

func (w *world) settle() {
	for _, p := range w.publishers {
		for !p.outbox.Idle() || p.run != w.redis.run {
			w.exchange(p, "taken")
		}
	}
	for _, r := range w.readers {
		for r.run != w.redis.run || len(w.redis.after(r.cursor.Position(), 1)) > 0 {
			r.read(w.redis, 100)
		}
	}
}

// Whatever is cut, refused, repeated, forgotten and promoted, each reader gets what Redis has accepted once, in the order
// of its publisher, and nothing is said to be missing.
func TestNothingIsLostAndNothingDoubles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		somePublisher, someReader := rapid.SampledFrom(w.publishers), rapid.SampledFrom(w.readers)
		t.Repeat(map[string]func(*rapid.T){
			"publish": func(t *rapid.T) { somePublisher.Draw(t, "publisher").publish() },
			"send":    func(t *rapid.T) { w.exchange(somePublisher.Draw(t, "publisher"), "taken") },
			"break": func(t *rapid.T) {
				how := rapid.SampledFrom([]string{"lost on the way", "reply lost", "refuse"}).Draw(t, "how")
				w.exchange(somePublisher.Draw(t, "publisher"), how)
			},
			"secure": func(t *rapid.T) { w.secure(somePublisher.Draw(t, "publisher")) },
			"read":   func(t *rapid.T) { someReader.Draw(t, "reader").read(w.redis, rapid.IntRange(1, 4).Draw(t, "most")) },
			"tick":   func(*rapid.T) { w.redis.clock += 1000 },
			"crash": func(t *rapid.T) {
				off := rapid.IntRange(-20_000, 20_000).Draw(t, "clock")
				w.redis.crash(uint64(rapid.IntRange(0, 5).Draw(t, "forget")), uint64(int(w.redis.clock)+off))
			},
		})
		w.settle()
		for at, reader := range w.readers {
			if reader.missed != 0 {
				t.Errorf("reader %d misses %d", at, reader.missed)
			}
			for _, publisher := range w.publishers {
				got := ofPublisher(reader.delivered, publisher.name)
				if !slices.Equal(got, publisher.accepted) {
					t.Errorf("reader %d got %v, accepted were %v", at, got, publisher.accepted)
				}
			}
		}
	})
}

func ofPublisher(texts []string, name string) []string {
	var result []string
	for _, text := range texts {
		if text[:1] == name {
			result = append(result, text)
		}
	}
	return result
}

// What was trimmed before it was read is counted, once, however it is found.
func TestTrimmedIsCounted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		reader, publisher := w.readers[0], w.publishers[0]
		for range rapid.IntRange(1, 20).Draw(t, "rounds") {
			for range rapid.IntRange(1, 8).Draw(t, "messages") {
				publisher.publish()
				w.exchange(publisher, "taken")
			}
			for range rapid.IntRange(0, 3).Draw(t, "reads") {
				reader.read(w.redis, 3)
			}
			if keep := rapid.IntRange(1, 10).Draw(t, "keep"); len(w.redis.entries) > keep {
				w.redis.entries = w.redis.entries[len(w.redis.entries)-keep:]
			}
		}
		w.settle()
		reader.read(w.redis, 100)
		if got := uint64(len(reader.delivered)) + reader.missed; got != uint64(len(publisher.accepted)) {
			t.Errorf("%d delivered and %d missed of %d", len(reader.delivered), reader.missed, len(publisher.accepted))
		}
	})
}

// A new primary whose data, or clock, are far behind: the reader goes back to where that one is.
func TestNewHistoryBeginsWhereTheNewPrimaryIs(t *testing.T) {
	const minute = 60_000
	start := NewCursor(Info{LastGenerated: ID{minute, 0}, Added: 1}, nil, true)
	start.Take(ID{10 * minute, 0}, Origin{"a", 1})
	start.NewHistory(Info{LastGenerated: ID{5 * minute, 3}, Added: 1, Length: 1})
	if want := (ID{5*minute - 30_000, 0}); start.Position() != want {
		t.Errorf("reads from %s, want %s", start.Position(), want)
	}
	start.NewHistory(Info{})
	if (start.Position() != ID{}) {
		t.Errorf("reads from %s of a Redis that has forgotten everything", start.Position())
	}
}

// A reader that has just begun does not go back to what was there before it began.
func TestNewHistoryDoesNotGoBehindTheBeginning(t *testing.T) {
	tail := []Seen{{ID{100_000, 0}, Origin{"a", 7}}, {ID{101_000, 0}, Origin{"a", 8}}}
	c := NewCursor(Info{LastGenerated: ID{101_000, 0}, Added: 50, Length: 50}, tail, false)
	c.NewHistory(Info{LastGenerated: ID{101_000, 0}, Added: 50, Length: 50})
	if want := (ID{100_000, 0}); c.Position() != want {
		t.Errorf("reads from %s, want %s", c.Position(), want)
	}
	if deliver, _ := c.Take(ID{101_000, 0}, Origin{"a", 8}); deliver {
		t.Error("delivers what was there before")
	}
}
