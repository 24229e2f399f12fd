package stream

// Cursor is a reader's place in one stream, and its memory of what it has taken. It is not for concurrent use.
type Cursor struct {
	position ID
	// floor is where the memory begins: a rewind does not go further back.
	floor ID
	// index counts the entries up to position that there ever were; it is known once the reader has read to the end.
	index   uint64
	indexed bool
	// explained is how many numbers may be missing because of trimming that was counted already.
	explained uint64
	marks     map[string]mark
}

// mark is how far a publisher has come.
type mark struct {
	number uint64
	// at is the time of its last entry, in milliseconds by the clock of Redis.
	at uint64
}

// memory is for how long, in milliseconds by the clock of Redis, a publisher is remembered that publishes nothing.
const memory = 24 * 60 * 60 * 1000

// Seen is an entry that lies before the place where a reader begins.
type Seen struct {
	ID     ID
	Origin Origin
}

// NewCursor begins at the end of a stream. The tail is the end of what is there already, oldest first: whole means that
// nothing of the last Rewind is missing from it. What it holds counts as taken.
func NewCursor(info Info, tail []Seen, whole bool) *Cursor {
	c := &Cursor{
		position: info.LastGenerated, floor: info.LastGenerated.Earlier(Rewind),
		index: info.Added, indexed: true, marks: make(map[string]mark),
	}
	if !whole {
		c.floor = info.LastGenerated
		if len(tail) > 0 {
			c.floor = tail[0].ID
		}
	}
	for _, seen := range tail {
		c.remember(seen.ID, seen.Origin)
	}
	return c
}

// Position is the id of the last entry that was taken: what comes is behind it.
func (c *Cursor) Position() ID { return c.position }

// Lag is how many entries the reader is behind, once it has read to the end for the first time.
func (c *Cursor) Lag(info Info) uint64 {
	if !c.indexed {
		return 0
	}
	return info.Added - min(c.index, info.Added)
}

// NewHistory goes back as far as another Redis than before may differ from the one that was read so far. It returns how
// many entries that one trimmed that were never read.
func (c *Cursor) NewHistory(info Info) (missed uint64) {
	missed = c.Look(info)
	end := c.position
	if info.LastGenerated.Before(end) {
		end = info.LastGenerated
	}
	back := end.Earlier(Rewind)
	if back.Before(c.floor) {
		back = c.floor
	}
	// The floor itself may not be there any more: the end of what is there is never skipped.
	if end.Before(back) {
		back = end.Earlier(Rewind)
	}
	c.position, c.indexed, c.explained = back, false, missed
	return missed
}

// Look compares the place with what Redis says of the stream at the same moment and returns how many entries were
// trimmed that were never read.
func (c *Cursor) Look(info Info) (missed uint64) {
	if !c.indexed {
		return 0
	}
	if info.Added < c.index { // the stream was deleted and began anew
		c.index = info.trimmed()
		return 0
	}
	trimmed := info.trimmed()
	if trimmed <= c.index {
		return 0
	}
	missed = trimmed - c.index
	c.index = trimmed
	c.explained += missed
	return missed
}

// Take moves behind an entry. It tells whether to deliver it, which is so unless it was taken before, and how many
// entries of the same publisher never came and were not counted by Look.
func (c *Cursor) Take(id ID, origin Origin) (deliver bool, missed uint64) {
	c.position = id
	if c.indexed {
		c.index++
	}
	last, known := c.marks[origin.Publisher]
	if known && origin.Number <= last.number {
		return false, 0
	}
	c.remember(id, origin)
	if !known {
		return true, 0
	}
	missed = origin.Number - last.number - 1
	explained := min(missed, c.explained)
	c.explained -= explained
	return true, missed - explained
}

// Skip moves behind an entry that cannot be read.
func (c *Cursor) Skip(id ID) {
	c.position = id
	if c.indexed {
		c.index++
	}
}

// AtEnd says that the reader has read all that there was when Redis said info.
func (c *Cursor) AtEnd(info Info) {
	c.index, c.indexed, c.explained = info.Added, true, 0
	for publisher, mark := range c.marks {
		if mark.at+memory < info.LastGenerated.Milliseconds {
			delete(c.marks, publisher)
		}
	}
}

func (c *Cursor) remember(id ID, origin Origin) {
	if last, known := c.marks[origin.Publisher]; !known || origin.Number > last.number {
		c.marks[origin.Publisher] = mark{number: origin.Number, at: id.Milliseconds}
	}
}
