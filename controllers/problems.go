package controllers

import (
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/apply"
)

// problem is why what runs is not what the spec says. It decides what users are told and when to look again.
type problem struct {
	// reason is of Degraded; empty for a problem that will most likely be gone at the next try, which users are spared.
	reason  string
	message string
	// retry is when to look again. 0: when something changes that is watched.
	retry time.Duration
	// err is returned to the controller, which logs it and tries again, waiting longer each time, as Backoff says.
	err error
}

// How long to wait where nothing tells that something changed.
const (
	retryTaken   = time.Minute
	retryRefused = 30 * time.Second
)

// specError says what is wrong with the spec.
type specError struct{ field, reason string }

func (e *specError) Error() string { return fmt.Sprintf("%s %s", e.field, e.reason) }

// referenceError says what the spec refers to and is not there.
type referenceError struct{ reference, reason string }

func (e *referenceError) Error() string { return fmt.Sprintf("%s %s", e.reference, e.reason) }

// parts are the errors that were joined to one.
func parts(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, parts(one)...)
	}
	return all
}

// problemOf sorts an error by what can be done about it.
func problemOf(err error) problem {
	if spec, ok := errors.AsType[*specError](err); ok {
		return problem{reason: v1alpha1.ReasonInvalidSpec, message: spec.Error()}
	}
	if reference, ok := errors.AsType[*referenceError](err); ok {
		return problem{reason: v1alpha1.ReasonReferenceMissing, message: reference.Error()}
	}
	if taken, ok := errors.AsType[*apply.TakenError](err); ok {
		return problem{reason: v1alpha1.ReasonNameTaken, message: taken.Error(), retry: retryTaken}
	}
	if volume, ok := errors.AsType[volumeError](err); ok {
		return problem{reason: v1alpha1.ReasonVolumesNotGrown, message: volume.Error(), retry: retryRefused}
	}
	if kind, ok := errors.AsType[*kindError](err); ok {
		return problem{reason: v1alpha1.ReasonKindMissing, message: kind.Error(), retry: retryTaken}
	}
	// What the API server refuses may not be the fault of the spec: a webhook answers as it likes, and is mended without anything
	// changing that is watched.
	switch reason := apierrors.ReasonForError(err); {
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return problem{reason: v1alpha1.ReasonInvalidSpec, message: rejection(err), retry: retryRefused}
	case reason == metav1.StatusReasonForbidden, reason == metav1.StatusReasonRequestEntityTooLarge:
		return problem{reason: v1alpha1.ReasonRefused, message: rejection(err), retry: retryRefused}
	}
	return problem{err: err}
}

// rejection is what the API server said, without what was tried.
func rejection(err error) string {
	if status, ok := errors.AsType[*apierrors.StatusError](err); ok {
		return status.ErrStatus.Message
	}
	return err.Error()
}

// shownReason and shownMessage are what users see of any problem.
func (p problem) shownReason() string {
	if p.reason == "" {
		return v1alpha1.ReasonRetrying
	}
	return p.reason
}

func (p problem) shownMessage() string {
	if p.reason == "" {
		return "the operator could not do its work and tries again; its log says why"
	}
	return p.message
}
