package controllers_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/server/host/config"
)

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

func TestACertificateWithoutItsKeyIsWaitedFor(t *testing.T) {
	o := runOperator(t)
	o.create("apiVersion: v1\nkind: Secret\nmetadata: {name: chat-tls}\nstringData: {tls.crt: certificate}\n")
	o.chatCluster("demo", "{tls: {secretName: chat-tls}}")
	o.condition("demo", v1alpha1.ConditionDegraded, metav1.ConditionTrue, v1alpha1.ReasonReferenceMissing)
	o.message("demo", v1alpha1.ConditionDegraded, "tls.secretName refers to key tls.key of Secret chat-tls, which has no such key")
	if o.has(&appsv1.Deployment{}, "demo-hub") {
		t.Error("there are hub servers that cannot start")
	}
	addKey := func(key string) {
		secret := get(o, &corev1.Secret{}, "chat-tls")
		secret.StringData = map[string]string{"tls.key": key}
		if err := o.admin.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	addKey("one")
	o.ready("demo")
	o.settle("demo")
	before := get(o, &appsv1.Deployment{}, "demo-hub").Spec.Template
	addKey("two") // hub servers read it again by themselves
	o.settle("demo")
	if !same(before, get(o, &appsv1.Deployment{}, "demo-hub").Spec.Template) {
		t.Error("another key replaced the hub servers")
	}
}

func TestImmutableFieldsAreRefused(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{redis: {storage: {size: 1Gi}}}")
	for patch, message := range map[string]string{
		"{spec: {redis: {storage: null}}}": "redis.storage cannot be added or removed",
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

// What hub servers would refuse at their start must not get as far as them.
func TestOnlyProxiesThatHubServersKnowAreTaken(t *testing.T) {
	p := useControlPlane(t)
	for _, c := range []struct {
		proxy string
		taken bool
	}{
		{"10.0.0.0/8", true},
		{"10.0.0.7", true},
		{"10.0.0.7/8", true},
		{"fd00::/8", true},
		{"fd00::7", true},
		{"FD00::7", true},
		{"10.0.0.0/33", false},
		{"10.0.0", false},
		{"10.0.0.256", false},
		{"10.0.0.0/", false},
		{"10.0.0.0/08", false},
		{"fd00::/129", false},
		{"1:2", false},
		{"fe80::1%eth0", false},
		{"proxy", false},
		{"2001:db8:0:0:0:0:0:0:1", false},
	} {
		t.Run(c.proxy, func(t *testing.T) {
			if err := config.Networks(new([]netip.Prefix)).Set(c.proxy); (err == nil) != c.taken {
				t.Fatalf("hub servers say %v", err)
			}
			cluster := &v1alpha1.ChatCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "proxies"}}
			cluster.Spec.Hub.TrustedProxies = []string{c.proxy}
			err := p.admin.Create(t.Context(), cluster, client.DryRunAll)
			if c.taken && err != nil {
				t.Fatal(err)
			}
			if !c.taken && (err == nil || !strings.Contains(err.Error(), "hub.trustedProxies has IP addresses and networks")) {
				t.Errorf("the API server says %v", err)
			}
		})
	}
}
