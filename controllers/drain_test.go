package controllers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// seen waits until the operator has looked at so many clients.
func (o *operator) seen(name string, clients int64) {
	o.t.Helper()
	o.eventually(func() error {
		if got := get(o, &v1alpha1.ChatCluster{}, name).Status.Connections; got == nil || *got != clients {
			return fmt.Errorf("the operator has not seen %d clients", clients)
		}
		return nil
	})
}

// replicas waits until the Deployment has so many.
func (o *operator) replicas(name string, want int32) {
	o.t.Helper()
	o.eventually(func() error {
		if got := *get(o, &appsv1.Deployment{}, name+"-hub").Spec.Replicas; got != want {
			return fmt.Errorf("the Deployment has %d replicas, want %d", got, want)
		}
		return nil
	})
}

// scale does what kubectl scale and a HorizontalPodAutoscaler do.
func (o *operator) scale(name string, replicas int64) {
	o.t.Helper()
	scale := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": map[string]any{"replicas": replicas},
	}}
	cluster := get(o, &v1alpha1.ChatCluster{}, name)
	if err := o.admin.SubResource("scale").Update(o.t.Context(), cluster, client.WithSubResourceBody(scale)); err != nil {
		o.t.Fatal(err)
	}
}

// end deletes a pod: it ends, and is there until it is gone.
func (o *operator) end(pod string, grace time.Duration) {
	o.t.Helper()
	err := o.admin.Delete(o.t.Context(), get(o, &corev1.Pod{}, pod), client.GracePeriodSeconds(grace/time.Second))
	if err != nil {
		o.t.Fatal(err)
	}
}

// gone plays the kubelet that says that a pod has ended.
func (o *operator) gone(pod string) {
	o.t.Helper()
	if err := o.admin.Delete(o.t.Context(), get(o, &corev1.Pod{}, pod), client.GracePeriodSeconds(0)); err != nil {
		o.t.Fatal(err)
	}
}

// message waits until a condition says something.
func (o *operator) message(name, condition, part string) {
	o.t.Helper()
	o.eventually(func() error {
		found := meta.FindStatusCondition(get(o, &v1alpha1.ChatCluster{}, name).Status.Conditions, condition)
		if found == nil || !strings.Contains(found.Message, part) {
			return fmt.Errorf("%s is %+v, which does not say %q", condition, found, part)
		}
		return nil
	})
}

func TestHubServersEndOneAtATimeTheLeastLoadedFirst(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{replicas: 3}")
	o.ready("demo")
	o.runPods("demo", 30, 5, 70)
	o.seen("demo", 105)
	unready := o.watchReady("demo")
	o.scale("demo", 1)
	o.replicas("demo", 2)
	for name, want := range map[string]string{"demo-hub-0": "30", "demo-hub-1": "5", "demo-hub-2": "70"} {
		if cost := get(o, &corev1.Pod{}, name).Annotations[corev1.PodDeletionCost]; cost != want {
			t.Errorf("the end of %s costs %q, want %s", name, cost, want)
		}
	}
	o.event("demo", "ScalingIn", "from 3 to 2 hub servers: demo-hub-1")
	o.rollOut("demo")
	o.message("demo", v1alpha1.ConditionProgressing, "of 2 hub servers 1 are wanted")

	o.end("demo-hub-1", time.Hour)
	o.condition("demo", v1alpha1.ConditionDraining, metav1.ConditionTrue, v1alpha1.ReasonHubsEnding)
	o.message("demo", v1alpha1.ConditionDraining, "1 hub server sending clients elsewhere: 5 left")
	o.event("demo", "Draining", "5 left")
	o.hubs.set("demo-hub-1", 2)
	o.clock.move(5 * time.Second) // metrics are not read again before
	o.patch("demo", "{metadata: {annotations: {look: again}}}")
	o.message("demo", v1alpha1.ConditionDraining, "2 left")
	if got := *get(o, &appsv1.Deployment{}, "demo-hub").Spec.Replicas; got != 2 {
		t.Errorf("while a hub server ends there are %d replicas, want 2", got)
	}
	o.condition("demo", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonAllReady)

	o.gone("demo-hub-1")
	o.replicas("demo", 1)
	o.event("demo", "Drained", "")
	o.condition("demo", v1alpha1.ConditionDraining, metav1.ConditionFalse, v1alpha1.ReasonNoneEnding)
	if said := unready(); len(said) > 0 {
		t.Errorf("while hub servers went one at a time it was said to be %q", said)
	}
}

