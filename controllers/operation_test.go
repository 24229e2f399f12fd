package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/children"
)

func TestThePasswordOfRedisIsExchangedWithoutARestart(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{}")
	o.ready("demo")
	o.settle("demo")
	secret := func() *corev1.Secret { return get(o, &corev1.Secret{}, "demo-redis-auth") }
	templates := func() string {
		return get(o, &appsv1.Deployment{}, "demo-hub").Spec.Template.String() + get(o, &appsv1.StatefulSet{}, "demo-redis").Spec.Template.String()
	}
	first, before := string(secret().Data["password"]), templates()
	o.patch("demo", "{metadata: {annotations: {chatcluster.dev/rotate-redis-password: now}}}")
	o.eventually(func() error {
		if string(secret().Data["password"]) == first {
			return errors.New("the password is the old one")
		}
		return nil
	})
	second := string(secret().Data["password"])
	if told := o.redis.knows("demo"); !slices.Contains(told, first) || !slices.Contains(told, second) {
		t.Errorf("Redis was told %d passwords, which are not both", len(told))
	}
	o.condition("demo", v1alpha1.ConditionProgressing, metav1.ConditionTrue, v1alpha1.ReasonRotating)
	o.condition("demo", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonAllReady)
	o.clock.move(time.Hour)
	o.patch("demo", "{metadata: {annotations: {look: again}}}")
	o.condition("demo", v1alpha1.ConditionProgressing, metav1.ConditionFalse, v1alpha1.ReasonSettled)
	if told := o.redis.knows("demo"); !slices.Equal(told, []string{second}) {
		t.Errorf("in the end Redis knows %d passwords", len(told))
	}
	if templates() != before {
		t.Error("pods were replaced")
	}
	if strings.Contains(templates(), second) {
		t.Error("the password is where everybody can read it")
	}
}

func TestARedisThatStartsAgainWithTheLastPasswordIsToldTheNext(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{}")
	o.ready("demo")
	password := func() string { return string(get(o, &corev1.Secret{}, "demo-redis-auth").Data["password"]) }
	first := password()
	o.patch("demo", "{metadata: {annotations: {chatcluster.dev/rotate-redis-password: now}}}")
	o.eventually(func() error {
		if password() == first {
			return errors.New("the password is the old one")
		}
		return nil
	})
	o.redis.restarts("demo", first)
	o.clock.move(time.Hour)
	o.patch("demo", "{metadata: {annotations: {look: again}}}")
	o.condition("demo", v1alpha1.ConditionProgressing, metav1.ConditionFalse, v1alpha1.ReasonSettled)
	if told := o.redis.knows("demo"); !slices.Equal(told, []string{password()}) {
		t.Errorf("in the end Redis knows %d passwords, which are not the new one", len(told))
	}
}

func TestARedisThatIsAwayKeepsItsPassword(t *testing.T) {
	o := runOperator(t)
	o.redis.setAway(true)
	o.chatCluster("demo", "{}")
	o.ready("demo")
	secret := func() *corev1.Secret { return get(o, &corev1.Secret{}, "demo-redis-auth") }
	first := string(secret().Data["password"])
	o.patch("demo", "{metadata: {annotations: {chatcluster.dev/rotate-redis-password: now}}}")
	o.condition("demo", v1alpha1.ConditionProgressing, metav1.ConditionTrue, v1alpha1.ReasonRotating)
	if got := secret(); string(got.Data["password"]) != first || len(got.Data["other"]) == 0 {
		t.Error("hub servers were told a password that Redis does not know")
	}
	o.redis.setAway(false)
	o.eventually(func() error {
		if string(secret().Data["password"]) == first {
			return errors.New("the password is the old one")
		}
		return nil
	})
}

func TestALostPasswordRestartsRedis(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{}")
	o.ready("demo")
	before := get(o, &appsv1.StatefulSet{}, "demo-redis").Spec.Template.Annotations[v1alpha1.AnnotationContent]
	if err := o.admin.Delete(t.Context(), get(o, &corev1.Secret{}, "demo-redis-auth")); err != nil {
		t.Fatal(err)
	}
	o.eventually(func() error {
		if get(o, &appsv1.StatefulSet{}, "demo-redis").Spec.Template.Annotations[v1alpha1.AnnotationContent] == before {
			return errors.New("Redis goes on with a password that nobody has")
		}
		return nil
	})
}

func TestTheClusterKeyIsExchangedWithoutARestart(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{}")
	o.ready("demo")
	key := func() *corev1.Secret { return get(o, &corev1.Secret{}, "demo-cluster-key") }
	first := string(key().Data["key"])
	o.patch("demo", "{metadata: {annotations: {chatcluster.dev/rotate-cluster-key: now}}}")
	o.eventually(func() error {
		if len(key().Data["previous"]) == 0 {
			return errors.New("there is no other key")
		}
		return nil
	})
	next := string(key().Data["previous"])
	if string(key().Data["key"]) != first {
		t.Error("the next key is used before all hub servers have heard of it")
	}
	o.clock.move(5 * time.Minute)
	o.patch("demo", "{metadata: {annotations: {look: again}}}")
	o.eventually(func() error {
		if data := key().Data; string(data["key"]) != next || string(data["previous"]) != first {
			return errors.New("the keys have not changed their places")
		}
		return nil
	})
}

