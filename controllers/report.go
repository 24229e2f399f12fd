package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/apply"
)

// report writes the status, if it changed, in one patch, tells users what happened, and says when to look again.
func (r *Reconciler) report(ctx context.Context, s *scope) (ctrl.Result, error) {
	var failures []error
	for _, problem := range s.problems {
		failures = append(failures, problem.err)
		s.lookAgain(problem.retry)
	}
	updateStatus(s)
	r.tell(s)
	if !equality.Semantic.DeepEqual(s.before.Status, s.cluster.Status) {
		if err := r.Client.Status().Patch(ctx, s.cluster, client.MergeFrom(s.before)); client.IgnoreNotFound(err) != nil {
			failures = append(failures, fmt.Errorf("write the status: %w", err))
		}
	}
	if err := errors.Join(failures...); err != nil {
		r.Backoff.LookWithin(ctrl.Request{NamespacedName: s.key()}, s.again)
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: s.again}, nil
}

// tell writes events about what was changed and about conditions that matter.
func (r *Reconciler) tell(s *scope) {
	for _, one := range []struct {
		outcome      apply.Outcome
		reason, verb string
	}{
		{apply.Created, "Created", "created"},
		{apply.Updated, "Updated", "updated"},
		{apply.Repaired, "Repaired", "changed back"},
		{removed, "Removed", "removed"},
	} {
		if names := s.changed(one.outcome); len(names) > 0 {
			r.event(s, corev1.EventTypeNormal, one.reason, "%s %s", one.verb, strings.Join(names, ", "))
		}
	}
	degraded := meta.FindStatusCondition(s.cluster.Status.Conditions, v1alpha1.ConditionDegraded)
	before := meta.FindStatusCondition(s.before.Status.Conditions, v1alpha1.ConditionDegraded)
	if degraded.Status == metav1.ConditionTrue && (before == nil || before.Reason != degraded.Reason || before.Message != degraded.Message) {
		r.event(s, corev1.EventTypeWarning, degraded.Reason, "%s", degraded.Message)
	}
	if became(s, v1alpha1.ConditionReady) {
		r.event(s, corev1.EventTypeNormal, "Ready", "all runs as the spec says")
	}
	switch before := meta.IsStatusConditionTrue(s.before.Status.Conditions, v1alpha1.ConditionDraining); {
	case became(s, v1alpha1.ConditionDraining):
		r.event(s, corev1.EventTypeNormal, "Draining", "%s", draining(s).message)
	case before && !draining(s).is:
		r.event(s, corev1.EventTypeNormal, "Drained", "hub servers that ended are gone")
	}
}

// changed lists what had an outcome, as kinds and names.
func (s *scope) changed(outcome apply.Outcome) []string {
	var names []string
	for _, change := range s.changes {
		if change.outcome == outcome {
			names = append(names, change.kind+" "+change.name)
		}
	}
	slices.Sort(names)
	return names
}

// became tells whether a condition is True now and was not before.
func became(s *scope, condition string) bool {
	return meta.IsStatusConditionTrue(s.cluster.Status.Conditions, condition) &&
		!meta.IsStatusConditionTrue(s.before.Status.Conditions, condition)
}

// eventAction is what the operator did when it wrote an event.
const eventAction = "Reconcile"

// maximumNote is the length of the text of an event that the API server takes.
const maximumNote = 1000

func (r *Reconciler) event(s *scope, kind, reason, format string, arguments ...any) {
	note := cut(fmt.Sprintf(format, arguments...), maximumNote)
	r.Recorder.Eventf(s.cluster, nil, kind, reason, eventAction, "%s", note)
}
