package controllers_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// storageClass makes a class that lets volumes grow or not.
func (o *operator) storageClass(name string, grows bool) {
	o.t.Helper()
	class := &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: "example.com/disk", AllowVolumeExpansion: &grows,
	}
	if err := o.admin.Create(o.t.Context(), class); err != nil && !apierrors.IsAlreadyExists(err) {
		o.t.Fatal(err)
	}
}

// claim makes a bound claim of a pod, as the controller of StatefulSets and a provisioner do.
func (o *operator) claim(set, pod, class string) {
	o.t.Helper()
	object := get(o, &appsv1.StatefulSet{}, set)
	template := object.Spec.VolumeClaimTemplates[0]
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: template.Name + "-" + pod, Labels: object.Spec.Selector.MatchLabels},
		Spec:       template.Spec,
	}
	claim.Spec.StorageClassName = ptr.To(class)
	if err := o.admin.Create(o.t.Context(), claim); err != nil {
		o.t.Fatal(err)
	}
	claim.Status = corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound, Capacity: claim.Spec.Resources.Requests}
	if err := o.admin.Status().Update(o.t.Context(), claim); err != nil {
		o.t.Fatal(err)
	}
}

// resize gives a claim what it asks for, as the resizer of a class does.
func (o *operator) resize(pod string) error {
	claim := get(o, &corev1.PersistentVolumeClaim{}, "data-"+pod)
	claim.Status.Capacity = claim.Spec.Resources.Requests
	return o.admin.Status().Update(o.t.Context(), claim)
}

// orphan lets a StatefulSet go that was deleted around its pods, as the garbage collector does.
func (o *operator) orphan(name string) error {
	set := get(o, &appsv1.StatefulSet{}, name)
	if set.DeletionTimestamp == nil || !slices.Contains(set.Finalizers, metav1.FinalizerOrphanDependents) {
		return errors.New("the StatefulSet has not been deleted around its pods")
	}
	set.Finalizers = nil
	return o.admin.Update(o.t.Context(), set)
}

func (o *operator) askedSize(claim string) string {
	o.t.Helper()
	size := get(o, &corev1.PersistentVolumeClaim{}, claim).Spec.Resources.Requests[corev1.ResourceStorage]
	return size.String()
}

func TestVolumesGrowAndPodsGoOn(t *testing.T) {
	o := runOperator(t)
	o.storageClass("grows", true)
	o.chatCluster("demo", "{redis: {mode: Sentinel, sentinel: {replicas: 1}, storage: {size: 1Gi, className: grows}}}")
	o.ready("demo")
	pods := []string{"demo-redis-0", "demo-redis-1"}
	before := map[string]string{}
	for _, pod := range pods {
		o.claim("demo-redis", pod, "grows")
		before[pod] = string(get(o, &corev1.Pod{}, pod).UID)
	}
	first := get(o, &appsv1.StatefulSet{}, "demo-redis")
	o.patch("demo", "{spec: {redis: {storage: {size: 3Gi}}}}")
	o.condition("demo", v1alpha1.ConditionProgressing, metav1.ConditionTrue, v1alpha1.ReasonGrowing)
	for _, pod := range pods {
		if size := o.askedSize("data-" + pod); size != "3Gi" {
			t.Errorf("the volume of %s is to have %s", pod, size)
		}
	}
	if set := get(o, &appsv1.StatefulSet{}, "demo-redis"); set.UID != first.UID || set.DeletionTimestamp != nil {
		t.Error("the StatefulSet went before its volumes had grown")
	}
	for _, pod := range pods {
		o.eventually(func() error { return o.resize(pod) })
	}
	o.patch("demo", "{metadata: {annotations: {look: again}}}")
	o.eventually(func() error { return o.orphan("demo-redis") })
	o.eventually(func() error {
		set := &appsv1.StatefulSet{}
		if !o.has(set, "demo-redis") || set.UID == first.UID {
			return errors.New("the StatefulSet is not there again")
		}
		size := set.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests[corev1.ResourceStorage]
		if size.Cmp(resource.MustParse("3Gi")) != 0 || set.Spec.Template.String() != first.Spec.Template.String() {
			return fmt.Errorf("it asks for %s", size.String())
		}
		return nil
	})
	o.ready("demo")
	for _, pod := range pods {
		if uid := string(get(o, &corev1.Pod{}, pod).UID); uid != before[pod] {
			t.Errorf("%s was replaced", pod)
		}
	}
	o.event("demo", "VolumesGrown", "3Gi")
}