// The status has the clients of those that end, and each status that is written makes the operator look again: it must not find another
// number each time.
func TestClientsThatLeaveDoNotKeepTheOperatorBusy(t *testing.T) {
	const looks = 30
	o := runOperator(t)
	o.chatCluster("demo", "{replicas: 2}")
	o.ready("demo")
	o.runPods("demo", 100, 10_000)
	o.seen("demo", 10_100)
	o.hubs.leave("demo-hub-1")
	o.end("demo-hub-1", time.Hour)
	o.message("demo", v1alpha1.ConditionDraining, "left")
	began, before := time.Now(), o.calls.all()[call{"patch", v1alpha1.Group, "chatclusters/status"}]
	for range looks {
		o.look("demo")
	}
	// One that ends is read every 5 s, whether it takes so long or not, and once more when it is told to end.
	due := 2 + int(time.Since(began)/(5*time.Second))
	if read := o.hubs.readWhileLeaving("demo-hub-1"); read > due {
		t.Errorf("in %d looks a hub server that ends was read %d times, want %d at most", looks, read, due)
	}
	if wrote := o.calls.all()[call{"patch", v1alpha1.Group, "chatclusters/status"}] - before; wrote > due {
		t.Errorf("in %d looks the status was written %d times, want %d at most", looks, wrote, due)
	}
}

func TestAHubServerWhoseNodeIsLostHoldsNobodyUp(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{replicas: 3}")
	o.ready("demo")
	o.runPods("demo", 30, 40, 70)
	o.seen("demo", 140)
	o.end("demo-hub-2", time.Minute)
	o.condition("demo", v1alpha1.ConditionDraining, metav1.ConditionTrue, v1alpha1.ReasonHubsEnding)
	o.scale("demo", 2)
	o.settle("demo")
	if got := *get(o, &appsv1.Deployment{}, "demo-hub").Spec.Replicas; got != 3 {
		t.Fatalf("while a hub server ends there are %d replicas, want 3", got)
	}
	o.clock.move(10 * time.Minute)
	o.patch("demo", "{metadata: {annotations: {look: again}}}")
	o.replicas("demo", 2)
}

func TestTheGracePeriodFollowsClientsOnlyWhenHubServersAreReplacedAnyway(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{replicas: 2}")
	o.ready("demo")
	grace := func() int64 {
		return *get(o, &appsv1.Deployment{}, "demo-hub").Spec.Template.Spec.TerminationGracePeriodSeconds
	}
	if grace() != 60 {
		t.Errorf("the grace period is %d s, want 60", grace())
	}
	before := get(o, &appsv1.Deployment{}, "demo-hub").Spec.Template
	o.runPods("demo", 3000, 7000)
	o.seen("demo", 10_000)
	o.patch("demo", "{spec: {replicas: 3, rollout: {maxSurge: 2}}}")
	o.replicas("demo", 3)
	o.settle("demo")
	if !same(before, get(o, &appsv1.Deployment{}, "demo-hub").Spec.Template) {
		t.Error("hub servers are replaced because clients came")
	}
	o.patch("demo", "{spec: {hub: {image: 'hubserver:2'}}}")
	o.eventually(func() error {
		if grace() != 120 { // for 16,000: 10 + 80 + 15 + 10 + 5
			return fmt.Errorf("after a roll-out the grace period is %d s, want 120", grace())
		}
		return nil
	})
	if file := hubConfiguration(o); !strings.Contains(file, "ShutdownTimeout: 115s") {
		t.Errorf("hub servers do not know of it: %s", file)
	}
	made := get(o, &appsv1.Deployment{}, "demo-hub").Spec.Template
	for _, pod := range []string{"demo-hub-0", "demo-hub-1"} {
		o.hubs.set(pod, 1)
	}
	o.clock.move(time.Minute) // metrics are not read again before
	o.patch("demo", "{metadata: {annotations: {look: again}}}")
	o.seen("demo", 2)
	o.settle("demo")
	if !same(made, get(o, &appsv1.Deployment{}, "demo-hub").Spec.Template) {
		t.Error("hub servers are replaced because clients left")
	}
}
