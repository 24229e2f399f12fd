package controllers_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

func TestWhatSomebodyElseChangesIsChangedBack(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{}")
	o.ready("demo")
	t.Run("another value", func(t *testing.T) {
		hub := get(o, &appsv1.Deployment{}, "demo-hub")
		hub.Spec.Replicas = ptr.To[int32](1)
		hub.Spec.Template.Spec.Containers[0].Image = "evil"
		if err := o.admin.Update(t.Context(), hub); err != nil {
			t.Fatal(err)
		}
		o.eventually(func() error {
			hub := get(o, &appsv1.Deployment{}, "demo-hub")
			if *hub.Spec.Replicas != 2 || hub.Spec.Template.Spec.Containers[0].Image != "hubserver:1" {
				return fmt.Errorf("it is %d of %s", *hub.Spec.Replicas, hub.Spec.Template.Spec.Containers[0].Image)
			}
			return nil
		})
		o.event("demo", "Repaired", "Deployment demo-hub")
	})
	t.Run("another field manager that forces", func(t *testing.T) {
		forced := o.parse("apiVersion: v1\nkind: Service\nmetadata: {name: demo}\nspec: {selector: {app.kubernetes.io/component: other}}\n")
		err := o.admin.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(forced), client.FieldOwner("other"), client.ForceOwnership)
		if err != nil {
			t.Fatal(err)
		}
		o.eventually(func() error {
			if got := get(o, &corev1.Service{}, "demo").Spec.Selector["app.kubernetes.io/component"]; got != "hub" {
				return fmt.Errorf("the Service selects %s", got)
			}
			return nil
		})
	})
	t.Run("a deleted object", func(t *testing.T) {
		if err := o.admin.Delete(t.Context(), get(o, &corev1.Service{}, "demo")); err != nil {
			t.Fatal(err)
		}
		o.eventually(func() error {
			if !o.has(&corev1.Service{}, "demo") {
				return errors.New("there is no Service")
			}
			return nil
		})
	})
	t.Run("a label that was taken off", func(t *testing.T) {
		config := get(o, &corev1.ConfigMap{}, "demo-redis")
		delete(config.Labels, v1alpha1.LabelManagedBy)
		if err := o.admin.Update(t.Context(), config); err != nil {
			t.Fatal(err)
		}
		o.eventually(func() error {
			if get(o, &corev1.ConfigMap{}, "demo-redis").Labels[v1alpha1.LabelManagedBy] == "" {
				return errors.New("the label is missing")
			}
			return nil
		})
	})
	t.Run("what others add stays", func(t *testing.T) {
		service := get(o, &corev1.Service{}, "demo")
		service.Annotations = map[string]string{v1alpha1.AnnotationIntent: service.Annotations[v1alpha1.AnnotationIntent], "theirs": "yes"}
		if err := o.admin.Update(t.Context(), service); err != nil {
			t.Fatal(err)
		}
		o.settle("demo")
		if get(o, &corev1.Service{}, "demo").Annotations["theirs"] != "yes" {
			t.Error("an annotation of somebody else was removed")
		}
	})
}

// The operator computes the status from what it sees, so one that says something else is out of date: written by a look with an
// older cache, or by somebody else.
func TestAStatusThatIsOutOfDateIsWrittenAgain(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{}")
	o.ready("demo")
	o.settle("demo")
	cluster := get(o, &v1alpha1.ChatCluster{}, "demo")
	before := cluster.DeepCopy()
	meta.SetStatusCondition(&cluster.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonRollingOut, ObservedGeneration: cluster.Generation,
	})
	if err := o.admin.Status().Patch(t.Context(), cluster, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	o.condition("demo", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonAllReady)
}

func TestNothingIsChangedWhilePaused(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{}")
	o.ready("demo")
	o.settle("demo")
	before := o.versions("demo")
	o.patch("demo", "{spec: {paused: true, replicas: 9, hub: {image: other}}}")
	o.condition("demo", v1alpha1.ConditionPaused, metav1.ConditionTrue, v1alpha1.ReasonPausedBySpec)
	if after := o.versions("demo"); after != before {
		t.Errorf("objects changed from %s to %s", before, after)
	}
	o.patch("demo", "{spec: {paused: false}}")
	o.ready("demo")
	if hub := get(o, &appsv1.Deployment{}, "demo-hub"); *hub.Spec.Replicas != 9 {
		t.Errorf("there are %d replicas after the pause", *hub.Spec.Replicas)
	}
}

func TestAnotherOperatorReplacesNothingByItself(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{}")
	o.ready("demo")
	o.settle("demo")
	before := o.versions("demo")
	image := func() string { return get(o, &appsv1.Deployment{}, "demo-hub").Spec.Template.Spec.Containers[0].Image }
	o.stop()
	o.start("hubserver:2")
	o.patch("demo", "{metadata: {annotations: {look: again}}}")
	o.eventually(func() error { // the status is written by the one that runs now
		o.patch("demo", "{spec: {paused: true}}")
		return nil
	})
	o.condition("demo", v1alpha1.ConditionPaused, metav1.ConditionTrue, v1alpha1.ReasonPausedBySpec)
	o.patch("demo", "{spec: {paused: false}}")
	o.condition("demo", v1alpha1.ConditionPaused, metav1.ConditionFalse, v1alpha1.ReasonNotPaused)
	if after := o.versions("demo"); after != before || image() != "hubserver:1" {
		t.Errorf("objects changed from %s to %s", before, after)
	}
	request := strings.Repeat("today", 100) // longer than a status may have it
	o.patch("demo", "{metadata: {annotations: {chatcluster.dev/upgrade-images: "+request+"}}}")
	o.eventually(func() error {
		if image() != "hubserver:2" {
			return fmt.Errorf("the image is %s", image())
		}
		return nil
	})
	o.ready("demo")
	o.patch("demo", "{spec: {hub: {image: 'mine:1'}}}")
	o.ready("demo")
	o.patch("demo", "{spec: {hub: {image: null}}}")
	o.ready("demo")
	if image() != "hubserver:2" {
		t.Errorf("without an image of its own the cluster has %s", image())
	}
}

func TestAnUpgradeIsAskedForByANewValueOnly(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{}")
	o.ready("demo")
	image := func() string { return get(o, &appsv1.Deployment{}, "demo-hub").Spec.Template.Spec.Containers[0].Image }
	for _, c := range []struct{ operator, request, want string }{
		{"hubserver:2", "a", "hubserver:2"},
		{"hubserver:3", "null", "hubserver:2"},
		{"hubserver:3", "''", "hubserver:2"},
		{"hubserver:3", "a", "hubserver:2"}, // that was answered
		{"hubserver:3", "b", "hubserver:3"},
	} {
		o.stop()
		o.start(c.operator)
		o.patch("demo", "{metadata: {annotations: {chatcluster.dev/upgrade-images: "+c.request+"}}}")
		o.settle("demo")
		if got := image(); got != c.want {
			t.Fatalf("with %s and the request %s the image is %s, want %s", c.operator, c.request, got, c.want)
		}
	}
}
