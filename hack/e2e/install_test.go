package e2e

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime/pkg/client"
)

// chart is where the chart is.
const chart = "../../charts/chatcluster"

// install installs the chart as people do. It is removed when the test ends.
func (s *suite) install(t *testing.T, values ...string) {
	t.Helper()
	args := append([]string{"upgrade", "--install", release, chart, "--namespace", operatorNamespace, "--create-namespace", "--wait", "--timeout", "5m"}, s.chartValues()...)
	text, err := s.tryHelm(t.Context(), append(args, values...)...)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if t.Failed() {
			s.collect(ctx, t, operatorNamespace)
		}
		if text, err := s.tryHelm(ctx, "uninstall", release, "--namespace", operatorNamespace, "--wait"); err != nil {
			t.Errorf("helm uninstall: %v\n%s", err, text)
		}
	})
	if err != nil {
		t.Fatalf("helm install: %v\n%s", err, text)
	}
	t.Logf("helm says:\n%s", text)
}

// kindExists tells whether the cluster knows the ChatCluster kind.
func (s *suite) kindExists(ctx context.Context) (bool, error) {
	definition := &unstructured.Unstructured{}
	definition.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	err := s.client.Get(ctx, ctrl.ObjectKey{Name: "chatclusters.chatcluster.dev"}, definition)
	return err == nil, ctrl.IgnoreNotFound(err)
}
