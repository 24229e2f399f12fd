package controllers

import (
	"context"
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/chatcluster/chatcluster/controllers/children"
)

// groups are what an API server says of groups of kinds: the kind that is there, or an error.
type groups struct {
	discovery.ServerResourcesInterface
	kinds  map[string]string
	errors map[string]error
}

// ServerResourcesForGroupVersion implements discovery.ServerResourcesInterface.
func (g groups) ServerResourcesForGroupVersion(groupVersion string) (*metav1.APIResourceList, error) {
	if err := g.errors[groupVersion]; err != nil {
		return nil, err
	}
	kind, there := g.kinds[groupVersion]
	if !there {
		return nil, apierrors.NewNotFound(schema.GroupResource{}, groupVersion)
	}
	return &metav1.APIResourceList{APIResources: []metav1.APIResource{{Kind: kind}}}, nil
}

// An aggregated API whose server is away answers with errors for as long as that is.
func TestAKindThatCannotBeAskedForHidesNoOther(t *testing.T) {
	t.Parallel()
	optional := children.OptionalKinds()
	for at, broken := range optional {
		t.Run(broken.Kind, func(t *testing.T) {
			t.Parallel()
			answers := groups{kinds: map[string]string{}, errors: map[string]error{broken.GroupVersion().String(): errors.New("503")}}
			for _, kind := range optional {
				answers.kinds[kind.GroupVersion().String()] = kind.Kind
			}
			announced := 0
			kinds := &Kinds{
				Discovery: answers, Optional: optional,
				Found:    func(context.Context, schema.GroupVersionKind) error { return nil },
				Announce: func(context.Context) { announced++ },
			}
			if err := kinds.Ask(t.Context()); err == nil || !strings.Contains(err.Error(), broken.Group) {
				t.Errorf("the error is %v", err)
			}
			for other, kind := range optional {
				if kinds.Known(kind) != (other != at) {
					t.Errorf("%s is known: %v", kind.Kind, kinds.Known(kind))
				}
			}
			if announced != 1 {
				t.Errorf("it was announced %d times", announced)
			}
		})
	}
}
