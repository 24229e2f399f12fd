package controllers

import (
	"errors"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/children"
)

func TestErrorsThatWereJoinedAreProblemsOfTheirOwn(t *testing.T) {
	t.Parallel()
	boom, bang := errors.New("boom"), errors.New("bang")
	missing := &kindError{children.HTTPRouteKind()}
	s := observed()
	s.fail("apply the children", errors.Join(missing, errors.Join(boom, bang)))
	if len(s.problems) != 3 || s.problems[0].reason != v1alpha1.ReasonKindMissing || s.problems[0].err != nil {
		t.Fatalf("the problems are %+v", s.problems)
	}
	for at, want := range []error{boom, bang} {
		got := s.problems[at+1]
		if !errors.Is(got.err, want) || got.err.Error() != "apply the children: "+want.Error() {
			t.Errorf("what the log has is %v, want the step and %v", got.err, want)
		}
	}
	if reason := degraded(s, redisReady(s), hubReady(s), verdict{}).reason; reason != v1alpha1.ReasonKindMissing {
		t.Errorf("users are told %s", reason)
	}
}

// A policy or a quota may be mended, and nothing tells.
func TestWhatTheAPIServerRefusesIsTriedAgain(t *testing.T) {
	t.Parallel()
	kind := schema.GroupKind{Group: "apps", Kind: "Deployment"}
	resource := schema.GroupResource{Group: "apps", Resource: "deployments"}
	for name, c := range map[string]struct {
		err    error
		reason string
		retry  time.Duration
	}{
		"the operator finds the spec wrong": {&specError{"redis.cluster", "is for mode Cluster, which needs it"}, v1alpha1.ReasonInvalidSpec, 0},
		"422":                               {apierrors.NewInvalid(kind, "demo-hub", nil), v1alpha1.ReasonInvalidSpec, retryRefused},
		"400":                               {apierrors.NewBadRequest("admission webhook denied the request"), v1alpha1.ReasonInvalidSpec, retryRefused},
		"403":                               {apierrors.NewForbidden(resource, "demo-hub", errors.New("a quota")), v1alpha1.ReasonRefused, retryRefused},
		"413":                               {apierrors.NewRequestEntityTooLargeError("limit is 3145728"), v1alpha1.ReasonRefused, retryRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := observed()
			s.fail("apply the children", c.err)
			if !slices.ContainsFunc(s.problems, func(p problem) bool { return p.reason == c.reason && p.retry == c.retry && p.err == nil }) {
				t.Errorf("the problems are %+v, want %s again in %s", s.problems, c.reason, c.retry)
			}
		})
	}
}
