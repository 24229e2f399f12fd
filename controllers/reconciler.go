// Package controllers is the operator: it makes what runs match what each ChatCluster says, and says how it is.
//
// A reconcile looks at what there is, decides what should be, writes the difference and reports. What should be is built by
// the pure functions of package children, written by package apply, and told by the pure functions of status.go.
package controllers

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/apply"
	"github.com/chatcluster/chatcluster/controllers/load"
)

// Reconciler makes what runs match what a ChatCluster says. Its fields do not change once it runs.
type Reconciler struct {
	// Client reads from a cache that has what the operator made, and writes the status.
	Client client.Client
	// Uncached reads what is not in the cache.
	Uncached client.Reader
	// Applier writes the children.
	Applier *apply.Applier
	// Recorder tells users what changed and why.
	Recorder events.EventRecorder
	// Loads sees what hub servers have to do.
	Loads *load.Observer
	// Redis tells a Redis that runs what is new.
	Redis RedisTeller
	// Hands reach the servers of a Redis of several.
	Hands func(RedisAccess) RedisHands
	// Certificates knows those of Redis.
	Certificates *Certificates
	// References knows the Secrets and ConfigMaps that users wrote.
	References *References
	// Kinds knows which optional kinds there are.
	Kinds *Kinds
	// Backoff says when to try again after an error.
	Backoff *Backoff
	// Defaults are for what a ChatCluster does not say.
	Defaults Defaults
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Defaults are what the operator chooses where a ChatCluster does not say.
type Defaults struct {
	HubImage, RedisImage string
	// Namespace is where the operator runs; empty outside of Kubernetes.
	Namespace string
	// ClusterDomain is the domain of the Kubernetes cluster.
	ClusterDomain string
}

// Reconcile looks at one ChatCluster once. A second look right after it writes nothing.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	cluster := &v1alpha1.ChatCluster{}
	err := r.Client.Get(ctx, request.NamespacedName, cluster)
	if apierrors.IsNotFound(err) || err == nil && !cluster.DeletionTimestamp.IsZero() {
		r.forget(request.NamespacedName)
		return ctrl.Result{}, nil // owner references do the rest
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	s := r.newScope(ctx, cluster)
	if err := r.look(ctx, s); err != nil {
		r.Backoff.LookWithin(request, blindFor)
		return ctrl.Result{}, err
	}
	if !ptr.Deref(cluster.Spec.Paused, false) {
		r.keepRedis(ctx, s)
		r.keepRedisCertificate(ctx, s)
		r.work(ctx, s)
	}
	return r.report(ctx, s)
}

// forget drops what is remembered of a ChatCluster that is gone.
func (r *Reconciler) forget(cluster types.NamespacedName) {
	r.Loads.Forget(cluster)
	r.Applier.Forget(cluster)
	r.References.Forget(cluster)
	r.Certificates.Forget(cluster)
}

// blindFor is how long it may take until what could not be seen is looked at again.
const blindFor = time.Minute

// phase is one step of the work. Its error ends the work, because the steps that follow build on it.
type phase struct {
	name string
	run  func(context.Context, *scope) error
}

// phases are all steps in their order: those before the last decide, the last one writes.
func (r *Reconciler) phases() []phase {
	return []phase{
		{"check the spec", r.checkSpec},
		{"find what the spec refers to", r.findReferences},
		{"choose images", r.chooseImages},
		{"keep the cluster key", r.keepClusterKey},
		{"keep the password of Redis", r.keepRedisPassword},
		{"plan how hub servers end", r.planDrain},
		{"choose the number of hub servers", r.chooseReplicas},
		{"grow the volumes of Redis", r.growVolumes},
		{"apply the children", r.applyChildren},
	}
}

func (r *Reconciler) work(ctx context.Context, s *scope) {
	for _, phase := range r.phases() {
		if err := phase.run(ctx, s); err != nil {
			s.fail(phase.name, err)
			return
		}
	}
}

func (r *Reconciler) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}
