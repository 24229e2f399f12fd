package controllers

import (
	"context"
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/chatcluster/chatcluster/controllers/apply"
	"github.com/chatcluster/chatcluster/controllers/children"
)

// A kind that was there when the operator began may be removed while it works.
func TestAKindThatIsRemovedIsToldAsOneThatIsMissing(t *testing.T) {
	t.Parallel()
	kind := children.HTTPRouteKind()
	gone := apierrors.NewNotFound(schema.GroupResource{Group: kind.Group, Resource: "httproutes"}, "")
	refused := errors.New("connection refused")
	for name, c := range map[string]struct {
		err     error
		missing bool
	}{
		"the API server does not know it": {gone, true},
		"nor does the client":             {&meta.NoKindMatchError{GroupKind: kind.GroupKind()}, true},
		"another error":                   {refused, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := observed()
			fails := fakeClient(t, s, interceptor.Funcs{
				Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
					return gone
				},
				Apply: func(context.Context, client.WithWatch, runtime.ApplyConfiguration, ...client.ApplyOption) error {
					return c.err
				},
			})
			r := &Reconciler{
				Applier: &apply.Applier{Client: fails, Uncached: fails},
				Kinds:   &Kinds{known: map[schema.GroupVersionKind]bool{kind: true}},
			}
			route := &unstructured.Unstructured{}
			route.SetGroupVersionKind(kind)
			route.SetNamespace("default")
			route.SetName("demo")
			err := r.applyChild(t.Context(), s, children.Child{Kind: kind, Name: "demo", Configuration: route, Optional: true})
			if _, missing := errors.AsType[*kindError](err); missing != c.missing {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A look at an object of such a kind comes before anything is written.
func TestAKindThatIsRemovedKeepsNothingElseBack(t *testing.T) {
	t.Parallel()
	child := children.Child{Kind: children.HTTPRouteKind(), Optional: true}
	err := apierrors.NewNotFound(schema.GroupResource{Resource: "httproutes"}, "")
	if !kindRemoved(child, err) {
		t.Error("a kind that was removed is an error like others")
	}
	child.Optional = false
	if kindRemoved(child, err) || kindRemoved(children.Child{Optional: true}, nil) {
		t.Error("something else is taken for a kind that was removed")
	}
}
