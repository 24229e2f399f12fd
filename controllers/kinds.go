package controllers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

// kindError says that the Kubernetes cluster does not know a kind.
type kindError struct{ kind schema.GroupVersionKind }

func (e *kindError) Error() string {
	return fmt.Sprintf("the Kubernetes cluster does not know %s of %s: install it, or remove from the spec what asks for it",
		e.kind.Kind, e.kind.GroupVersion())
}

// askForKinds is how often the API server is asked for kinds that it did not know.
const askForKinds = time.Minute

// Kinds knows which of the optional kinds the Kubernetes cluster has. It asks now and then for those that were missing, and
// tells when one has come. It may be used by many at a time.
type Kinds struct {
	// Discovery is asked.
	Discovery discovery.ServerResourcesInterface
	// Optional are the kinds.
	Optional []schema.GroupVersionKind
	// Found is called once for each kind that is there, before Known tells so.
	Found func(context.Context, schema.GroupVersionKind) error
	// Announce is called when kinds have come, after Known tells so.
	Announce func(context.Context)
	// Every is how often missing kinds are asked for. Default: once a minute.
	Every time.Duration

	// mu guards known.
	mu    sync.Mutex
	known map[schema.GroupVersionKind]bool
}

// Known tells whether a kind is there.
func (k *Kinds) Known(kind schema.GroupVersionKind) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.known[kind]
}

// Start asks until ctx ends. It implements manager.Runnable.
func (k *Kinds) Start(ctx context.Context) error {
	every := k.Every
	if every == 0 {
		every = askForKinds
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := k.Ask(ctx); err != nil {
			logf.FromContext(ctx).Error(err, "Cannot ask for optional kinds")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Ask looks for the kinds that are missing so far. One that cannot be asked for keeps no other back.
func (k *Kinds) Ask(ctx context.Context) error {
	found := false
	var failures []error
	for _, kind := range k.Optional {
		if k.Known(kind) {
			continue
		}
		came, err := k.askFor(ctx, kind)
		found, failures = found || came, append(failures, err)
	}
	if found {
		k.Announce(ctx)
	}
	return errors.Join(failures...)
}

// askFor tells whether a kind has come.
func (k *Kinds) askFor(ctx context.Context, kind schema.GroupVersionKind) (came bool, err error) {
	if there, err := k.there(kind); err != nil || !there {
		return false, err
	}
	if err := k.Found(ctx, kind); err != nil {
		return false, fmt.Errorf("watch %s: %w", kind.Kind, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil {
		k.known = map[schema.GroupVersionKind]bool{}
	}
	k.known[kind] = true
	return true, nil
}

func (k *Kinds) there(kind schema.GroupVersionKind) (bool, error) {
	resources, err := k.Discovery.ServerResourcesForGroupVersion(kind.GroupVersion().String())
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("ask for the kinds of %s: %w", kind.GroupVersion(), err)
	}
	for _, resource := range resources.APIResources {
		if resource.Kind == kind.Kind {
			return true, nil
		}
	}
	return false, nil
}
