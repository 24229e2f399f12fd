package controllers_test

import (
	"strings"
	"testing"

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
