package redis

import (
	"context"
	"fmt"
)

// topology knows the Redis servers that take writes. It is asked before every connection, so that a connection goes to
// where the data is now, not to where it once was.
type topology interface {
	// shards returns the primaries and their slots as they are now; ctx bounds how long it may take to find out.
	shards(ctx context.Context) ([]shard, error)
	// prefer is told of a server that another one has named in its place: it knows of a change of which those that are asked
	// before it may not know yet.
	prefer(address string)
	// String names the place for people: addresses, never a password.
	String() string
}

// shard is a primary and the slots that it serves.
type shard struct {
	address string
	slots   []slotRange
}

// slotRange is a range of slots, both ends included.
type slotRange struct{ first, last int }

// serves tells whether slot is one of the shard's.
func (s shard) serves(slot int) bool {
	for _, slots := range s.slots {
		if slots.first <= slot && slot <= slots.last {
			return true
		}
	}
	return false
}

// wholeShard is a primary that serves all slots.
func wholeShard(address string) shard {
	return shard{address: address, slots: []slotRange{{0, slotCount - 1}}}
}

// locate returns the address of the primary that serves slot.
func locate(ctx context.Context, place topology, slot int) (string, error) {
	shards, err := place.shards(ctx)
	if err != nil {
		return "", err
	}
	for _, shard := range shards {
		if shard.serves(slot) {
			return shard.address, nil
		}
	}
	return "", fmt.Errorf("no primary of %s serves slot %d", place, slot)
}
