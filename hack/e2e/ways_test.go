package e2e

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/hack/e2e/crowd"
)

// way is a way to install the operator, and to take it away again.
type way struct {
	name, install, remove string
	// namespace is the only one that the operator looks after, without a right that holds for the whole Kubernetes cluster; "" are all.
	namespace string
}

// ways are those that the pages name beside the one of the README.
func (s *suite) ways() []way {
	only := "e2e-" + strconv.FormatInt(time.Now().Unix(), 36)
	return []way{
		{"kubectl apply of one file", "kubectl apply --server-side -f config/install.yaml", "kubectl delete -f config/install.yaml", ""},
		{"kustomize", "kubectl apply --server-side -k config/default", "kubectl delete -k config/default", ""},
		{"make deploy", "make deploy OPERATOR_IMAGE=" + s.images.operator + " HUB_IMAGE=" + s.images.hub, "make undeploy uninstall", ""},
		{
			name: "Helm without rights on the Kubernetes cluster",
			install: "kubectl apply --server-side -f charts/chatcluster/crds && helm " + strings.Join(s.upgradeArguments("charts/chatcluster"), " ") +
				" --skip-crds --set crd.upgrade=false --set rbac.aggregate=false --set rbac.namespaces={" + only + "}",
			remove:    "helm uninstall chatcluster --namespace chatcluster-system --wait && kubectl delete -f charts/chatcluster/crds",
			namespace: only,
		},
	}
}

// TestWaysToInstall installs the operator in each way, makes a ChatCluster with it, and takes all away again.
func TestWaysToInstall(t *testing.T) {
	s := newSuite(t)
	for _, way := range s.ways() {
		t.Run(way.name, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() {
					ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
					defer cancel()
					s.collect(ctx, t, operatorNamespace)
				}
			})
			small := s.newChatIn(t, way.namespace, "small")
			s.typed(t, way.install)
			small.testOperator(t)
			if way.namespace != "" {
				s.expectNoRightsOnTheCluster(t)
			}
			s.typed(t, way.remove)
			await(t, "the end of all that was installed", patience, func(ctx context.Context) (string, error) {
				left, err := s.labelled(ctx, v1alpha1.LabelName, "chatcluster-operator")
				return strings.Join(left, ", "), err
			})
			if way.namespace != "" {
				return
			}
			// The namespace belongs to what was installed, but for Helm, which makes it beside.
			err := s.client.Get(t.Context(), ctrl.ObjectKey{Name: operatorNamespace}, &corev1.Namespace{})
			if ctrl.IgnoreNotFound(err) != nil || err == nil {
				t.Errorf("the namespace %s is left: %v", operatorNamespace, err)
			}
		})
	}
}

// expectNoRightsOnTheCluster checks what a test that may do everything itself does not notice: that the chart asked for no rights but
// those in namespaces.
func (s *suite) expectNoRightsOnTheCluster(t *testing.T) {
	t.Helper()
	if rights, err := s.rightsOnTheCluster(t.Context()); err != nil || len(rights) > 0 {
		t.Errorf("there are %q, %v; want no rights on the Kubernetes cluster", rights, err)
	}
}

// rightsOnTheCluster are the ClusterRoles of the release and the bindings to any.
func (s *suite) rightsOnTheCluster(ctx context.Context) ([]string, error) {
	ofRelease := ctrl.MatchingLabels{v1alpha1.LabelInstance: release}
	var roles rbacv1.ClusterRoleList
	var bindings rbacv1.ClusterRoleBindingList
	if err := errors.Join(s.client.List(ctx, &roles, ofRelease), s.client.List(ctx, &bindings, ofRelease)); err != nil {
		return nil, err
	}
	var found []string
	for _, role := range roles.Items {
		found = append(found, "ClusterRole "+role.Name)
	}
	for _, binding := range bindings.Items {
		found = append(found, "ClusterRoleBinding "+binding.Name)
	}
	return found, nil
}

// testOperator makes the smallest ChatCluster and lets two people talk.
func (c *chat) testOperator(t *testing.T) {
	t.Helper()
	if err := c.awaitOperator(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.apply(t, v1alpha1.ChatClusterSpec{Replicas: new(int32(1))})
	people := c.gather(t, crowd.Options{URL: c.url(t, "/chatHub"), Go: 2})
	defer people.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if got := people.RollCall(ctx); got.Said != 2 || got.Lost+got.Doubled+got.Failed != 0 {
		t.Errorf("two people: %+v", got)
	}
}

func TestRightsOnTheClusterAreKnownByTheLabelOfTheRelease(t *testing.T) {
	named := func(name, of string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, Labels: map[string]string{v1alpha1.LabelInstance: of}}
	}
	client := fake.NewClientBuilder().WithScheme(newScheme(t)).WithObjects(
		&rbacv1.ClusterRole{ObjectMeta: named("operator", release)}, &rbacv1.ClusterRoleBinding{ObjectMeta: named("operator-binds", release)},
		&rbacv1.ClusterRole{ObjectMeta: named("other", "other")}, &rbacv1.ClusterRoleBinding{ObjectMeta: named("other-binds", "other")},
		&rbacv1.Role{ObjectMeta: named("in-a-namespace", release)},
	).Build()
	got, err := (&suite{client: client}).rightsOnTheCluster(t.Context())
	if want := []string{"ClusterRole operator", "ClusterRoleBinding operator-binds"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("rights on the cluster: %q, %v; want %q", got, err, want)
	}
}