func TestVolumesThatCannotGrowAreToldAndGoOn(t *testing.T) {
	o := runOperator(t)
	o.storageClass("fixed", false)
	o.chatCluster("demo", "{redis: {storage: {size: 1Gi, className: fixed}}}")
	o.ready("demo")
	o.claim("demo-redis", "demo-redis-0", "fixed")
	o.patch("demo", "{spec: {replicas: 4, redis: {storage: {size: 2Gi}}}}")
	o.condition("demo", v1alpha1.ConditionDegraded, metav1.ConditionTrue, v1alpha1.ReasonVolumesNotGrown)
	o.replicas("demo", 4) // nothing else waits for it
	o.patch("demo", "{spec: {redis: {memory: {maximum: 64Mi}}}}")
	o.eventually(func() error {
		set := get(o, &appsv1.StatefulSet{}, "demo-redis")
		size := set.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests[corev1.ResourceStorage]
		if size.String() != "1Gi" {
			return fmt.Errorf("the StatefulSet asks for %s", size.String())
		}
		if config := get(o, &corev1.ConfigMap{}, "demo-redis"); !strings.Contains(config.Data["redis.conf"], "maxmemory 67108864\n") {
			return errors.New("other changes of Redis wait")
		}
		return nil
	})
	o.patch("demo", "{spec: {redis: {storage: {size: 1Gi}}}}")
	o.ready("demo")
	o.condition("demo", v1alpha1.ConditionDegraded, metav1.ConditionFalse, v1alpha1.ReasonHealthy)
}

func TestVolumesThatCannotBecomeSmallerAreToldAndGoOn(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{redis: {storage: {size: 2Gi}}}")
	o.ready("demo")
	o.patch("demo", "{spec: {replicas: 4, redis: {storage: {size: 1Gi}}}}")
	o.condition("demo", v1alpha1.ConditionDegraded, metav1.ConditionTrue, v1alpha1.ReasonVolumesNotGrown)
	o.message("demo", v1alpha1.ConditionDegraded, "cannot become smaller, and stay as they are: set redis.storage.size to 2Gi again")
	o.replicas("demo", 4)
	set := get(o, &appsv1.StatefulSet{}, "demo-redis")
	size := set.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests[corev1.ResourceStorage]
	if size.String() != "2Gi" || set.DeletionTimestamp != nil {
		t.Errorf("the StatefulSet asks for %s", size.String())
	}
	o.patch("demo", "{spec: {redis: {storage: {size: 2Gi}}}}")
	o.ready("demo")
	o.condition("demo", v1alpha1.ConditionDegraded, metav1.ConditionFalse, v1alpha1.ReasonHealthy)
}

