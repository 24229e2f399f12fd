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

// install installs the chart as people do: the one before this checkout's, if there is one. It is removed when the test ends.
func (s *suite) install(t *testing.T) {
	t.Helper()
	args := s.upgradeArguments(chart)
	if s.before != nil {
		args = append(s.upgradeArguments(s.before.chart), imageValues("operator.image", s.before.operator)...)
		args = append(args, imageValues("hubImage", s.before.hub)...)
	}
	text, err := s.tryHelm(t.Context(), args...)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if t.Failed() {
			s.collect(ctx, t, operatorNamespace)
		}
		if text, err := s.tryHelm(ctx, "uninstall", release, "--namespace", operatorNamespace, "--wait"); err != nil {
			t.Errorf("helm uninstall: %v\n%s", err, text)
		}
		if err := s.deleteKind(ctx); err != nil {
			t.Errorf("deleting the kind: %v", err)
		}
	})
	if err != nil {
		t.Fatalf("helm install: %v\n%s", err, text)
	}
	t.Logf("helm says:\n%s", text)
}

// upgradeArguments are those of helm that bring the release to a chart with the images of this checkout. There are two operators: one
// stands by when the node of the other is lost.
func (s *suite) upgradeArguments(chart string) []string {
	return append([]string{
		"upgrade", "--install", release, chart, "--namespace", operatorNamespace, "--create-namespace", "--wait", "--timeout", "5m",
		"--set", "operator.replicas=2",
	}, s.chartValues()...)
}

// kind is the definition of the ChatCluster kind.
func (s *suite) kind(ctx context.Context) (*unstructured.Unstructured, error) {
	definition := &unstructured.Unstructured{}
	definition.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	return definition, s.client.Get(ctx, ctrl.ObjectKey{Name: "chatclusters.chatcluster.dev"}, definition)
}

// deleteKind deletes the definition of the ChatCluster kind, which helm uninstall leaves, and all ChatClusters with it.
func (s *suite) deleteKind(ctx context.Context) error {
	kind, err := s.kind(ctx)
	if err != nil {
		return ctrl.IgnoreNotFound(err)
	}
	if err := s.client.Delete(ctx, kind); err != nil {
		return err
	}
	return awaitError(ctx, "the end of the kind", patience, func(ctx context.Context) (string, error) {
		exists, err := s.kindExists(ctx)
		if exists {
			return "it is still there", nil
		}
		return "", err
	})
}

// kindExists tells whether the cluster knows the ChatCluster kind.
func (s *suite) kindExists(ctx context.Context) (bool, error) {
	_, err := s.kind(ctx)
	return err == nil, ctrl.IgnoreNotFound(err)
}
