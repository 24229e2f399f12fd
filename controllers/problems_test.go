package controllers

import (
	"errors"
	"testing"

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
