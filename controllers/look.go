package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/children"
	"github.com/chatcluster/chatcluster/controllers/load"
)

const (
	// observeEvery is how often the metrics of hub servers are read for the status alone; autoscaling has its own interval.
	observeEvery = 30 * time.Second
	// observeEndings is the same while some of them end.
	observeEndings = 5 * time.Second
)

// podsOfIndex finds pods by the name of their ChatCluster and their component.
const podsOfIndex = "chatcluster"

// look gathers the facts.
func (r *Reconciler) look(ctx context.Context, s *scope) (err error) {
	name, namespace := s.cluster.Name, s.cluster.Namespace
	if s.facts.hub, err = get(ctx, r.Client, newDeployment(), namespace, children.HubName(name)); err != nil {
		return err
	}
	if s.facts.service, err = get(ctx, r.Client, newService(), namespace, children.ServiceName(name)); err != nil {
		return err
	}
	if s.cluster.Spec.Ingress != nil {
		if s.facts.ingress, err = get(ctx, r.Client, newIngress(), namespace, children.ServiceName(name)); err != nil {
			return err
		}
	}
	if err := r.lookAtHubs(ctx, s); err != nil {
		return err
	}
	return r.lookAtRedis(ctx, s)
}

// get returns nil for an object that is not there.
func get[T client.Object](ctx context.Context, from client.Reader, object T, namespace, name string) (T, error) {
	var none T
	err := from.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
	switch {
	case apierrors.IsNotFound(err):
		return none, nil
	case err != nil:
		return none, fmt.Errorf("read %T %s: %w", object, name, err)
	}
	return object, nil
}

func (r *Reconciler) lookAtHubs(ctx context.Context, s *scope) error {
	var err error
	if s.facts.hubs, err = r.pods(ctx, s, v1alpha1.HubComponent); err != nil {
		return err
	}
	var running []*corev1.Pod
	for _, pod := range s.facts.hubs {
		if pod.Status.Phase == corev1.PodRunning {
			running = append(running, pod)
		}
	}
	if len(running) == 0 {
		return nil
	}
	every := observeInterval(s.cluster.Spec.Autoscaling, running)
	loads, age := r.Loads.Observe(ctx, s.key(), running, s.now, every)
	s.facts.loads = loads
	s.lookAgain(every - age)
	return nil
}

// observeInterval is how often the metrics of hub servers are read, however often the operator looks: it looks again after each status
// that it writes, which has the clients of those that end, and they are fewer each time.
func observeInterval(autoscaling *v1alpha1.AutoscalingSpec, running []*corev1.Pod) time.Duration {
	every := observeEvery
	if slices.ContainsFunc(running, ending) {
		every = observeEndings
	}
	if autoscaling != nil && autoscaling.IntervalSeconds > 0 {
		every = min(every, time.Duration(autoscaling.IntervalSeconds)*time.Second)
	}
	return every
}

// pods lists those of a component that have not come to their end.
func (r *Reconciler) pods(ctx context.Context, s *scope, component string) ([]*corev1.Pod, error) {
	list := &corev1.PodList{}
	err := r.Client.List(ctx, list, client.InNamespace(s.cluster.Namespace),
		client.MatchingFields{podsOfIndex: podIndexKey(s.cluster.Name, component)})
	if err != nil {
		return nil, fmt.Errorf("list the pods of component %s: %w", component, err)
	}
	pods := make([]*corev1.Pod, 0, len(list.Items))
	for at := range list.Items {
		if pod := &list.Items[at]; pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			pods = append(pods, pod)
		}
	}
	return pods, nil
}

func podIndexKey(cluster, component string) string { return cluster + "/" + component }

func ready(pod *corev1.Pod) bool { return load.Ready(pod) }

func ending(pod *corev1.Pod) bool { return pod.DeletionTimestamp != nil }

// lostAfter is how long after it had to be gone a pod that ends is given up: its node is away, and the pod is killed if that comes
// back. Nothing waits for it any longer.
const lostAfter = 5 * time.Minute

func lost(pod *corev1.Pod, now time.Time) bool {
	return ending(pod) && now.Sub(pod.DeletionTimestamp.Time) > lostAfter
}

// deafSince are the times at which those hub servers were told to end that have not ended yet. From then on the kubelet brings
// them no new values of Secrets.
func (f facts) deafSince(now time.Time) []time.Time {
	var times []time.Time
	for _, pod := range f.hubs {
		if ending(pod) && !lost(pod, now) {
			grace := time.Duration(ptr.Deref(pod.DeletionGracePeriodSeconds, 0)) * time.Second
			times = append(times, pod.DeletionTimestamp.Add(-grace))
		}
	}
	return times
}
