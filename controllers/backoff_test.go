package controllers

import (
	"context"
	"errors"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func TestAnErrorThatLastsDoesNotPutOffLooks(t *testing.T) {
	t.Parallel()
	broken := errors.New("the API server does not want it")
	for name, c := range map[string]struct {
		look      time.Duration
		low, high time.Duration
	}{
		"a Redis that is looked at every second": {time.Second, time.Second, time.Second},
		// The alert on an operator that fails counts the errors of five minutes.
		"nothing to look at": {0, time.Minute, 5 * time.Minute / 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := observed()
			s.cluster.Namespace = "default"
			s.before = s.cluster.DeepCopy()
			r := &Reconciler{Client: fakeClient(t, s, interceptor.Funcs{}), Recorder: events.NewFakeRecorder(100), Backoff: NewBackoff()}
			s.lookAgain(c.look)
			s.fail("apply the children", broken)
			request, wait := reconcile.Request{NamespacedName: s.key()}, time.Duration(0)
			for range 20 {
				if _, err := r.report(t.Context(), s); !errors.Is(err, broken) {
					t.Fatalf("the error that metrics count and the log has is %v", err)
				}
				wait = r.Backoff.When(request)
			}
			if wait < c.low || wait > c.high {
				t.Errorf("the next look is in %s", wait)
			}
			r.Backoff.Forget(request)
			if wait := r.Backoff.When(request); wait != firstBackoff {
				t.Errorf("after a success an error waits for %s", wait)
			}
		})
	}
}

func TestWhatCannotBeSeenIsLookedAtAgainSoon(t *testing.T) {
	t.Parallel()
	broken := errors.New("the API server does not answer")
	s := observed()
	s.cluster.Namespace = "default"
	r := &Reconciler{Backoff: NewBackoff(), Client: fakeClient(t, s, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if _, is := object.(*appsv1.Deployment); is {
				return broken
			}
			return c.Get(ctx, key, object, options...)
		},
	})}
	request, wait := reconcile.Request{NamespacedName: s.key()}, time.Duration(0)
	for range 20 {
		if _, err := r.Reconcile(t.Context(), request); !errors.Is(err, broken) {
			t.Fatalf("the error is %v", err)
		}
		wait = r.Backoff.When(request)
	}
	if wait > time.Minute {
		t.Errorf("the next look is in %s", wait)
	}
}

// fakeClient has the ChatCluster of a scope.
func fakeClient(t *testing.T, s *scope, funcs interceptor.Funcs) client.WithWatch {
	t.Helper()
	scheme, err := NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(s.cluster).WithStatusSubresource(s.cluster).WithInterceptorFuncs(funcs).Build()
}
