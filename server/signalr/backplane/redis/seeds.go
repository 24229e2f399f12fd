package redis

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
)

// seeds is the topology of a server that stands alone, of a primary with its replicas, or of a Cluster: which of them, the
// servers say.
type seeds struct {
	addresses []string
	ask       prober

	// mutex guards nodes, the primaries that a Cluster had when it was last asked. They are asked too: all nodes
	// that the user knew may have been replaced.
	mutex sync.Mutex
	nodes []string
}

func (s *seeds) String() string { return strings.Join(s.addresses, ",") }

// maxSeeds bounds how many servers are asked at once.
const maxSeeds = 64

// shards asks all servers at the same time and believes the first in their order that is a primary or a node of a
// Cluster: servers with the same list find the same primary.
func (s *seeds) shards(ctx context.Context) ([]shard, error) {
	ctx, cancel := context.WithCancel(ctx)
	answers, wait := s.askAll(ctx)
	defer wait()
	defer cancel()
	var first error
	for _, answer := range answers {
		got := <-answer
		if got.err == nil {
			s.remember(got.shards)
			return got.shards, nil
		}
		if first == nil || !isPeerRefusal(first) && isPeerRefusal(got.err) {
			first = got.err
		}
	}
	return nil, first
}

// isPeerRefusal tells what a server said from servers that said nothing: it is the better reason to give.
func isPeerRefusal(err error) bool {
	return isRefusal(err) || errors.Is(err, errIsReplica) || errors.Is(err, errIsSentinel)
}

type shardsAnswer struct {
	shards []shard
	err    error
}

// askAll returns the answers of all servers as they come, and how to wait for the end of asking.
func (s *seeds) askAll(ctx context.Context) (answers []<-chan shardsAnswer, wait func()) {
	var asking sync.WaitGroup
	for _, address := range s.candidates() {
		answer := make(chan shardsAnswer, 1)
		answers = append(answers, answer)
		asking.Go(func() {
			shards, err := describe(ctx, s.ask, address)
			answer <- shardsAnswer{shards, err}
		})
	}
	return answers, asking.Wait
}

func (s *seeds) candidates() []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	candidates := slices.Clone(s.addresses)
	for _, node := range s.nodes {
		if len(candidates) < maxSeeds && !slices.Contains(candidates, node) {
			candidates = append(candidates, node)
		}
	}
	return candidates
}

func (s *seeds) remember(shards []shard) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.nodes = s.nodes[:0]
	if len(shards) < 2 {
		return
	}
	for _, shard := range shards {
		s.nodes = append(s.nodes, shard.address)
	}
}
