// Package stream holds the rules by which messages go through capped Redis streams so that every reader takes each of
// them once, in the order of its publisher, whatever happens to connections and to Redis. It does no I/O.
//
// Redis may forget entries that it has acknowledged: a crash loses what was not yet on disk, a fail-over what no replica
// had. So every entry carries its publisher and a number that counts up per publisher and stream. A publisher (Outbox)
// keeps what is not yet safe and sends it again, in order, when it finds another Redis than before; a reader (Cursor)
// drops what it has taken before, and sees by the numbers, and by what Redis says of its trimming, when something is gone.
package stream

import "time"

// Rewind is how far a reader goes back when it finds another Redis than before. What a new primary was given before the
// reader came may lie before the reader's position, if the clock of the new primary is behind or its data were; it lies
// behind the last entry that both had, and replicas are seconds behind, not half a minute.
const Rewind = 30 * time.Second

// Info is what Redis says of a stream. The zero Info is that of a stream that does not exist.
type Info struct {
	// LastGenerated is the id of the last entry that there ever was.
	LastGenerated ID
	// Added counts the entries that there ever were, Length those that are left.
	Added, Length uint64
}

// trimmed counts the entries that are gone. Nothing but trimming, of the oldest first, removes any.
func (i Info) trimmed() uint64 { return i.Added - min(i.Length, i.Added) }

// Origin says who published an entry, and which of its entries for that stream it is, from 1 on.
type Origin struct {
	Publisher string
	Number    uint64
}