// Clients notice nothing of an exchange, and neither must those who wait for Ready.
func TestReadyStaysTrueWhileSecretsAreExchanged(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{}")
	o.ready("demo")
	o.settle("demo")
	password := func() string { return string(get(o, &corev1.Secret{}, "demo-redis-auth").Data["password"]) }
	previousKey := func() string { return string(get(o, &corev1.Secret{}, "demo-cluster-key").Data["previous"]) }
	first, firstKey := password(), string(get(o, &corev1.Secret{}, "demo-cluster-key").Data["key"])
	unready := o.watchReady("demo")
	o.patch("demo", "{metadata: {annotations: {chatcluster.dev/rotate-redis-password: now, chatcluster.dev/rotate-cluster-key: now}}}")
	o.eventually(func() error {
		if password() == first || previousKey() == "" {
			return errors.New("the exchanges have not begun")
		}
		return nil
	})
	o.clock.move(5 * time.Minute)
	o.patch("demo", "{metadata: {annotations: {look: again}}}")
	o.eventually(func() error {
		if previousKey() != firstKey {
			return errors.New("the next key is not used")
		}
		return nil
	})
	o.clock.move(2 * time.Hour)
	o.patch("demo", "{metadata: {annotations: {look: once more}}}")
	o.condition("demo", v1alpha1.ConditionProgressing, metav1.ConditionFalse, v1alpha1.ReasonSettled)
	if said := unready(); len(said) > 0 {
		t.Errorf("it was said to be %q", said)
	}
}

// watchReady follows a ChatCluster from now on. What it returns ends that, and returns what was said of it in between when it was not
// Ready.
func (o *operator) watchReady(name string) (end func() (unready []string)) {
	o.t.Helper()
	from := get(o, &v1alpha1.ChatCluster{}, name).ResourceVersion
	changes, err := o.admin.Watch(o.t.Context(), &v1alpha1.ChatClusterList{}, client.InNamespace(o.namespace),
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: from}})
	if err != nil {
		o.t.Fatal(err)
	}
	return func() (unready []string) {
		defer changes.Stop()
		last := get(o, &v1alpha1.ChatCluster{}, name).ResourceVersion
		for {
			select {
			case change := <-changes.ResultChan():
				cluster, is := change.Object.(*v1alpha1.ChatCluster)
				if !is {
					o.t.Fatalf("the watch ended with %v", change.Object)
				}
				if ready := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady); ready.Status != metav1.ConditionTrue {
					unready = append(unready, ready.Reason+": "+ready.Message)
				}
				if cluster.ResourceVersion == last {
					return unready
				}
			case <-time.After(patience):
				o.t.Fatalf("version %s of %s was not seen", last, name)
			}
		}
	}
}

func TestTheClusterKeyWaitsForHubServersThatEnd(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{}")
	o.ready("demo")
	o.runPods("demo", 1, 1)
	key := func() *corev1.Secret { return get(o, &corev1.Secret{}, "demo-cluster-key") }
	first := string(key().Data["key"])
	o.end("demo-hub-0", time.Hour)
	o.patch("demo", "{metadata: {annotations: {chatcluster.dev/rotate-cluster-key: now}}}")
	o.eventually(func() error {
		if len(key().Data["previous"]) == 0 {
			return errors.New("there is no other key")
		}
		return nil
	})
	o.clock.move(5 * time.Minute)
	o.patch("demo", "{metadata: {annotations: {look: again}}}")
	o.settle("demo")
	if string(key().Data["key"]) != first {
		t.Error("the next key is used though a hub server that ends never heard of it")
	}
	o.gone("demo-hub-0")
	o.eventually(func() error {
		if string(key().Data["previous"]) != first {
			return errors.New("the keys have not changed their places")
		}
		return nil
	})
}

// runPods makes the pods of a Deployment, since nobody else does here, with so many clients each.
func (o *operator) runPods(cluster string, connections ...int) {
	o.t.Helper()
	hub := get(o, &appsv1.Deployment{}, cluster+"-hub")
	for index, count := range connections {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: o.namespace, Name: fmt.Sprintf("%s-hub-%d", cluster, index), Labels: hub.Spec.Template.Labels,
			},
			// With a node it does not end before its kubelet says so.
			Spec: corev1.PodSpec{NodeName: "node", Containers: []corev1.Container{{Name: "hub", Image: "hubserver"}}},
		}
		o.hubs.set(pod.Name, count)
		if err := o.admin.Create(o.t.Context(), pod); err != nil {
			o.t.Fatal(err)
		}
		pod.Status = corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: "10.0.0.1", Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		}
		if err := o.admin.Status().Update(o.t.Context(), pod); err != nil {
			o.t.Fatal(err)
		}
	}
}

