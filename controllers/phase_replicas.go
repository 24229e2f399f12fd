package controllers

import (
	"context"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/autoscale"
	"github.com/chatcluster/chatcluster/controllers/drain"
)

// chooseReplicas takes the number of the spec, or lets the autoscaler decide, and goes there in steps that clients bear.
func (r *Reconciler) chooseReplicas(ctx context.Context, s *scope) error {
	target, because := ptr.Deref(s.cluster.Spec.Replicas, 1), ""
	if s.cluster.Spec.Autoscaling == nil {
		s.cluster.Status.Autoscaling = v1alpha1.AutoscalingStatus{}
	} else {
		target, because = r.autoscale(s)
	}
	s.target, s.wanted.Replicas = &target, target
	if s.facts.hub == nil {
		return nil
	}
	current := ptr.Deref(s.facts.hub.Spec.Replicas, 1)
	step := drain.Next(current, target, s.facts.servers(s.now))
	s.wanted.Replicas = step.Replicas
	if step.Replicas != current {
		r.tellStep(s, current, step, because)
		return nil
	}
	if len(step.Costs) > 0 {
		s.lookAgain(costsHeard)
		return r.tellCosts(ctx, s, step.Costs)
	}
	return nil
}

// costsHeard is how long it takes until the part of Kubernetes that ends pods has most likely heard what that costs. It hears of
// the number of pods by two more steps.
const costsHeard = time.Second

// autoscale returns how many hub servers there should be, and why if that is another number than before.
func (r *Reconciler) autoscale(s *scope) (target int32, because string) {
	spec := *s.cluster.Spec.Autoscaling
	input := autoscale.Input{Spec: spec, Now: s.now, Hubs: hubsOf(s.facts, s.now), EnoughSince: timeOf(s.cluster.Status.Autoscaling.EnoughSince)}
	if s.facts.hub != nil {
		input.Current = ptr.Deref(s.facts.hub.Spec.Replicas, 1)
	}
	decision := autoscale.Decide(input)
	s.cluster.Status.Autoscaling.EnoughSince = statusTime(decision.EnoughSince)
	if len(s.facts.hubs) > 0 {
		s.lookAgain(time.Duration(spec.IntervalSeconds) * time.Second)
	}
	return decision.Replicas, decision.Reason
}

// tellStep says that the number of hub servers changes now.
func (r *Reconciler) tellStep(s *scope, current int32, step drain.Step, because string) {
	switch {
	case because != "":
		s.cluster.Status.Autoscaling.LastScaleTime = statusTime(s.now)
		if step.Least != "" { // whether fewer still are enough shows when its clients are with the others
			s.cluster.Status.Autoscaling.EnoughSince = nil
		}
		r.event(s, corev1.EventTypeNormal, "Autoscaled", "from %d to %d hub servers: %s", current, step.Replicas, because)
	case step.Least != "":
		r.event(s, corev1.EventTypeNormal, "ScalingIn", "from %d to %d hub servers: %s or one with as few clients ends",
			current, step.Replicas, step.Least)
	}
}

func hubsOf(facts facts, now time.Time) []autoscale.Hub {
	hubs := make([]autoscale.Hub, 0, len(facts.hubs))
	for _, pod := range facts.hubs {
		if lost(pod, now) {
			continue
		}
		hub := autoscale.Hub{Ready: ready(pod), Ending: ending(pod), Pending: pod.Status.Phase == corev1.PodPending}
		if load, seen := facts.loads[pod.Name]; seen {
			hub.Load = &load
		}
		hubs = append(hubs, hub)
	}
	return hubs
}

// servers are the hub servers as a plan for their end sees them, those that were lost left out.
func (f facts) servers(now time.Time) []drain.Server {
	servers := make([]drain.Server, 0, len(f.hubs))
	for _, pod := range f.hubs {
		if lost(pod, now) {
			continue
		}
		server := drain.Server{Name: pod.Name, Ready: ready(pod), Ending: ending(pod)}
		if load, seen := f.loads[pod.Name]; seen {
			server.Clients = &load.Connections
		}
		if cost, err := strconv.ParseInt(pod.Annotations[corev1.PodDeletionCost], 10, 64); err == nil {
			server.Cost = &cost
		}
		servers = append(servers, server)
	}
	return servers
}

func timeOf(when *metav1.Time) time.Time {
	if when == nil {
		return time.Time{}
	}
	return when.Time
}

func statusTime(when time.Time) *metav1.Time {
	if when.IsZero() {
		return nil
	}
	return &metav1.Time{Time: when.Truncate(time.Second)}
}

// tellCosts writes what the ends of hub servers cost.
func (r *Reconciler) tellCosts(ctx context.Context, s *scope, costs map[string]int64) error {
	for _, pod := range s.facts.hubs {
		number, told := costs[pod.Name]
		cost := strconv.FormatInt(number, 10)
		if !told || pod.Annotations[corev1.PodDeletionCost] == cost {
			continue
		}
		patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, corev1.PodDeletionCost, cost)
		if err := r.Client.Patch(ctx, pod.DeepCopy(), client.RawPatch(mergePatch, patch)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("write what the end of pod %s costs: %w", pod.Name, err)
		}
	}
	return nil
}
