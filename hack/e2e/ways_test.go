package e2e

import (
	"context"
	"testing"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/hack/e2e/crowd"
)

// TestWaysToInstall installs the operator in each way but Helm that the pages name, makes a ChatCluster with it, and takes all
// away again.
func TestWaysToInstall(t *testing.T) {
	s := newSuite(t)
	for _, way := range []struct{ install, remove string }{
		{"kubectl apply --server-side -f config/install.yaml", "kubectl delete -f config/install.yaml"},
		{"kubectl apply --server-side -k config/default", "kubectl delete -k config/default"},
		{"make deploy OPERATOR_IMAGE=" + s.images.operator + " HUB_IMAGE=" + s.images.hub, "make undeploy uninstall"},
	} {
		t.Run(way.install, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
					defer cancel()
					s.collect(ctx, t, operatorNamespace)
				}
			})
			s.typed(t, way.install)
			s.testOperator(t)
			s.typed(t, way.remove)
			await(t, "the end of all that was installed", patience, func(ctx context.Context) (string, error) {
				left, err := s.labelled(ctx, v1alpha1.LabelName, "chatcluster-operator")
				if err != nil || len(left) == 0 {
					return "", err
				}
				return left[0] + " is left", nil
			})
		})
	}
}

// testOperator makes the smallest ChatCluster and lets two people talk.
func (s *suite) testOperator(t *testing.T) {
	if err := s.awaitOperator(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := s.newChat(t, "small")
	c.apply(t, v1alpha1.ChatClusterSpec{Replicas: new(int32(1))})
	people := s.gather(t, crowd.Options{URL: c.url(t, "/chatHub"), Go: 2})
	defer people.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if got := people.RollCall(ctx); got.Said != 2 || got.Lost+got.Doubled+got.Failed != 0 {
		t.Errorf("two people: %+v", got)
	}
}
