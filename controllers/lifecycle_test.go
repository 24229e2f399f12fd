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
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

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
			if file := get(o, &corev1.ConfigMap{}, "demo-hub").Data["hub.yaml"]; !strings.Contains(file, "https://a.example") {
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
			if got := *get(o, &appsv1.Deployment{}, "demo-hub").Spec.Template.Spec.TerminationGracePeriodSeconds; got != 100 {
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

func same(a, b corev1.PodTemplateSpec) bool { return a.String() == b.String() }

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
		config := get(o, &corev1.ConfigMap{}, "demo-hub")
		delete(config.Labels, v1alpha1.LabelManagedBy)
		if err := o.admin.Update(t.Context(), config); err != nil {
			t.Fatal(err)
		}
		o.eventually(func() error {
			if get(o, &corev1.ConfigMap{}, "demo-hub").Labels[v1alpha1.LabelManagedBy] == "" {
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

func TestASpecThatContradictsItselfChangesNothing(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{}")
	o.ready("demo")
	o.settle("demo")
	before := o.versions("demo")
	for _, c := range []struct{ name, patch, back, message string }{
		{"what the operator checks", "{spec: {hub: {podMetadata: {labels: {team: 'a b'}}, corsOrigins: ['https://x.example']}}}",
			"{spec: {hub: {podMetadata: null, corsOrigins: null}}}", "hub.podMetadata.labels"},
		{"what the API server checks", "{spec: {hub: {resources: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}, corsOrigins: ['https://x.example']}}}",
			"{spec: {hub: {resources: {requests: {memory: 128Mi}, limits: {memory: 512Mi}}, corsOrigins: null}}}", "memory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o.patch("demo", c.patch)
			o.condition("demo", v1alpha1.ConditionDegraded, metav1.ConditionTrue, v1alpha1.ReasonInvalidSpec)
			o.condition("demo", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonInvalidSpec)
			o.condition("demo", v1alpha1.ConditionHubReady, metav1.ConditionTrue, v1alpha1.ReasonHubServing)
			o.event("demo", v1alpha1.ReasonInvalidSpec, c.message)
			if after := o.versions("demo"); after != before {
				t.Errorf("objects changed from %s to %s", before, after)
			}
			o.patch("demo", c.back)
			o.condition("demo", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonAllReady)
			if after := o.versions("demo"); after != before {
				t.Errorf("objects changed from %s to %s", before, after)
			}
		})
	}
}

func TestANameThatIsTakenIsNotTouched(t *testing.T) {
	o := runOperator(t)
	theirs := o.create("apiVersion: v1\nkind: Service\nmetadata: {name: demo}\nspec: {ports: [{port: 99}], selector: {app: theirs}}\n")
	o.chatCluster("demo", "{}")
	o.condition("demo", v1alpha1.ConditionDegraded, metav1.ConditionTrue, v1alpha1.ReasonNameTaken)
	o.condition("demo", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNameTaken)
	o.event("demo", v1alpha1.ReasonNameTaken, "Service demo")
	service := get(o, &corev1.Service{}, "demo")
	if service.ResourceVersion != theirs.GetResourceVersion() || len(service.OwnerReferences) != 0 {
		t.Errorf("the Service of somebody else was changed: %+v", service)
	}
	if err := o.admin.Delete(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	o.patch("demo", "{metadata: {annotations: {look: again}}}") // the operator looks by itself within a minute
	o.ready("demo")
}

func TestAMissingSecretIsWaitedFor(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", `{redis: {mode: External, external: {connection: {name: shared, key: connection}}},
	  hub: {env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: tokens, key: token}}}, {name: MAYBE, valueFrom: {secretKeyRef: {name: none, key: x, optional: true}}}]}}`)
	o.condition("demo", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonReferenceMissing)
	o.condition("demo", v1alpha1.ConditionRedisReady, metav1.ConditionFalse, v1alpha1.ReasonConnectionMissing)
	if o.has(&appsv1.Deployment{}, "demo-hub") {
		t.Error("there are hub servers that cannot start")
	}
	o.create("apiVersion: v1\nkind: Secret\nmetadata: {name: shared}\nstringData: {other: x}\n")
	o.event("demo", v1alpha1.ReasonReferenceMissing, "which has no such key")
	shared := get(o, &corev1.Secret{}, "shared")
	shared.StringData = map[string]string{"connection": "redis.example.com:6379"}
	if err := o.admin.Update(t.Context(), shared); err != nil {
		t.Fatal(err)
	}
	o.create("apiVersion: v1\nkind: Secret\nmetadata: {name: tokens}\nstringData: {token: one}\n")
	o.ready("demo")
	if o.has(&appsv1.StatefulSet{}, "demo-redis") || o.has(&corev1.Secret{}, "demo-redis-auth") {
		t.Error("there is a Redis beside the external one")
	}
	content := func() string {
		return get(o, &appsv1.Deployment{}, "demo-hub").Spec.Template.Annotations[v1alpha1.AnnotationContent]
	}
	before := content()
	change := func(name, key, value string) {
		secret := get(o, &corev1.Secret{}, name)
		secret.StringData = map[string]string{key: value}
		if err := o.admin.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	change("shared", "connection", "other.example.com:6379") // hub servers read it again by themselves
	o.settle("demo")
	if content() != before {
		t.Error("a new connection string replaced the hub servers")
	}
	change("tokens", "token", "two")
	o.eventually(func() error {
		if content() == before {
			return errors.New("a new value of a variable did not replace the hub servers")
		}
		return nil
	})
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

func TestImmutableFieldsAreRefused(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{redis: {storage: {size: 1Gi}}}")
	for patch, message := range map[string]string{
		"{spec: {redis: {storage: {size: 1Mi}}}}": "redis.storage.size cannot be made smaller",
		"{spec: {redis: {storage: null}}}":        "redis.storage cannot be added or removed",
		`{"spec":{"redis":{"storage":null,"mode":"External","external":{"connection":{"name":"a","key":"b"}}}}}`: "redis.mode cannot be changed",
	} {
		cluster := get(o, &v1alpha1.ChatCluster{}, "demo")
		encoded, err := yaml.YAMLToJSON([]byte(patch))
		if err != nil {
			t.Fatal(err)
		}
		err = o.admin.Patch(t.Context(), cluster, client.RawPatch("application/merge-patch+json", encoded))
		if err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v", patch, err)
		}
	}
}
