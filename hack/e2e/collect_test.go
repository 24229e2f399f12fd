package e2e

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	ctrl "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// maximumLog bounds what is kept of one container's log: its end.
const maximumLog = 5000

// collect writes what there is in the namespaces into the folder of artifacts: objects, events and logs, no Secrets.
func (s *suite) collect(ctx context.Context, t *testing.T, namespaces ...string) {
	for _, namespace := range namespaces {
		folder := filepath.Join(s.artifacts, t.Name(), namespace)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Log(err)
			return
		}
		for name, list := range map[string]ctrl.ObjectList{
			"chatclusters": &v1alpha1.ChatClusterList{}, "pods": &corev1.PodList{}, "deployments": &appsv1.DeploymentList{},
			"statefulsets": &appsv1.StatefulSetList{}, "services": &corev1.ServiceList{}, "configmaps": &corev1.ConfigMapList{},
			"poddisruptionbudgets": &policyv1.PodDisruptionBudgetList{}, "events": &corev1.EventList{},
			"persistentvolumeclaims": &corev1.PersistentVolumeClaimList{}, "replicasets": &appsv1.ReplicaSetList{},
			"jobs": &batchv1.JobList{}, "networkpolicies": &networkingv1.NetworkPolicyList{},
		} {
			if err := s.client.List(ctx, list, ctrl.InNamespace(namespace)); err != nil {
				t.Logf("collecting %s: %v", name, err)
				continue
			}
			text, err := yaml.Marshal(list)
			if err == nil {
				err = os.WriteFile(filepath.Join(folder, name+".yaml"), text, 0o644)
			}
			if err != nil {
				t.Logf("collecting %s: %v", name, err)
			}
		}
		s.collectLogs(ctx, t, namespace, folder)
		t.Logf("collected objects, events and logs of %s in %s", namespace, folder)
	}
}

func (s *suite) collectLogs(ctx context.Context, t *testing.T, namespace, folder string) {
	var pods corev1.PodList
	if err := s.client.List(ctx, &pods, ctrl.InNamespace(namespace)); err != nil {
		t.Logf("collecting logs: %v", err)
		return
	}
	for _, pod := range pods.Items {
		for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			s.collectLog(ctx, t, &pod, status.Name, false, folder)
			if status.RestartCount > 0 {
				s.collectLog(ctx, t, &pod, status.Name, true, folder)
			}
		}
	}
}

func (s *suite) collectLog(ctx context.Context, t *testing.T, pod *corev1.Pod, container string, previous bool, folder string) {
	name := fmt.Sprintf("%s.%s.log", pod.Name, container)
	if previous {
		name = fmt.Sprintf("%s.%s.previous.log", pod.Name, container)
	}
	options := &corev1.PodLogOptions{Container: container, Previous: previous, TailLines: new(int64(maximumLog))}
	stream, err := s.kubernetes.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, options).Stream(ctx)
	if err != nil {
		t.Logf("collecting %s: %v", name, err)
		return
	}
	defer stream.Close()
	file, err := os.Create(filepath.Join(folder, name))
	if err != nil {
		t.Log(err)
		return
	}
	defer file.Close()
	if _, err := io.Copy(file, stream); err != nil {
		t.Logf("collecting %s: %v", name, err)
	}
}
