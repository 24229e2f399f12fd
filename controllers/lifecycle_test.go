package controllers_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

func TestAnEmptySpecBecomesAChatService(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{}")
	o.condition("demo", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonWaitingForRedis)
	o.condition("demo", v1alpha1.ConditionProgressing, metav1.ConditionTrue, v1alpha1.ReasonReplacing)
	o.ready("demo")
	for name, object := range map[string]client.Object{
		"demo":             &corev1.Service{},
		"demo-hub":         &appsv1.Deployment{},
		"demo-redis":       &appsv1.StatefulSet{},
		"demo-redis-auth":  &corev1.Secret{},
		"demo-cluster-key": &corev1.Secret{},
	} {
		get(o, object, name)
		if owner := metav1.GetControllerOf(object); owner == nil || owner.Name != "demo" || owner.Kind != "ChatCluster" {
			t.Errorf("%s belongs to %v", name, owner)
		}
	}
	get(o, &policyv1.PodDisruptionBudget{}, "demo-hub")
	get(o, &networkingv1.NetworkPolicy{}, "demo-hub")
	get(o, &networkingv1.NetworkPolicy{}, "demo-redis")
	if o.has(&networkingv1.Ingress{}, "demo") {
		t.Error("there is an Ingress that nobody asked for")
	}
	status := get(o, &v1alpha1.ChatCluster{}, "demo").Status
	if ptr.Deref(status.Replicas, 0) != 2 || ptr.Deref(status.ReadyReplicas, 0) != 2 || status.Version != "1" {
		t.Errorf("the status has %v replicas, %v ready, version %q", status.Replicas, status.ReadyReplicas, status.Version)
	}
	if len(status.Endpoints) != 1 || status.Endpoints[0].URL != "http://demo."+o.namespace+".svc" {
		t.Errorf("the endpoints are %+v", status.Endpoints)
	}
	scale := get(o, &v1alpha1.ChatCluster{}, "demo")
	if !strings.Contains(scale.Status.Selector, "app.kubernetes.io/component=hub") {
		t.Errorf("the selector for autoscalers is %q", scale.Status.Selector)
	}
	o.event("demo", "Created", "Deployment demo-hub")
	o.event("demo", "Ready", "")
}

