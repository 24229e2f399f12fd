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
)

// chooseReplicas takes the number of the spec, or lets the autoscaler decide. If it is less than there are, the pods are told
// what their end would cost, so that Kubernetes ends those with the fewest clients.
func (r *Reconciler) chooseReplicas(ctx context.Context, s *scope) error {
	s.wanted.Replicas = ptr.Deref(s.cluster.Spec.Replicas, 1)
	if s.cluster.Spec.Autoscaling == nil {
		s.cluster.Status.Autoscaling = v1alpha1.AutoscalingStatus{}
	} else {
		r.autoscale(s)
	}
	if s.facts.hub != nil && s.wanted.Replicas < ptr.Deref(s.facts.hub.Spec.Replicas, 1) {
		return r.tellCosts(ctx, s)
	}
	return nil
}

func (r *Reconciler) autoscale(s *scope) {
	spec := *s.cluster.Spec.Autoscaling
	input := autoscale.Input{Spec: spec, Now: s.now, Hubs: hubsOf(s.facts), EnoughSince: timeOf(s.cluster.Status.Autoscaling.EnoughSince)}
	if s.facts.hub != nil {
		input.Current = ptr.Deref(s.facts.hub.Spec.Replicas, 1)
	}
	decision := autoscale.Decide(input)
	s.wanted.Replicas = decision.Replicas
	s.cluster.Status.Autoscaling.EnoughSince = statusTime(decision.EnoughSince)
	if decision.Reason != "" && input.Current > 0 {
		s.cluster.Status.Autoscaling.LastScaleTime = statusTime(s.now)
		r.event(s, corev1.EventTypeNormal, "Autoscaled", "from %d to %d hub servers: %s", input.Current, decision.Replicas, decision.Reason)
	}
	if len(s.facts.hubs) > 0 {
		s.lookAgain(time.Duration(spec.IntervalSeconds) * time.Second)
	}
}

func hubsOf(facts facts) []autoscale.Hub {
	hubs := make([]autoscale.Hub, 0, len(facts.hubs))
	for _, pod := range facts.hubs {
		hub := autoscale.Hub{Ready: ready(pod), Ending: ending(pod)}
		if load, seen := facts.loads[pod.Name]; seen {
			hub.Load = &load
		}
		hubs = append(hubs, hub)
	}
	return hubs
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

// tellCosts writes the number of clients of each hub server that was seen as the cost of its end. One that was not seen has
// none: most likely it serves nobody.
func (r *Reconciler) tellCosts(ctx context.Context, s *scope) error {
	for _, pod := range s.facts.hubs {
		load, seen := s.facts.loads[pod.Name]
		cost := strconv.FormatInt(min(load.Connections, maximumCost), 10)
		if !seen || ending(pod) || pod.Annotations[corev1.PodDeletionCost] == cost {
			continue
		}
		patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, corev1.PodDeletionCost, cost)
		if err := r.Client.Patch(ctx, pod.DeepCopy(), client.RawPatch(mergePatch, patch)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("write what the end of pod %s costs: %w", pod.Name, err)
		}
	}
	return nil
}
