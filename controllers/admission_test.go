package controllers_test

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// What hub servers would refuse at their start, or understand otherwise, must not get as far as them.
func TestOnlyWhatHubServersUnderstandIsTaken(t *testing.T) {
	p := useControlPlane(t)
	const (
		paths     = "there hub servers say how they are"
		audiences = "spec.hub.authentication.audiences[0]"
		skew      = "spec.hub.authentication.clockSkewSeconds"
	)
	for _, c := range []struct{ hub, refusal string }{
		{"path: /chat", ""},
		{"path: /healthz", paths},
		{"path: /HealthZ", paths},
		{"path: /READYZ", paths},
		{"path: /healthz2", ""},
		{"path: /ready/readyz", ""},
		{"pathBase: /chat", ""},
		{"pathBase: /Healthz", paths},
		{"pathBase: /readyz", paths},
		{"pathBase: /readyz/chat", ""},
		{"authentication: {key: {name: a, key: b}, audiences: [chat, 'https://chat.example.com/api']}", ""},
		{"authentication: {key: {name: a, key: b}, audiences: [' ']}", audiences},
		{"authentication: {key: {name: a, key: b}, audiences: [';']}", audiences},
		{"authentication: {key: {name: a, key: b}, audiences: ['a;b']}", audiences},
		{"authentication: {key: {name: a, key: b}, audiences: ['a,b']}", audiences},
		{"authentication: {key: {name: a, key: b}, clockSkewSeconds: 3600}", ""},
		{"authentication: {key: {name: a, key: b}, clockSkewSeconds: 3601}", skew},
	} {
		t.Run(c.hub, func(t *testing.T) {
			cluster := &v1alpha1.ChatCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "admission"}}
			if err := yaml.Unmarshal([]byte("{"+c.hub+"}"), &cluster.Spec.Hub); err != nil {
				t.Fatal(err)
			}
			err := p.admin.Create(t.Context(), cluster, client.DryRunAll)
			if (err == nil) != (c.refusal == "") || err != nil && !strings.Contains(err.Error(), c.refusal) {
				t.Errorf("the API server says %v, want %q", err, c.refusal)
			}
		})
	}
}

// Kubernetes keeps the class of a load balancer as long as the Service is one. A ChatCluster that asked for another would never get it,
// nor anything else.
func TestTheClassOfALoadBalancerStays(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("with", "{service: {type: LoadBalancer, loadBalancerClass: example.com/one}}")
	o.chatCluster("without", "{service: {type: LoadBalancer}}")
	o.chatCluster("inside", "{service: {type: ClusterIP}}")
	for _, name := range []string{"with", "without", "inside"} {
		o.eventually(func() error {
			if !o.has(&corev1.Service{}, name) {
				return errors.New("there is no Service " + name)
			}
			return nil
		})
	}
	for _, c := range []struct {
		name, cluster, change string
		taken                 bool
	}{
		{"another class", "with", "{loadBalancerClass: example.com/two}", false},
		{"no class any more", "with", "{loadBalancerClass: null}", false},
		{"a class later", "without", "{loadBalancerClass: example.com/one}", false},
		{"the same class", "with", "{type: LoadBalancer, loadBalancerClass: example.com/one}", true},
		{"still no class", "without", "{type: LoadBalancer}", true},
		{"another type", "with", "{type: NodePort, loadBalancerClass: null}", true},
		{"a load balancer with a class", "inside", "{type: LoadBalancer, loadBalancerClass: example.com/one}", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dryRun := func(object client.Object, patch string) error {
				encoded, err := yaml.YAMLToJSON([]byte(patch))
				if err != nil {
					t.Fatal(err)
				}
				return o.admin.Patch(t.Context(), object, client.RawPatch("application/merge-patch+json", encoded), client.DryRunAll)
			}
			if err := dryRun(get(o, &corev1.Service{}, c.cluster), "{spec: "+c.change+"}"); (err == nil) != c.taken {
				t.Errorf("of the Service Kubernetes says %v", err)
			}
			err := dryRun(get(o, &v1alpha1.ChatCluster{}, c.cluster), "{spec: {service: "+c.change+"}}")
			if (err == nil) != c.taken || err != nil && !strings.Contains(err.Error(), "service.loadBalancerClass cannot be set, changed or removed") {
				t.Errorf("of the ChatCluster it says %v", err)
			}
		})
	}
}
