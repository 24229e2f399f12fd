package controllers

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/chatcluster/chatcluster/controllers/children"
)

const (
	deploymentKind  = "Deployment"
	statefulSetKind = "StatefulSet"
)

// applyChildren brings all objects to what is wanted. First those are tried that a user's words can spoil: if the API server
// would refuse one, none is changed. After that a failure at one does not keep the others back.
func (r *Reconciler) applyChildren(ctx context.Context, s *scope) error {
	list, err := children.List(s.wanted)
	if err != nil {
		return err
	}
	for _, child := range list {
		if child.Checked && child.Wanted() && r.known(child) {
			if err := r.Applier.Try(ctx, s.cluster, child.Configuration); err != nil && !kindRemoved(child, err) {
				return err
			}
		}
	}
	var failures []error
	for _, child := range list {
		if s.remaking[child.Name] && child.Kind.Kind == statefulSetKind {
			continue
		}
		if err := r.applyChild(ctx, s, child); err != nil {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

func (r *Reconciler) known(child children.Child) bool {
	return !child.Optional || r.Kinds.Known(child.Kind)
}

// kindRemoved tells by an error that a kind is not there any more, though it was found once.
func kindRemoved(child children.Child, err error) bool {
	return child.Optional && (apierrors.IsNotFound(err) || meta.IsNoMatchError(err))
}

func (r *Reconciler) applyChild(ctx context.Context, s *scope, child children.Child) error {
	switch {
	case child.Wanted() && !r.known(child):
		return &kindError{child.Kind}
	case child.Wanted():
		outcome, err := r.Applier.Apply(ctx, s.cluster, child.Configuration)
		if kindRemoved(child, err) {
			return &kindError{child.Kind}
		}
		if err != nil {
			return err
		}
		s.changes = append(s.changes, change{outcome, child.Kind.Kind, child.Name})
		return nil
	case !r.known(child):
		return nil
	}
	gone, err := r.Applier.Remove(ctx, s.cluster, child.Kind, child.Name)
	if gone {
		s.changes = append(s.changes, change{removed, child.Kind.Kind, child.Name})
	}
	return err
}