func TestHubServersFollowTheirClients(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{autoscaling: {minReplicas: 1, maxReplicas: 5, connectionsPerReplica: 100, intervalSeconds: 5, scaleInAfterSeconds: 60}}")
	o.ready("demo")
	replicas := func() int32 { return *get(o, &appsv1.Deployment{}, "demo-hub").Spec.Replicas }
	if replicas() != 1 {
		t.Fatalf("it begins with %d", replicas())
	}
	o.runPods("demo", 250)
	o.eventually(func() error {
		if replicas() != 3 {
			return fmt.Errorf("for 250 clients there are %d hub servers", replicas())
		}
		return nil
	})
	o.event("demo", "Autoscaled", "from 1 to 3 hub servers: 250 clients")
	o.eventually(func() error {
		if status := get(o, &v1alpha1.ChatCluster{}, "demo").Status; ptr.Deref(status.Connections, 0) != 250 {
			return fmt.Errorf("the status has %v connections", status.Connections)
		}
		return nil
	})
}

// A node is missing for one of them: the others must not wait for it.
func TestAHubServerThatNeverStartsHoldsNoScaleInUp(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo",
		"{autoscaling: {minReplicas: 1, maxReplicas: 5, connectionsPerReplica: 100, intervalSeconds: 5, scaleInAfterSeconds: 0}}")
	o.ready("demo")
	o.runPods("demo", 150, 100, 150)
	o.replicas("demo", 4)
	o.pendingPod("demo")
	for index, connections := range []int{100, 50, 100} {
		o.hubs.set(fmt.Sprintf("demo-hub-%d", index), connections)
	}
	o.replicas("demo", 3) // without its event: one for the same state of the ChatCluster as the last is only counted
	o.patch("demo", "{spec: {autoscaling: {maxReplicas: 2}}}")
	o.replicas("demo", 2)
	o.event("demo", "Autoscaled", "from 3 to 2 hub servers: more than the spec allows")
}

// pendingPod makes a pod of a Deployment that no node takes.
func (o *operator) pendingPod(cluster string) {
	o.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: o.namespace, Name: cluster + "-hub-pending", Labels: get(o, &appsv1.Deployment{}, cluster+"-hub").Spec.Template.Labels,
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "hub", Image: "hubserver"}}},
	}
	if err := o.admin.Create(o.t.Context(), pod); err != nil {
		o.t.Fatal(err)
	}
}

// kindDefinition makes a kind known that takes everything.
const kindDefinition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %s.%s}
spec:
  group: %[2]s
  scope: Namespaced
  names: {plural: %[1]s, singular: %[3]s, kind: %[4]s}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`

// installKinds lets the API server know the optional kinds until the test ends.
func (o *operator) installKinds() {
	o.t.Helper()
	for _, definition := range []string{
		fmt.Sprintf(kindDefinition, "httproutes", "gateway.networking.k8s.io", "httproute", "HTTPRoute"),
		fmt.Sprintf(kindDefinition, "servicemonitors", "monitoring.coreos.com", "servicemonitor", "ServiceMonitor"),
	} {
		object := o.parse(definition)
		object.SetNamespace("")
		// Groups that end in k8s.io are protected: a definition must say that it was approved, or why not.
		object.SetAnnotations(map[string]string{"api-approved.kubernetes.io": "unapproved, for a test"})
		if err := o.admin.Create(o.t.Context(), object); err != nil {
			o.t.Fatal(err)
		}
		o.t.Cleanup(func() {
			o.stop() // before what it watches goes
			_ = o.admin.Delete(context.Background(), object)
			eventually(o.t, patience, func() error {
				if o.admin.Get(context.Background(), client.ObjectKeyFromObject(object), object) == nil {
					return errors.New("the definition is still there")
				}
				return nil
			})
		})
	}
}

func TestAKindThatComesLaterIsUsedThen(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{gateway: {parents: [{name: public}], hostnames: [chat.example.com]}, monitoring: {serviceMonitor: {metadata: {labels: {release: prometheus}}}}}")
	o.condition("demo", v1alpha1.ConditionDegraded, metav1.ConditionTrue, v1alpha1.ReasonKindMissing)
	if !o.has(&appsv1.Deployment{}, "demo-hub") {
		t.Error("for a kind that is missing, all is missing")
	}
	o.installKinds()
	o.ready("demo")
	route, monitor := &unstructured.Unstructured{}, &unstructured.Unstructured{}
	route.SetGroupVersionKind(children.HTTPRouteKind())
	monitor.SetGroupVersionKind(children.ServiceMonitorKind())
	get(o, route, "demo")
	get(o, monitor, "demo-hub")
	if monitor.GetLabels()["release"] != "prometheus" {
		t.Errorf("the labels of the ServiceMonitor are %v", monitor.GetLabels())
	}
	if err := o.admin.Delete(t.Context(), route); err != nil {
		t.Fatal(err)
	}
	o.eventually(func() error { // it is watched now
		if !o.has(route, "demo") {
			return errors.New("the HTTPRoute was not made again")
		}
		return nil
	})
	o.patch("demo", "{spec: {gateway: null, monitoring: null}}")
	o.eventually(func() error {
		if o.has(route, "demo") || o.has(monitor, "demo-hub") || o.has(&corev1.Service{}, "demo-metrics") {
			return errors.New("what is not wanted any more is still there")
		}
		return nil
	})
}
