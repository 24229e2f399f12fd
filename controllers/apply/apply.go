// Package apply brings objects to what is wanted of them by server-side apply, and writes nothing if they are so already.
package apply

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// Manager is the field manager of all that is applied here.
const Manager = v1alpha1.OperatorName

// Outcome is what Apply did.
type Outcome string

// The outcomes.
const (
	// Unchanged: the object is as wanted; nothing was written.
	Unchanged Outcome = "Unchanged"
	// Created: the object was not there.
	Created Outcome = "Created"
	// Updated: something else is wanted now.
	Updated Outcome = "Updated"
	// Repaired: what is wanted was changed by somebody else.
	Repaired Outcome = "Repaired"
)

// TakenError says that an object is there and belongs to somebody else.
type TakenError struct {
	Kind, Name string
	// Holder is the controller that owns it, such as "Deployment other", or empty.
	Holder string
}

func (e *TakenError) Error() string {
	if e.Holder == "" {
		return fmt.Sprintf("%s %s is there already and was not made for this ChatCluster: remove or rename it", e.Kind, e.Name)
	}
	return fmt.Sprintf("%s %s is there already and belongs to %s: remove or rename it", e.Kind, e.Name, e.Holder)
}

// Applier applies objects that belong to an owner. It may be used by many at a time.
type Applier struct {
	// Client reads from a cache that may hide objects without the operator's label, and writes.
	Client client.Client
	// Uncached sees all objects. It is asked only before an object is made.
	Uncached client.Reader

	// mu guards same. It is not held while something is read or written.
	mu sync.Mutex
	// same has the version of each object that differs from what is wanted, and that was the same after that was applied: the API
	// server writes some value in another way. Without it such an object would be applied for ever.
	same map[owned]string
}

// owned is an object of an owner.
type owned struct {
	owner types.NamespacedName
	uid   types.UID
}

// Apply makes the object as wanted. The configuration has its kind, name and namespace, and the owner as its controller.
func (a *Applier) Apply(ctx context.Context, owner client.Object, configuration any) (Outcome, error) {
	wanted, err := stamped(configuration)
	if err != nil {
		return "", err
	}
	live, outcome, err := a.plan(ctx, owner, wanted)
	if err != nil || outcome == Unchanged {
		return outcome, err
	}
	written, err := a.write(ctx, wanted)
	if err == nil && live != nil && written.GetResourceVersion() == live.GetResourceVersion() {
		a.remember(owner, live)
		return Unchanged, nil
	}
	return outcome, err
}

// Try asks the API server whether it would take a change, and changes nothing. Only an object that is there is tried: where
// there is none, there is nothing that could be spoiled.
func (a *Applier) Try(ctx context.Context, owner client.Object, configuration any) error {
	wanted, err := stamped(configuration)
	if err != nil {
		return err
	}
	live, err := a.read(ctx, wanted)
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	outcome, err := a.judge(ctx, owner, wanted, live)
	if err != nil || outcome == Unchanged {
		return err
	}
	_, err = a.write(ctx, wanted, client.DryRunAll)
	return err
}

// plan returns what is to be done, and the object as the cache has it, or nil.
func (a *Applier) plan(ctx context.Context, owner client.Object, wanted *unstructured.Unstructured) (client.Object, Outcome, error) {
	live, err := a.read(ctx, wanted)
	switch {
	case err == nil:
		outcome, err := a.judge(ctx, owner, wanted, live)
		return live, outcome, err
	case !apierrors.IsNotFound(err):
		return nil, "", fmt.Errorf("read %s: %w", describe(wanted), err)
	}
	// It may be there all the same: hidden, because somebody took off its label, or because it never had it.
	hidden := &metav1.PartialObjectMetadata{}
	hidden.SetGroupVersionKind(wanted.GroupVersionKind())
	err = a.Uncached.Get(ctx, client.ObjectKeyFromObject(wanted), hidden)
	switch {
	case apierrors.IsNotFound(err):
		return nil, Created, nil
	case err != nil:
		return nil, "", fmt.Errorf("look for %s: %w", describe(wanted), err)
	}
	return nil, Repaired, refuse(owner, wanted, hidden)
}

