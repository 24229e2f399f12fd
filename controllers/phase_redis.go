package controllers

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/controllers/children"
)

// keepRedis does what the plan for a Redis of several servers says. It comes before all other steps, and whatever they may find wrong:
// a spec that cannot be carried out is no reason to leave chats without their primary.
func (r *Reconciler) keepRedis(ctx context.Context, s *scope) {
	view := s.facts.replicated
	if view == nil {
		holdRedis(s)
		r.freeRedis(ctx, s)
		return
	}
	s.wanted.RedisServers, s.wanted.RedisSentinels = bounded(view.outcome.Servers), bounded(view.outcome.Sentinels)
	var reasons []string
	for _, step := range view.outcome.Steps {
		if err := view.hands.Carry(ctx, view.facts, view.wanted, step); err != nil {
			// The next plan sees what became of it.
			s.logger.Info("A step for Redis was not done", "step", step.String(), "reason", err.Error())
			continue
		}
		s.logger.Info("Did a step for Redis", "step", step.String(), "why", step.Why)
		if step.Why != "" {
			reasons = append(reasons, fmt.Sprintf("%s %s: %s", step.Action, step.Member, step.Why))
		}
	}
	if len(reasons) > 0 {
		r.event(s, corev1.EventTypeNormal, "RedisChanged", "%s", strings.Join(reasons, "; "))
	}
	if view.outcome.Status.FailedOver {
		r.event(s, corev1.EventTypeNormal, "FailedOver", "the primaries of Redis are %s now", strings.Join(primaries(view.outcome.Status), ", "))
	}
	for _, name := range view.outcome.Replace {
		if err := r.replacePod(ctx, s, name); err != nil {
			s.fail("replace a pod of Redis", err)
		}
	}
}

// holdRedis keeps as many servers as there are while it cannot be told which of them may go.
func holdRedis(s *scope) {
	if !s.wanted.Replicated() {
		return
	}
	present := int32(0)
	for _, set := range s.facts.redisSets {
		present += ptr.Deref(set.Spec.Replicas, 0)
	}
	s.wanted.RedisServers = max(present, children.RedisServers(s.cluster.Spec.Redis))
	if sentinel := s.cluster.Spec.Redis.Sentinel; sentinel != nil && s.facts.sentinels != nil {
		s.wanted.RedisSentinels = max(ptr.Deref(s.facts.sentinels.Spec.Replicas, 0), sentinel.Sentinels)
	}
}

// freeRedis replaces the pod of the one Redis server if it cannot start as it was made and is to be otherwise now: Kubernetes replaces a
// pod of a StatefulSet only once it was ready (kubernetes#67250), so a spec that was corrected would not help.
func (r *Reconciler) freeRedis(ctx context.Context, s *scope) {
	set := s.facts.redisSets[children.RedisName(s.cluster.Name)]
	if s.wanted.Replicated() || set == nil {
		return
	}
	for _, pod := range s.facts.redisPods {
		if !failing(pod) || !outdated(pod, set) {
			continue
		}
		if err := r.replacePod(ctx, s, pod.Name); err != nil {
			s.fail("replace the pod of Redis", err)
		}
	}
}

// replacePod deletes a pod, for its StatefulSet to make it again by the template that it has now.
func (r *Reconciler) replacePod(ctx context.Context, s *scope, name string) error {
	pods := slices.Concat(s.facts.redisPods, s.facts.sentinelPods)
	at := slices.IndexFunc(pods, func(pod *corev1.Pod) bool { return pod.Name == name })
	if at < 0 || ending(pods[at]) {
		return nil
	}
	uid := pods[at].UID
	if err := r.Client.Delete(ctx, pods[at].DeepCopy(), client.Preconditions{UID: &uid}); err != nil {
		return client.IgnoreNotFound(err)
	}
	r.event(s, corev1.EventTypeNormal, "Replaced", "Pod %s is made again as the spec says now", name)
	return nil
}

// bounded is a number of pods.
func bounded(count int) int32 { return int32(min(max(count, 0), math.MaxInt32)) }
