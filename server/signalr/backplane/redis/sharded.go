package redis

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// sharded is the carrier on sharded publish/subscribe: a link to each primary, and each channel on the link to the one that
// serves its slot. It follows slots and primaries that move: go-redis does not.
type sharded struct {
	place   topology
	open    func(address string) opener
	options Options
	table   *subscriptions
	status  *status
	// finding is down until the primaries have been found once.
	finding *leg
	// stale asks for another look at who serves what.
	stale chan struct{}
	// found is what was found last. Only run touches it.
	found []shard

	// mutex guards what follows.
	mutex  sync.Mutex
	shards map[string]*shardLink
	// slots are the links by slot; nil where nobody serves.
	slots [slotCount]*shardLink
	// arranged is closed, and replaced, when slots may have changed.
	arranged chan struct{}
	closed   bool
}

// shardLink is the link to one primary.
type shardLink struct {
	link *link
	part *part
	// stop ends the link and waits for it.
	stop func()
}

func newSharded(place topology, open func(address string) opener, options Options, table *subscriptions, status *status) *sharded {
	s := &sharded{
		place: place, open: open, options: options, table: table, status: status,
		finding: status.leg(publishing), stale: make(chan struct{}, 1),
		shards: make(map[string]*shardLink), arranged: make(chan struct{}),
	}
	table.arrange(func(int) *part { return nil })
	return s
}

// findPause is the least time between two looks at who serves what.
const findPause = 100 * time.Millisecond

func (s *sharded) run(ctx context.Context) {
	defer s.close()
	ticker := time.NewTicker(s.options.HealthCheckInterval)
	defer ticker.Stop()
	var retry retry
	asked := true
	for ctx.Err() == nil {
		if err := s.find(ctx, asked); err != nil && ctx.Err() == nil {
			if s.empty() {
				s.finding.fall(err)
			}
			retry.wait(ctx)
			continue
		}
		retry.connected()
		if pause(ctx, findPause) != nil {
			return
		}
		select {
		case <-s.stale:
			asked = true
		case <-ticker.C:
			asked = false
		case <-ctx.Done():
		}
	}
}

func (s *sharded) empty() bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return len(s.shards) == 0
}

// find asks who serves what and makes it so. Unless somebody has asked for it, nothing is done when all is as it was.
func (s *sharded) find(ctx context.Context, asked bool) error {
	limited, cancel := context.WithTimeout(ctx, s.options.PublishTimeout)
	defer cancel()
	shards, err := s.place.shards(limited)
	if err != nil {
		return err
	}
	if asked || !reflect.DeepEqual(shards, s.found) {
		for _, former := range s.arrange(ctx, shards) {
			former.stop()
		}
		s.found = shards
	}
	s.finding.rise()
	return nil
}

// arrange links to the primaries that are new, and returns the links to those that are none any more.
func (s *sharded) arrange(ctx context.Context, shards []shard) (former []*shardLink) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	present := make(map[string]*shardLink, len(shards))
	s.slots = [slotCount]*shardLink{}
	for _, shard := range shards {
		linked := s.shards[shard.address]
		if linked == nil {
			linked = s.connect(ctx, shard.address)
		}
		present[shard.address] = linked
		for _, slots := range shard.slots {
			for slot := max(slots.first, 0); slot <= min(slots.last, slotCount-1); slot++ {
				s.slots[slot] = linked
			}
		}
	}
	for address, linked := range s.shards {
		if present[address] == nil {
			former = append(former, linked)
		}
	}
	s.shards = present
	slots := s.slots
	s.table.arrange(func(slot int) *part {
		if linked := slots[slot]; linked != nil {
			return linked.part
		}
		return nil
	})
	close(s.arranged)
	s.arranged = make(chan struct{})
	return former
}

func (s *sharded) connect(ctx context.Context, address string) *shardLink {
	ctx, cancel := context.WithCancel(ctx)
	linked := &shardLink{part: s.table.newPart()}
	linked.link = newLink(s.open(address), s.options, linked.part, s.status)
	linked.link.subscriber.moved = func(elsewhere redirect) {
		elsewhere.tell(s.place, address)
		signal(s.stale)
	}
	lost := linked.link.subscriber.lost
	linked.link.subscriber.lost = func() {
		lost()
		signal(s.stale)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		linked.link.run(ctx)
	}()
	linked.stop = func() {
		cancel()
		<-ended
		linked.link.publisher.leg.remove()
		linked.link.subscriber.leg.remove()
	}
	return linked
}

