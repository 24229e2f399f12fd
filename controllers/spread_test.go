package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestHubServersAreSpread has the scheduler of Kubernetes place the pods of a ChatCluster. One node is so much larger than the
// others that all pods would go there if nothing spread them.
func TestHubServersAreSpread(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{}")
	o.ready("demo")
	o.runScheduler()
	for name, c := range map[string]struct {
		// zones are those of the nodes, the largest node first.
		zones []string
		pods  int
		// over is what the pods are counted by.
		over string
		want int
	}{
		"over nodes that have no zones": {zones: []string{"", "", ""}, pods: 6, over: corev1.LabelHostname, want: 2},
		"over nodes of one zone":        {zones: []string{"a", "a", "a"}, pods: 6, over: corev1.LabelHostname, want: 2},
		"over zones":                    {zones: []string{"a", "a", "b"}, pods: 2, over: corev1.LabelTopologyZone, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			nodes := o.makeNodes(t, strings.ReplaceAll(name, " ", "-"), c.zones)
			count := map[string]int{}
			for _, node := range o.schedule(t, "demo", c.pods) {
				count[nodes[node][c.over]]++
			}
			for place, pods := range count {
				if pods != c.want {
					t.Errorf("%q has %d of %d pods, want %d: %v", place, pods, c.pods, c.want, count)
				}
			}
		})
	}
}

// schedulerConfiguration has a scheduler of another name than the usual one: pods of other tests are none of its business.
const schedulerConfiguration = `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection: {leaderElect: false}
clientConnection: {kubeconfig: %q}
profiles: [{schedulerName: ` + schedulerName + `}]
`

const schedulerName = "scheduler-of-a-test"

// runScheduler runs kube-scheduler until the test ends.
func (o *operator) runScheduler() {
	o.t.Helper()
	file := filepath.Join(o.t.TempDir(), "scheduler.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, schedulerConfiguration, o.kubeconfig()), 0o600); err != nil {
		o.t.Fatal(err)
	}
	o.run("kube-scheduler", "--config", file)
}

// makeNodes makes a node for each zone, the first larger than all others, and returns their labels by their names. The scheduler knows
// them then.
func (o *operator) makeNodes(t *testing.T, prefix string, zones []string) map[string]map[string]string {
	t.Helper()
	nodes := map[string]map[string]string{}
	last := ""
	for index, zone := range zones {
		name := fmt.Sprintf("%s-%d", prefix, index)
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}}}
		if zone != "" {
			node.Labels[corev1.LabelTopologyZone] = zone
		}
		cores := "2"
		if index == 0 {
			cores = "200"
		}
		size := corev1.ResourceList{"cpu": resource.MustParse(cores), "memory": resource.MustParse(cores + "Gi"), "pods": resource.MustParse("100")}
		if err := o.admin.Create(t.Context(), node); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = o.admin.Delete(context.Background(), node) })
		node.Status = corev1.NodeStatus{
			Capacity: size, Allocatable: size, Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		}
		if err := o.admin.Status().Update(t.Context(), node); err != nil {
			t.Fatal(err)
		}
		node.Spec.Taints = nil // each node begins as one that is not ready
		if err := o.admin.Update(t.Context(), node); err != nil {
			t.Fatal(err)
		}
		nodes[name], last = node.Labels, name
	}
	// What the scheduler watches comes in order, but pods may come before nodes: when it has seen the last node, it has seen all, and
	// none that were there before.
	o.place(t, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: "first-" + prefix},
		Spec: corev1.PodSpec{
			SchedulerName: schedulerName, NodeSelector: map[string]string{corev1.LabelHostname: last},
			Containers: []corev1.Container{{Name: "any", Image: "any"}},
		},
	})
	return nodes
}

// place waits until a pod has a node, and returns its name.
func (o *operator) place(t *testing.T, pod *corev1.Pod) string {
	t.Helper()
	if err := o.admin.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.admin.Delete(context.Background(), pod, client.GracePeriodSeconds(0)) })
	eventually(t, programPatience, func() error {
		if pod = get(o, &corev1.Pod{}, pod.Name); pod.Spec.NodeName == "" {
			return errors.New("the pod has no node")
		}
		return nil
	})
	return pod.Spec.NodeName
}

// schedule makes pods of the Deployment's template one after another, and returns the nodes that they were given.
func (o *operator) schedule(t *testing.T, cluster string, count int) []string {
	t.Helper()
	template := get(o, &appsv1.Deployment{}, cluster+"-hub").Spec.Template
	template.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = "1"
	template.Spec.SchedulerName = schedulerName
	nodes := make([]string, 0, count)
	for index := range count {
		nodes = append(nodes, o.place(t, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: fmt.Sprintf("placed-%d", index), Labels: template.Labels},
			Spec:       template.Spec,
		}))
	}
	return nodes
}
