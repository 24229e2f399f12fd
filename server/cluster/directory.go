package cluster

import (
	"context"
	"errors"
	"time"
)

// Peer is a server as others know it.
type Peer struct {
	// Instance is a random id of the process: a server that has restarted is another one.
	Instance string
	// Address is host:port of its peer listener.
	Address string
}

// Entry is what the directory says of one connection. The zero value is no entry.
type Entry struct {
	// Owner is the server that holds the connection's state.
	Owner Peer
	// Epoch rises with each owner that the connection gets, from 1 on. It tells news from what is out of date.
	Epoch int64
	// Ended marks a tombstone: nobody may own the connection any more.
	Ended bool
}

// exists tells an entry from none.
func (e Entry) exists() bool { return e.Ended || e.Epoch > 0 }

// claimed is the entry of a connection that nobody owned.
func claimed(by Peer) Entry { return Entry{Owner: by, Epoch: 1} }

// ended is the tombstone of a connection.
func ended() Entry { return Entry{Ended: true} }

// Change replaces one entry by another, if it is the one that is expected.
type Change struct {
	ConnectionID string
	// From is what must be there; the zero value for nothing.
	From Entry
	To   Entry
	// OrAbsent allows that nothing is there any more.
	OrAbsent bool
}

// applies tells whether the change may be made to what is present.
func (c Change) applies(present Entry) bool {
	return present == c.From || c.OrAbsent && !present.exists()
}

// Holding is a connection that a server owns.
type Holding struct {
	ConnectionID string
	Epoch        int64
}

// asserts tells whether an owner may write its entry over what is present: over nothing, itself, and what is older.
func (h Holding) asserts(present Entry, owner Peer) bool {
	return !present.exists() || present == Entry{Owner: owner, Epoch: h.Epoch} || !present.Ended && present.Epoch < h.Epoch
}

// Result is what has become of one of several entries that were to be written: they fail one by one.
type Result struct {
	// Entry is what is in force.
	Entry Entry
	// Written tells that it was written now: the same may have been there before.
	Written bool
	// Err says why that is not known. It is ErrUnreadable if nobody will know.
	Err error
}

// ErrUnreadable says that what the directory has in place of an entry is none, or one of another version.
var ErrUnreadable = errors.New("what is in the directory is no entry")

// mayPass tells whether it may help to try again.
func (r Result) mayPass() bool { return r.Err != nil && !errors.Is(r.Err, ErrUnreadable) }

// swap makes one change and returns what is in force after it.
func swap(ctx context.Context, directory Directory, change Change) (Entry, error) {
	result := directory.Swap(ctx, change)[0]
	return result.Entry, result.Err
}

// Directory is where all servers look up who owns a connection, and which servers there are. Each entry changes
// atomically, for itself; there is no order between entries. Every method fails if the directory cannot be reached or
// ctx ends; what it was to write may have been written then.
type Directory interface {
	// Find returns the entry of a connection.
	Find(ctx context.Context, connectionID string) (Entry, error)
	// Swap makes changes and returns what is in force after each.
	Swap(ctx context.Context, changes ...Change) []Result
	// Assert writes the entries of a server that the directory has lost, prolongs those that it has, and returns what is
	// in force for each. It does not touch a tombstone or a later entry.
	Assert(ctx context.Context, owner Peer, holdings ...Holding) []Result
	// Renew shows for LivenessTimeout that a server lives and what it carries, and returns all that live, itself included.
	Renew(ctx context.Context, self Peer, load Load) ([]Server, error)
	// Leave takes a server out at once.
	Leave(ctx context.Context, self Peer) error
	// Alive tells whether a server has been renewed in time.
	Alive(ctx context.Context, instance string) (bool, error)
}

// The lives of what is in the directory.
const (
	// LivenessTimeout is how long a server counts as alive after it was last renewed, RenewInterval how often that is done.
	LivenessTimeout = 10 * time.Second
	RenewInterval   = 3 * time.Second
	// entryLife is how long an entry stays without being asserted. It is not how long a connection may live: owners assert
	// theirs every assertInterval. So what a dead server leaves is gone soon.
	entryLife      = 5 * time.Minute
	assertInterval = 100 * time.Second
	// retryInterval is how often it is tried again to write what could not be written.
	retryInterval = time.Second
	// tombstoneLife is longer than an unused token can be claimed, clocks that are apart included.
	tombstoneLife = 90 * time.Second
)

// life is how long an entry stays.
func (e Entry) life() time.Duration {
	if e.Ended {
		return tombstoneLife
	}
	return entryLife
}
