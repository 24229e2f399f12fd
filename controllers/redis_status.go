package controllers

import (
	"math"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/children"
	"github.com/chatcluster/chatcluster/controllers/redisform"
)

// shownMemory is the part of the memory by which it must differ to be written again.
const shownMemory = 0.1

// redisStatus is how a Redis of several servers is. It stays what it was while it cannot be told.
func redisStatus(s *scope) v1alpha1.RedisStatus {
	if !s.wanted.Replicated() {
		return v1alpha1.RedisStatus{}
	}
	shown, view := s.cluster.Status.Redis, s.facts.replicated
	if view == nil {
		return shown
	}
	is := view.outcome.Status
	status := v1alpha1.RedisStatus{
		Mode:           s.cluster.Spec.Redis.Mode,
		Primaries:      primaries(is),
		Replicas:       ptr.To(bounded(is.Replicas)),
		ReplicasInSync: ptr.To(bounded(is.InSync)),
		Epoch:          ptr.To(is.Epoch),
		MemoryBytes:    shownBytes(is.UsedMemory, shown.MemoryBytes),
		Version:        is.Version,
		Notes:          shown.Notes,
	}
	if notes, err := writeNotes(view.outcome.Memory); err == nil {
		status.Notes = notes
	}
	if s.cluster.Spec.Redis.Cluster != nil {
		status.Shards = ptr.To(bounded(serving(is.Shards)))
	} else {
		status.Sentinels = ptr.To(bounded(watching(view.facts, view.wanted.Name)))
	}
	return status
}

func primaries(is redisform.Status) []string {
	if is.Primary != "" {
		return []string{is.Primary}
	}
	var names []string
	for _, shard := range is.Shards {
		if shard.Primary != "" {
			names = append(names, shard.Primary)
		}
	}
	return names
}

func serving(shards []redisform.Shard) int {
	count := 0
	for _, shard := range shards {
		if shard.Primary != "" {
			count++
		}
	}
	return count
}

// watching counts the Sentinels that answer and watch the primary.
func watching(facts redisform.Facts, name string) int {
	count := 0
	for _, sentinel := range facts.Sentinels {
		watches := slices.ContainsFunc(sentinel.Monitors, func(monitor redisform.Monitor) bool { return monitor.Name == name })
		if sentinel.Reached && watches {
			count++
		}
	}
	return count
}

// shownBytes is what is shown already while it has hardly changed: a status that is written all the time is a burden to all who
// watch.
func shownBytes(is int64, shown *int64) *int64 {
	if shown != nil && math.Abs(float64(is-*shown)) < shownMemory*float64(*shown) {
		return shown
	}
	return &is
}

// replicatedReady goes by what the servers say themselves.
func replicatedReady(s *scope) verdict {
	if s.facts.replicated == nil {
		return verdict{false, v1alpha1.ReasonRedisStarting, because("Redis does not answer yet", trouble(s.redisPods()))}
	}
	is := s.facts.replicated.outcome.Status
	if is.Serving {
		return verdict{true, v1alpha1.ReasonRedisRunning, "Redis answers"}
	}
	reasons := map[redisform.Reason]string{
		redisform.Forming:        v1alpha1.ReasonRedisForming,
		redisform.WaitingForData: v1alpha1.ReasonRedisWaitingForData,
		redisform.MajorityLost:   v1alpha1.ReasonRedisMajorityLost,
		redisform.FailingOver:    v1alpha1.ReasonRedisFailingOver,
		redisform.WritesRefused:  v1alpha1.ReasonRedisWritesRefused,
	}
	reason, known := reasons[is.Reason]
	if !known {
		reason = v1alpha1.ReasonRedisStarting
	}
	return verdict{false, reason, because(is.Message, trouble(s.redisPods()))}
}

func (s *scope) redisPods() []*corev1.Pod {
	return slices.Concat(s.facts.redisPods, s.facts.sentinelPods)
}

// atRisk says what a Redis of several servers lacks though it serves; empty if nothing.
func atRisk(s *scope) string {
	if s.facts.replicated == nil {
		return ""
	}
	is := s.facts.replicated.outcome.Status
	if !is.Serving || is.Reason == redisform.Healthy {
		return ""
	}
	return because(is.Message, trouble(s.redisPods()))
}

// redisMissing tells whether not all StatefulSets of the operator's Redis have been made.
func redisMissing(s *scope) bool {
	if !s.wanted.Managed() {
		return false
	}
	if s.cluster.Spec.Redis.Sentinel != nil && s.facts.sentinels == nil {
		return true
	}
	return len(s.facts.redisSets) < len(children.RedisSets(s.wanted))
}

// replicatedStale tells whether pods of a Redis of several servers still are to come, to go or to be replaced.
func replicatedStale(s *scope) bool {
	unseen := func(set *appsv1.StatefulSet) bool {
		return set != nil && set.Generation != set.Status.ObservedGeneration
	}
	for _, set := range s.facts.redisSets {
		if unseen(set) {
			return true
		}
	}
	return unseen(s.facts.sentinels) || s.facts.replicated != nil && s.facts.replicated.outcome.Status.Changing
}
