package redis

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// seeds is the topology of a server that stands alone, of a primary with its replicas, or of a Cluster: which of them, the
// servers say.
type seeds struct {
	addresses []string
	ask       prober

	// mutex guards what follows.
	mutex sync.Mutex
	// nodes are the primaries that a Cluster had when it was last asked. They are asked too: all nodes that the user knew may
	// have been replaced.
	nodes []string
	// preferred is the server that was last named in the place of another, and until when it is asked first.
	preferred string
	until     time.Time
}

func (s *seeds) String() string { return strings.Join(s.addresses, ",") }

// maxSeeds bounds how many servers are asked at once.
const maxSeeds = 64

// shards asks all servers at the same time and believes the first in their order that is a primary or a node of a
// Cluster: servers with the same list find the same primary.
func (s *seeds) shards(ctx context.Context) ([]shard, error) {
	ctx, cancel := context.WithCancel(ctx)
	candidates := s.candidates()
	answers, wait := s.askAll(ctx, candidates)
	defer wait()
	defer cancel()
	best := firstGood(answers, cap(answers))
	if best.err == nil {
		s.remember(best, candidates[0])
	}
	return best.shards, best.err
}

// firstGood returns the first good answer in the order of servers, or the error that says most. All nodes of a Cluster know
// the same: once one has answered, those before it are not waited for much longer.
func firstGood(answers <-chan shardsAnswer, servers int) shardsAnswer {
	got := make([]*shardsAnswer, servers)
	var enough <-chan time.Time
	for {
		best, undecided := firstOf(got)
		if !undecided {
			return best
		}
		select {
		case one := <-answers:
			got[one.server] = &one
			if len(one.shards) > 1 && enough == nil {
				enough = time.After(stragglers)
			}
		case <-enough:
			best, _ = firstOf(slices.DeleteFunc(got, func(one *shardsAnswer) bool { return one == nil }))
			return best
		}
	}
}

// firstOf returns the first good answer, or the error that says most. It is undecided while one before that is missing.
func firstOf(got []*shardsAnswer) (best shardsAnswer, undecided bool) {
	for _, one := range got {
		switch {
		case one == nil:
			return best, true
		case one.err == nil:
			return *one, false
		case best.err == nil || !isPeerRefusal(best.err) && isPeerRefusal(one.err):
			best.err = one.err
		}
	}
	return best, false
}

// isPeerRefusal tells what a server said from servers that said nothing: it is the better reason to give.
func isPeerRefusal(err error) bool {
	return isRefusal(err) || errors.Is(err, errIsReplica) || errors.Is(err, errIsSentinel)
}

// shardsAnswer is what a server says; server is its place in the list.
type shardsAnswer struct {
	server int
	shards []shard
	err    error
}

// askAll returns the answers of all servers as they come, and how to wait for the end of asking.
func (s *seeds) askAll(ctx context.Context, candidates []string) (answers chan shardsAnswer, wait func()) {
	var asking sync.WaitGroup
	answers = make(chan shardsAnswer, len(candidates))
	for at, address := range candidates {
		asking.Go(func() {
			shards, err := describe(ctx, s.ask, address)
			answers <- shardsAnswer{at, shards, err}
		})
	}
	return answers, asking.Wait
}

func (s *seeds) candidates() []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if time.Now().After(s.until) {
		s.preferred = ""
	}
	candidates := make([]string, 0, max(maxSeeds, len(s.addresses))+1)
	if s.preferred != "" {
		candidates = append(candidates, s.preferred)
	}
	for _, address := range slices.Concat(s.addresses, s.nodes) {
		if len(candidates) < cap(candidates) && !slices.Contains(candidates, address) {
			candidates = append(candidates, address)
		}
	}
	return candidates
}

// preference is how long the others have to learn what the preferred server knows. After that it may be the one that is
// behind, cut off from them; while it is needed it is named again.
const preference = time.Minute

// prefer implements topology. A node that is behind may answer for long, and would be believed for being the first.
func (s *seeds) prefer(address string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.preferred, s.until = address, time.Now().Add(preference)
}

func (s *seeds) remember(best shardsAnswer, first string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if best.server > 0 && s.preferred == first {
		s.preferred = "" // it is gone: to wait for it each time would take long
	}
	s.nodes = s.nodes[:0]
	if len(best.shards) < 2 {
		return
	}
	for _, shard := range best.shards {
		s.nodes = append(s.nodes, shard.address)
	}
}
