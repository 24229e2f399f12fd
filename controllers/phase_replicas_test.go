package controllers

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/autoscale"
)

// idleHubs are three hub servers with a client each, of which two would have been enough for an hour.
func idleHubs(s *scope) {
	s.cluster.Spec.Autoscaling = &v1alpha1.AutoscalingSpec{
		MinReplicas: 1, MaxReplicas: 5, ConnectionsPerReplica: 100, IntervalSeconds: 15, ScaleInAfterSeconds: ptr.To[int32](300),
	}
	s.cluster.Status.Autoscaling.EnoughSince = statusTime(s.now.Add(-time.Hour))
	s.facts.loads = map[string]autoscale.Load{}
	for index := range 3 {
		name := fmt.Sprintf("demo-hub-%d", index)
		s.facts.hubs = append(s.facts.hubs, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{corev1.PodDeletionCost: "1"}},
			Status: corev1.PodStatus{
				Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			},
		})
		s.facts.loads[name] = autoscale.Load{Connections: 1}
	}
}

func TestTheTimeOfEnoughBeginsAnewWhenAHubServerEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*scope)
		want   int32
		kept   bool
	}{
		"one is taken away": {func(*scope) {}, 2, false},
		"one is not seen":   {func(s *scope) { delete(s.facts.loads, "demo-hub-1") }, 3, true},
		"one never ran, and goes first": {func(s *scope) {
			s.facts.hubs[2].Status = corev1.PodStatus{Phase: corev1.PodPending}
			delete(s.facts.loads, "demo-hub-2")
		}, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := observed(idleHubs, c.change)
			r := &Reconciler{Recorder: events.NewFakeRecorder(100)}
			if err := r.chooseReplicas(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			if s.wanted.Replicas != c.want {
				t.Errorf("there are to be %d hub servers, want %d", s.wanted.Replicas, c.want)
			}
			if since := s.cluster.Status.Autoscaling.EnoughSince; (since != nil) != c.kept {
				t.Errorf("fewer have been enough since %v, kept: %v", since, c.kept)
			}
		})
	}
}
