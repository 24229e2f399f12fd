package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/children"
)

// observeEvery is how often hub servers are looked at for the status alone; autoscaling has its own interval.
const observeEvery = 30 * time.Second

// podsOfIndex finds pods by the name of their ChatCluster and their component.
const podsOfIndex = "chatcluster"

// look gathers the facts.
func (r *Reconciler) look(ctx context.Context, s *scope) (err error) {
	name, namespace := s.cluster.Name, s.cluster.Namespace
	if s.facts.hub, err = get(ctx, r.Client, newDeployment(), namespace, children.HubName(name)); err != nil {
		return err
	}
	if s.facts.redis, err = get(ctx, r.Client, newStatefulSet(), namespace, children.RedisName(name)); err != nil {
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
	return r.lookAtHubs(ctx, s)
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
	pods := &corev1.PodList{}
	err := r.Client.List(ctx, pods, client.InNamespace(s.cluster.Namespace),
		client.MatchingFields{podsOfIndex: podIndexKey(s.cluster.Name, v1alpha1.HubComponent)})
	if err != nil {
		return fmt.Errorf("list the pods of hub servers: %w", err)
	}
	var running []*corev1.Pod
	for at := range pods.Items {
		pod := &pods.Items[at]
		if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		s.facts.hubs = append(s.facts.hubs, pod)
		if pod.Status.Phase == corev1.PodRunning {
			running = append(running, pod)
		}
	}
	if len(running) == 0 {
		return nil
	}
	s.facts.loads = r.Loads.Observe(ctx, s.key(), running)
	s.lookAgain(observeEvery)
	return nil
}

func podIndexKey(cluster, component string) string { return cluster + "/" + component }

// ready tells whether a pod takes clients.
func ready(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func ending(pod *corev1.Pod) bool { return pod.DeletionTimestamp != nil }