func (s *sharded) close() {
	s.mutex.Lock()
	s.closed = true
	links := slices.Collect(maps.Values(s.shards))
	s.mutex.Unlock()
	for _, linked := range links {
		linked.stop()
	}
}

// serving returns the link for a channel, and what is closed when it may have changed.
func (s *sharded) serving(channel string) (linked *shardLink, arranged <-chan struct{}, closed bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.slots[slotOf(channel)], s.arranged, s.closed
}

// publish tries again, within its bound, where nothing was published: the slot has moved, or its primary is another now.
func (s *sharded) publish(ctx context.Context, channel string, payload []byte) (receivers int64, err error) {
	if linked, _, _ := s.serving(channel); linked != nil {
		receivers, err = linked.link.publish(ctx, channel, payload)
		if err == nil || !isElsewhere(err) {
			return receivers, err
		}
	}
	return s.publishWhenArranged(ctx, channel, payload, err)
}

func (s *sharded) publishWhenArranged(ctx context.Context, channel string, payload []byte, reason error) (int64, error) {
	limited, cancel := context.WithTimeoutCause(ctx, s.options.PublishTimeout, errPublishTimeout)
	defer cancel()
	for {
		_, arranged, closed := s.serving(channel)
		if closed {
			return 0, backplane.ErrClosed
		}
		signal(s.stale)
		select {
		case <-arranged:
		case <-limited.Done():
			if cause := context.Cause(limited); !errors.Is(cause, errPublishTimeout) {
				return 0, fmt.Errorf("wait for Redis: %w", cause)
			}
			return 0, s.unserved(reason)
		}
		linked, _, _ := s.serving(channel)
		if linked == nil {
			continue
		}
		receivers, err := linked.link.publish(limited, channel, payload)
		if err == nil || !isElsewhere(err) {
			return receivers, err
		}
		reason = err
	}
}

// order names the processes that serve the slots: two servers that know the same ones hear each channel from the same.
func (s *sharded) order() string {
	s.mutex.Lock()
	slots := s.slots
	s.mutex.Unlock()
	var served strings.Builder
	var before *shardLink
	for slot, linked := range slots {
		if linked == nil {
			return ""
		}
		if linked == before {
			continue
		}
		process := linked.part.source()
		if process == "" {
			return ""
		}
		fmt.Fprintf(&served, "from %d %s\n", slot, process)
		before = linked
	}
	digest := sha256.Sum256([]byte(served.String()))
	return hex.EncodeToString(digest[:])
}

// unserved explains why no primary could be found for a channel.
func (s *sharded) unserved(reason error) error {
	text := s.status.reason()
	if reason != nil {
		text = reason.Error()
	}
	return fmt.Errorf("no primary of redis at %s took the message within %s (%s): %w",
		s.status.address, s.options.PublishTimeout, text, backplane.ErrUnavailable)
}

// isElsewhere tells an error after which nothing was published, and another server may take it. A link that was stopped
// says that it is closed.
func isElsewhere(err error) bool { return isPassing(err) || errors.Is(err, backplane.ErrClosed) }

// misplaced makes the carrier look who serves a slot now.
func (s *subscriber) misplaced(elsewhere redirect) {
	s.part.misplaced(elsewhere.slot)
	s.moved(elsewhere)
}

// sendSharded writes a command for each channel, all at once: one command cannot name channels of several slots.
// go-redis's own SSubscribe would write each of them by itself.
func sendSharded(conn net.Conn, subscribe, unsubscribe []string) error {
	var buffer bytes.Buffer
	appendCommands(&buffer, "SUNSUBSCRIBE", unsubscribe)
	appendCommands(&buffer, "SSUBSCRIBE", subscribe)
	if buffer.Len() == 0 {
		return nil
	}
	if err := conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if _, err := conn.Write(buffer.Bytes()); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

// sendTimeout is how long Redis may take to accept commands, however many they are.
const sendTimeout = 30 * time.Second

func appendCommands(buffer *bytes.Buffer, command string, channels []string) {
	for _, channel := range channels {
		fmt.Fprintf(buffer, "*2\r\n$%d\r\n%s\r\n$%d\r\n", len(command), command, len(channel))
		buffer.WriteString(channel)
		buffer.WriteString("\r\n")
	}
}