func (a *Applier) judge(ctx context.Context, owner client.Object, wanted *unstructured.Unstructured, live client.Object) (Outcome, error) {
	if err := refuse(owner, wanted, live); err != nil {
		return "", err
	}
	outcome, where, err := compare(wanted, live)
	if outcome == Repaired && a.remembered(owner, live) {
		return Unchanged, nil
	}
	if outcome == Repaired {
		logf.FromContext(ctx).Info("Changing back what somebody else changed", "object", describe(wanted), "field", where)
	}
	return outcome, err
}

// write returns the object as it is afterwards.
func (a *Applier) write(
	ctx context.Context, wanted *unstructured.Unstructured, options ...client.ApplyOption,
) (*unstructured.Unstructured, error) {
	options = append(options, client.FieldOwner(Manager), client.ForceOwnership)
	written := wanted.DeepCopy()
	if err := a.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(written), options...); err != nil {
		return nil, fmt.Errorf("apply %s: %w", describe(wanted), err)
	}
	return written, nil
}

func (a *Applier) remember(owner, live client.Object) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.same == nil {
		a.same = map[owned]string{}
	}
	a.same[owned{client.ObjectKeyFromObject(owner), live.GetUID()}] = live.GetResourceVersion()
}

func (a *Applier) remembered(owner, live client.Object) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.same[owned{client.ObjectKeyFromObject(owner), live.GetUID()}] == live.GetResourceVersion()
}

// Forget drops what is remembered of the objects of an owner that is gone.
func (a *Applier) Forget(owner types.NamespacedName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.same, func(of owned, _ string) bool { return of.owner == owner })
}

// Known returns how many objects are remembered.
func (a *Applier) Known() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.same)
}

// Remove deletes an object that is not wanted any more, if it is there and belongs to the owner.
func (a *Applier) Remove(ctx context.Context, owner client.Object, kind schema.GroupVersionKind, name string) (removed bool, err error) {
	unwanted := &unstructured.Unstructured{}
	unwanted.SetGroupVersionKind(kind)
	unwanted.SetName(name)
	unwanted.SetNamespace(owner.GetNamespace())
	live, err := a.read(ctx, unwanted)
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read %s: %w", describe(unwanted), err)
	case !metav1.IsControlledBy(live, owner) || live.GetDeletionTimestamp() != nil:
		return false, nil
	}
	uid := live.GetUID()
	err = a.Client.Delete(ctx, live, client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if err != nil && !apierrors.IsNotFound(err) {
		return false, fmt.Errorf("delete %s: %w", describe(unwanted), err)
	}
	return true, nil
}

// read gets the object in the form that the cache has: typed if the type is known.
func (a *Applier) read(ctx context.Context, wanted *unstructured.Unstructured) (client.Object, error) {
	live, err := a.empty(wanted.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	if err := a.Client.Get(ctx, client.ObjectKeyFromObject(wanted), live); err != nil {
		return nil, err
	}
	return live, nil
}

func (a *Applier) empty(kind schema.GroupVersionKind) (client.Object, error) {
	typed, err := a.Client.Scheme().New(kind)
	if runtime.IsNotRegisteredError(err) {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(kind)
		return object, nil
	}
	object, ok := typed.(client.Object)
	if err != nil || !ok {
		return nil, errors.Join(err, fmt.Errorf("%s is no kind of object", kind))
	}
	return object, nil
}

// refuse returns why the object cannot be touched.
func refuse(owner client.Object, wanted *unstructured.Unstructured, live client.Object) error {
	if metav1.IsControlledBy(live, owner) {
		return nil
	}
	taken := &TakenError{Kind: wanted.GetKind(), Name: wanted.GetName()}
	if holder := metav1.GetControllerOf(live); holder != nil {
		taken.Holder = holder.Kind + " " + holder.Name
	}
	return taken
}

// stamped is the configuration with a hash of itself as an annotation, which tells a new intent from a changed object.
func stamped(configuration any) (*unstructured.Unstructured, error) {
	encoded, err := json.Marshal(configuration)
	if err != nil {
		return nil, fmt.Errorf("encode what is wanted: %w", err)
	}
	wanted := &unstructured.Unstructured{}
	if err := wanted.UnmarshalJSON(encoded); err != nil {
		return nil, fmt.Errorf("decode what is wanted: %w", err)
	}
	sum := sha256.Sum256(encoded)
	annotations := wanted.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha1.AnnotationIntent] = hex.EncodeToString(sum[:8])
	wanted.SetAnnotations(annotations)
	return wanted, nil
}

func describe(object client.Object) string {
	return object.GetObjectKind().GroupVersionKind().Kind + " " + object.GetName()
}