func TestALookAtWhatIsSettledWritesNothing(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", `{redis: {storage: {size: 1024Mi}, resources: {limits: {cpu: "0.5", memory: 1024Mi}}}, hub: {env: [{name: A, value: b}]},
	  ingress: {host: chat.example.com}, monitoring: {serviceMonitor: {}}}`)
	o.eventually(func() error { // the ServiceMonitor is missing: it is never Ready
		if !o.has(&appsv1.Deployment{}, "demo-hub") || !o.has(&appsv1.StatefulSet{}, "demo-redis") {
			return errors.New("not made yet")
		}
		return nil
	})
	o.condition("demo", v1alpha1.ConditionDegraded, metav1.ConditionTrue, v1alpha1.ReasonKindMissing)
	o.eventually(func() error {
		o.rollOut("demo")
		before := o.calls.writes()
		// Each annotation makes the operator look; the last one is answered by what it does not change.
		o.patch("demo", fmt.Sprintf("metadata: {annotations: {look: %q}}", fmt.Sprint(before)))
		o.settle("demo")
		if wrote := o.calls.writes() - before; wrote != 0 {
			return fmt.Errorf("it wrote %d times: %v", wrote, o.calls.all())
		}
		return nil
	})
}

func TestEachChangeOfTheSpecDoesTheLeastThatIsNeeded(t *testing.T) {
	o := runOperator(t)
	o.create("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {color: red}\n")
	o.chatCluster("demo", "{}")
	o.ready("demo")
	for _, c := range []struct {
		name, patch string
		// rolls tells whether hub servers are replaced, restarts whether Redis is.
		rolls, restarts bool
		check           func() error
	}{
		{name: "replicas", patch: "{spec: {replicas: 5}}", check: func() error {
			if got := *get(o, &appsv1.Deployment{}, "demo-hub").Spec.Replicas; got != 5 {
				return fmt.Errorf("the Deployment has %d replicas", got)
			}
			return nil
		}},
		{name: "image", patch: "{spec: {hub: {image: 'example.com/hub:2'}}}", rolls: true, check: func() error {
			if got := get(o, &appsv1.Deployment{}, "demo-hub").Spec.Template.Spec.Containers[0].Image; got != "example.com/hub:2" {
				return fmt.Errorf("the image is %s", got)
			}
			return nil
		}},
		{name: "origins", patch: "{spec: {hub: {corsOrigins: ['https://a.example']}}}", rolls: true, check: func() error {
			if file := hubConfiguration(o); !strings.Contains(file, "https://a.example") {
				return fmt.Errorf("the configuration is %s", file)
			}
			return nil
		}},
		{name: "resources", patch: "{spec: {hub: {resources: {limits: {memory: 1Gi}}}}}", rolls: true},
		{name: "a variable of a ConfigMap", rolls: true,
			patch: "{spec: {hub: {env: [{name: COLOR, valueFrom: {configMapKeyRef: {name: settings, key: color}}}]}}}"},
		{name: "pace", patch: "{spec: {rollout: {maxSurge: 2, minReadySeconds: 0}}}", check: func() error {
			if got := get(o, &appsv1.Deployment{}, "demo-hub").Spec.Strategy.RollingUpdate.MaxSurge.IntValue(); got != 2 {
				return fmt.Errorf("the surge is %d", got)
			}
			return nil
		}},
		{name: "service", patch: "{spec: {service: {type: NodePort}}}", check: func() error {
			if got := get(o, &corev1.Service{}, "demo").Spec.Type; got != corev1.ServiceTypeNodePort {
				return fmt.Errorf("the type is %s", got)
			}
			return nil
		}},
		{name: "service back", patch: "{spec: {service: {type: ClusterIP}}}", check: func() error {
			if got := get(o, &corev1.Service{}, "demo").Spec; got.Type != corev1.ServiceTypeClusterIP || got.Ports[0].NodePort != 0 {
				return fmt.Errorf("the service is %+v", got)
			}
			return nil
		}},
		{name: "ingress", patch: "{spec: {ingress: {host: chat.example.com}}}", check: func() error {
			if !o.has(&networkingv1.Ingress{}, "demo") {
				return errors.New("there is no Ingress")
			}
			return nil
		}},
		{name: "no ingress", patch: "{spec: {ingress: null}}", check: func() error {
			if o.has(&networkingv1.Ingress{}, "demo") {
				return errors.New("there still is an Ingress")
			}
			return nil
		}},
		{name: "no network policy", patch: "{spec: {networkPolicy: {enabled: false}}}", check: func() error {
			if o.has(&networkingv1.NetworkPolicy{}, "demo-hub") || o.has(&networkingv1.NetworkPolicy{}, "demo-redis") {
				return errors.New("there still is a NetworkPolicy")
			}
			return nil
		}},
		{name: "memory of Redis", patch: "{spec: {redis: {memory: {maximum: 64Mi, policy: allkeys-lru}}}}", restarts: true},
		{name: "logging", patch: "{spec: {logging: {level: debug}}}", rolls: true},
		{name: "drain", patch: "{spec: {drain: {timeoutSeconds: 90}}}", rolls: true, check: func() error {
			if got := *get(o, &appsv1.Deployment{}, "demo-hub").Spec.Template.Spec.TerminationGracePeriodSeconds; got != 110 { // 5 + 90, 10 for the end, and 5
				return fmt.Errorf("the grace period is %d", got)
			}
			return nil
		}},
		{name: "a label of pods", patch: "{spec: {hub: {podMetadata: {labels: {team: chat}}}}}", rolls: true},
		{name: "the budget", patch: "{spec: {disruptionBudget: {maxUnavailable: 2}}}", check: func() error {
			if got := get(o, &policyv1.PodDisruptionBudget{}, "demo-hub").Spec.MaxUnavailable.IntValue(); got != 2 {
				return fmt.Errorf("the budget is %d", got)
			}
			return nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			hub := get(o, &appsv1.Deployment{}, "demo-hub").Spec.Template.DeepCopy()
			redis := get(o, &appsv1.StatefulSet{}, "demo-redis").Spec.Template.DeepCopy()
			o.patch("demo", c.patch)
			o.ready("demo")
			if c.check != nil {
				o.eventually(c.check)
			}
			rolled := !same(*hub, get(o, &appsv1.Deployment{}, "demo-hub").Spec.Template)
			restarted := !same(*redis, get(o, &appsv1.StatefulSet{}, "demo-redis").Spec.Template)
			if rolled != c.rolls || restarted != c.restarts {
				t.Errorf("hub servers were replaced: %v, want %v; Redis was restarted: %v, want %v", rolled, c.rolls, restarted, c.restarts)
			}
		})
	}
	t.Run("what a ConfigMap says", func(t *testing.T) {
		before := get(o, &appsv1.Deployment{}, "demo-hub").Spec.Template.Annotations[v1alpha1.AnnotationContent]
		settings := get(o, &corev1.ConfigMap{}, "settings")
		settings.Data["unused"] = "x"
		if err := o.admin.Update(t.Context(), settings); err != nil {
			t.Fatal(err)
		}
		settings.Data["color"] = "blue"
		if err := o.admin.Update(t.Context(), settings); err != nil {
			t.Fatal(err)
		}
		o.eventually(func() error {
			if get(o, &appsv1.Deployment{}, "demo-hub").Spec.Template.Annotations[v1alpha1.AnnotationContent] == before {
				return errors.New("hub servers are not replaced")
			}
			return nil
		})
	})
}

// hubConfiguration is what new pods of hub servers of demo read at their start.
func hubConfiguration(o *operator) string {
	return get(o, &appsv1.Deployment{}, "demo-hub").Spec.Template.Annotations[v1alpha1.AnnotationConfiguration]
}

func same(a, b corev1.PodTemplateSpec) bool { return a.String() == b.String() }

func TestDeletionKeepsOrDropsVolumesAsAsked(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("drop", "{redis: {storage: {size: 1Gi}}}")
	o.chatCluster("keep", "{redis: {storage: {size: 1Gi, whenDeleted: Retain}}}")
	for name, want := range map[string]appsv1.PersistentVolumeClaimRetentionPolicyType{
		"drop": appsv1.DeletePersistentVolumeClaimRetentionPolicyType, "keep": appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
	} {
		o.ready(name)
		redis := get(o, &appsv1.StatefulSet{}, name+"-redis")
		if got := redis.Spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted; got != want {
			t.Errorf("the volume of %s: %s", name, got)
		}
		o.settle(name)
		cluster := get(o, &v1alpha1.ChatCluster{}, name)
		if len(cluster.Finalizers) != 0 {
			t.Errorf("%s has finalizers %v: nobody could delete it without the operator", name, cluster.Finalizers)
		}
		before := o.versions(name)
		if err := o.admin.Delete(t.Context(), cluster); err != nil {
			t.Fatal(err)
		}
		if o.has(&v1alpha1.ChatCluster{}, name) {
			t.Errorf("%s is still there", name)
		}
		// No garbage collector runs here: what it would remove must not be made again or changed.
		o.settle(name)
		if after := o.versions(name); after != before {
			t.Errorf("objects changed from %s to %s", before, after)
		}
	}
}
