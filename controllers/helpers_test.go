package controllers_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// create applies a manifest in the namespace of the operator, as a user does.
func (o *operator) create(manifest string) client.Object {
	o.t.Helper()
	object, err := o.tryCreate(manifest)
	if err != nil {
		o.t.Fatal(err)
	}
	return object
}

// tryCreate is create for goroutines that must not end the test, as are others whose names begin so.
func (o *operator) tryCreate(manifest string) (client.Object, error) {
	object, err := o.tryParse(manifest)
	if err != nil {
		return nil, err
	}
	return object, o.admin.Create(o.t.Context(), object)
}

func (o *operator) parse(manifest string) *unstructured.Unstructured {
	o.t.Helper()
	object, err := o.tryParse(manifest)
	if err != nil {
		o.t.Fatal(err)
	}
	return object
}

func (o *operator) tryParse(manifest string) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &object.Object); err != nil {
		return nil, err
	}
	object.SetNamespace(o.namespace)
	return object, nil
}

// chatCluster creates a ChatCluster with the given spec, in YAML's flow style.
func (o *operator) chatCluster(name, spec string) {
	o.t.Helper()
	o.create(chatClusterManifest(name, spec))
}

func chatClusterManifest(name, spec string) string {
	return fmt.Sprintf("apiVersion: chatcluster.dev/v1alpha1\nkind: ChatCluster\nmetadata: {name: %s}\nspec: %s\n", name, spec)
}

// patch changes a part of a ChatCluster, as kubectl patch --type=merge does.
func (o *operator) patch(name, patch string) {
	o.t.Helper()
	if err := o.tryPatch(name, patch); err != nil {
		o.t.Fatal(err)
	}
}

func (o *operator) tryPatch(name, patch string) error {
	encoded, err := yaml.YAMLToJSON([]byte(patch))
	if err != nil {
		return err
	}
	cluster := &v1alpha1.ChatCluster{ObjectMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: name}}
	return o.admin.Patch(o.t.Context(), cluster, client.RawPatch("application/merge-patch+json", encoded))
}

// get reads an object; it fails the test if that is not there.
func get[T client.Object](o *operator, object T, name string) T {
	o.t.Helper()
	if err := o.admin.Get(o.t.Context(), client.ObjectKey{Namespace: o.namespace, Name: name}, object); err != nil {
		o.t.Fatal(err)
	}
	return object
}

// has tells whether an object is there.
func (o *operator) has(object client.Object, name string) bool {
	err := o.admin.Get(o.t.Context(), client.ObjectKey{Namespace: o.namespace, Name: name}, object)
	return err == nil
}

// eventually waits until a check has nothing to complain about.
func (o *operator) eventually(check func() error) {
	o.t.Helper()
	eventually(o.t, patience, check)
}

func eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("after %s: %v", within, err)
		case <-ticker.C:
		}
	}
}

// condition waits until a condition has a status and a reason, for the present spec.
func (o *operator) condition(name, condition string, status metav1.ConditionStatus, reason string) {
	o.t.Helper()
	o.eventually(func() error {
		cluster := get(o, &v1alpha1.ChatCluster{}, name)
		found := meta.FindStatusCondition(cluster.Status.Conditions, condition)
		if found == nil {
			return fmt.Errorf("there is no condition %s", condition)
		}
		if found.Status != status || found.Reason != reason || found.ObservedGeneration != cluster.Generation {
			return fmt.Errorf("%s is %s, %s: %s (generation %d of %d); want %s, %s", condition, found.Status, found.Reason, found.Message,
				found.ObservedGeneration, cluster.Generation, status, reason)
		}
		return nil
	})
}

// ready waits until the ChatCluster is made, plays the controllers of Kubernetes and the kubelet, and waits until it is Ready.
func (o *operator) ready(name string) {
	o.t.Helper()
	o.eventually(func() error {
		if !o.has(&appsv1.Deployment{}, name+"-hub") {
			return fmt.Errorf("there is no Deployment %s-hub", name)
		}
		cluster := get(o, &v1alpha1.ChatCluster{}, name)
		if cluster.Spec.Redis.Mode != v1alpha1.RedisStandalone {
			return nil
		}
		if !o.has(&appsv1.StatefulSet{}, name+"-redis") {
			return fmt.Errorf("there is no StatefulSet %s-redis", name)
		}
		return nil
	})
	o.eventually(func() error {
		o.rollOut(name)
		cluster := get(o, &v1alpha1.ChatCluster{}, name)
		found := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady)
		if found == nil || found.Status != metav1.ConditionTrue || found.ObservedGeneration != cluster.Generation {
			return fmt.Errorf("not ready: %+v", found)
		}
		return nil
	})
}

