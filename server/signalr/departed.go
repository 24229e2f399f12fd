package signalr

import (
	"slices"
	"sync"
	"time"
)

// stay is the part of the order of group commands in which a connection was this server's: from the fence of the move by which it
// came to that of the move by which it left, counted as backplane.FencesBefore does.
type stay struct {
	from, to uint64
	until    time.Time
}

// departedLife is how long a stay is remembered after its end. Group commands take no longer.
const departedLife = time.Minute

// departed remembers the connections that have gone to other servers. A group command of such a stay may be looked at only after
// its end; nobody else carries it out.
type departed struct {
	// mu guards what follows.
	mu     sync.Mutex
	stays  map[string][]stay
	pruned time.Time
}

// add notes the end of a stay.
func (d *departed) add(connectionID string, from, to uint64) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Sub(d.pruned) > departedLife {
		d.pruned = now
		for id, left := range d.stays {
			if left = slices.DeleteFunc(left, func(s stay) bool { return now.After(s.until) }); len(left) > 0 {
				d.stays[id] = left
			} else {
				delete(d.stays, id)
			}
		}
	}
	if d.stays == nil {
		d.stays = make(map[string][]stay)
	}
	d.stays[connectionID] = append(d.stays[connectionID], stay{from, to, now.Add(departedLife)})
}

// covers tells whether the connection was this server's when a command came.
func (d *departed) covers(connectionID string, at uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.stays[connectionID], func(s stay) bool { return s.from <= at && at < s.to })
}