// The storage may have no room for what its class allows. It goes on trying, and so does the operator.
func TestVolumesThatFailToGrowAreToldUntilTheyHaveGrown(t *testing.T) {
	for _, condition := range []corev1.PersistentVolumeClaimConditionType{
		corev1.PersistentVolumeClaimControllerResizeError, corev1.PersistentVolumeClaimNodeResizeError,
	} {
		t.Run(string(condition), func(t *testing.T) {
			o := runOperator(t)
			o.storageClass("grows", true)
			o.chatCluster("demo", "{redis: {storage: {size: 1Gi, className: grows}}}")
			o.ready("demo")
			o.claim("demo-redis", "demo-redis-0", "grows")
			o.patch("demo", "{spec: {redis: {storage: {size: 3Gi}}}}")
			o.condition("demo", v1alpha1.ConditionProgressing, metav1.ConditionTrue, v1alpha1.ReasonGrowing)
			claim := get(o, &corev1.PersistentVolumeClaim{}, "data-demo-redis-0")
			claim.Status.Conditions = []corev1.PersistentVolumeClaimCondition{{
				Type: condition, Status: corev1.ConditionTrue, Message: "the pool is full",
			}}
			if err := o.admin.Status().Update(t.Context(), claim); err != nil {
				t.Fatal(err)
			}
			o.condition("demo", v1alpha1.ConditionDegraded, metav1.ConditionTrue, v1alpha1.ReasonVolumesNotGrown)
			o.message("demo", v1alpha1.ConditionDegraded,
				"PersistentVolumeClaim data-demo-redis-0 cannot grow, and stays as it is: the pool is full")
			o.eventually(func() error { return o.resize("demo-redis-0") })
			o.eventually(func() error { return o.orphan("demo-redis") })
		})
	}
}

// Some drivers grow a file system only while no pod uses it. Nobody but the user knows when a pod may be restarted.
func TestAVolumeThatWaitsForARestartOfItsPodSaysSo(t *testing.T) {
	o := runOperator(t)
	o.storageClass("grows", true)
	o.chatCluster("demo", "{redis: {mode: Sentinel, sentinel: {replicas: 1}, storage: {size: 1Gi, className: grows}}}")
	o.ready("demo")
	for _, pod := range []string{"demo-redis-0", "demo-redis-1"} {
		o.claim("demo-redis", pod, "grows")
	}
	o.patch("demo", "{spec: {redis: {storage: {size: 3Gi}}}}")
	o.condition("demo", v1alpha1.ConditionProgressing, metav1.ConditionTrue, v1alpha1.ReasonGrowing)
	o.eventually(func() error { return o.resize("demo-redis-0") })
	claim := get(o, &corev1.PersistentVolumeClaim{}, "data-demo-redis-1")
	claim.Status.Conditions = []corev1.PersistentVolumeClaimCondition{{
		Type: corev1.PersistentVolumeClaimFileSystemResizePending, Status: corev1.ConditionTrue,
		Message: "Waiting for user to (re-)start a pod to finish file system resize of volume on node.",
	}}
	if err := o.admin.Status().Update(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	o.patch("demo", "{metadata: {annotations: {look: again}}}")
	o.message("demo", v1alpha1.ConditionProgressing, "1 of 2 volumes of StatefulSet demo-redis have grown to 3Gi; the file system of data-demo-redis-1 has not:")
	o.message("demo", v1alpha1.ConditionProgressing, "it waits for a restart of pod demo-redis-1 (kubectl delete pod demo-redis-1)")
	o.eventually(func() error { return o.resize("demo-redis-1") })
	o.eventually(func() error { return o.orphan("demo-redis") })
}

// growAndReplace does what only a Redis of several servers needs the operator's rights for.
func (o *operator) growAndReplace() {
	o.t.Helper()
	o.storageClass("grows", true)
	o.chatCluster("demo", "{redis: {mode: Sentinel, sentinel: {replicas: 1}, storage: {size: 1Gi, className: grows}}}")
	o.ready("demo")
	o.patch("demo", "{spec: {redis: {image: 'redis:7.2'}}}")
	o.ready("demo")
	for _, pod := range []string{"demo-redis-0", "demo-redis-1"} {
		o.claim("demo-redis", pod, "grows")
	}
	o.patch("demo", "{spec: {redis: {storage: {size: 2Gi}}}}")
	o.eventually(func() error {
		return errors.Join(o.resize("demo-redis-0"), o.resize("demo-redis-1"), o.orphan("demo-redis"))
	})
	if err := o.admin.Delete(o.t.Context(), get(o, &v1alpha1.ChatCluster{}, "demo"), client.GracePeriodSeconds(0)); err != nil {
		o.t.Fatal(err)
	}
}