// rollOut lets Deployment and StatefulSet be as they would be when all their pods run.
func (o *operator) rollOut(name string) {
	o.t.Helper()
	if !o.rollOutHub(name) {
		return // it was changed in between: the caller tries again
	}
	if redis := get(o, &v1alpha1.ChatCluster{}, name).Spec.Redis; redis.Sentinel != nil || redis.Cluster != nil {
		o.runSets(name)
		return
	}
	_ = o.tryRollOutRedis(name) // so may this one
}

// tryRollOutRedis lets the StatefulSet of a single Redis, if there is one, be as it would be when its pod runs.
func (o *operator) tryRollOutRedis(name string) error {
	redis := &appsv1.StatefulSet{}
	if err := o.admin.Get(o.t.Context(), client.ObjectKey{Namespace: o.namespace, Name: name + "-redis"}, redis); err != nil {
		return client.IgnoreNotFound(err)
	}
	redis.Status = appsv1.StatefulSetStatus{
		ObservedGeneration: redis.Generation, Replicas: 1, ReadyReplicas: 1, UpdatedReplicas: 1, CurrentReplicas: 1, AvailableReplicas: 1,
		CurrentRevision: "a", UpdateRevision: "a",
	}
	return o.admin.Status().Update(o.t.Context(), redis)
}

// rollOutHub lets the Deployment be as it would be when all its pods run, unless it was changed in between.
func (o *operator) rollOutHub(name string) bool {
	o.t.Helper()
	return o.tryRollOutHub(name) == nil
}

func (o *operator) tryRollOutHub(name string) error {
	hub := &appsv1.Deployment{}
	if err := o.admin.Get(o.t.Context(), client.ObjectKey{Namespace: o.namespace, Name: name + "-hub"}, hub); err != nil {
		return err
	}
	replicas := ptr.Deref(hub.Spec.Replicas, 1)
	hub.Status = appsv1.DeploymentStatus{
		ObservedGeneration: hub.Generation, Replicas: replicas, UpdatedReplicas: replicas, ReadyReplicas: replicas, AvailableReplicas: replicas,
	}
	return o.admin.Status().Update(o.t.Context(), hub)
}

// look has the operator look at a ChatCluster, and waits until it does. All looks at it that began before have come to their end then:
// there is one at a time. One that was deleted it looks at by itself.
func (o *operator) look(name string) {
	o.t.Helper()
	mark := o.looks.next()
	err := o.tryPatch(name, fmt.Sprintf("{metadata: {annotations: {%s: %q}}}", markAnnotation, mark))
	switch {
	case apierrors.IsNotFound(err):
		mark = markOfNone
	case err != nil:
		o.t.Fatal(err)
	}
	o.eventually(func() error {
		if seen := o.looks.last(types.NamespacedName{Namespace: o.namespace, Name: name}); seen != mark {
			return fmt.Errorf("the operator has seen mark %q of %s, not %q", seen, name, mark)
		}
		return nil
	})
}

// settle waits until the operator has looked at the ChatCluster from the beginning to the end, and wrote nothing.
func (o *operator) settle(name string) {
	o.t.Helper()
	o.eventually(func() error {
		before := o.versions(name)
		o.look(name)
		o.look(name) // the one before has come to its end
		if o.versions(name) != before {
			return fmt.Errorf("objects of %s still change", name)
		}
		return nil
	})
}

// versions are the resource versions of all children, which change with each write.
func (o *operator) versions(name string) string {
	o.t.Helper()
	var all []string
	for _, list := range []client.ObjectList{
		&appsv1.DeploymentList{}, &appsv1.StatefulSetList{}, &corev1.ServiceList{}, &corev1.ConfigMapList{}, &corev1.SecretList{},
	} {
		err := o.admin.List(o.t.Context(), list, client.InNamespace(o.namespace), client.MatchingLabels{v1alpha1.LabelInstance: name})
		if err != nil {
			o.t.Fatal(err)
		}
		_ = meta.EachListItem(list, func(object runtime.Object) error {
			metadata, err := meta.Accessor(object)
			all = append(all, metadata.GetName()+"@"+metadata.GetResourceVersion())
			return err
		})
	}
	return strings.Join(all, " ")
}

// event waits for an event about the ChatCluster.
func (o *operator) event(name, reason, part string) {
	o.t.Helper()
	o.eventually(func() error {
		events := &eventsv1.EventList{}
		if err := o.admin.List(o.t.Context(), events, client.InNamespace(o.namespace)); err != nil {
			return err
		}
		var notes []string
		for _, event := range events.Items {
			if event.Regarding.Name == name && event.Reason == reason && strings.Contains(event.Note, part) {
				return nil
			}
			notes = append(notes, event.Reason+": "+event.Note)
		}
		return fmt.Errorf("no event %s with %q among %q", reason, part, notes)
	})
}
