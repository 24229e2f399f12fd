package controllers

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/apply"
	"github.com/chatcluster/chatcluster/controllers/children"
	"github.com/chatcluster/chatcluster/controllers/load"
)

// Options are what the operator is told.
type Options struct {
	Defaults Defaults
	// Namespaces are those that are watched; none is all.
	Namespaces []string
	// Concurrency is how many ChatClusters are looked at at once. Default: 8.
	Concurrency int
	// Fetch reads the metrics of hub servers.
	Fetch load.Fetch
	// Redis tells a Redis that runs what is new.
	Redis RedisTeller
	// Hands reach the servers of a Redis of several.
	Hands func(RedisAccess) RedisHands
	// Registry takes the metrics. Default: that of controller-runtime.
	Registry prometheus.Registerer
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// AskForKinds is how often missing kinds are asked for. Default: once a minute.
	AskForKinds time.Duration
}

const (
	defaultConcurrency = 8
	controllerName     = "chatcluster"
	// referencesIndex finds the ChatClusters that refer to an object.
	referencesIndex = "references"
)

// NewScheme returns the types that the operator works with.
func NewScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("add the types of Kubernetes: %w", err)
	}
	return scheme, v1alpha1.AddToScheme(scheme)
}

// ManagerOptions fills in how the operator reads: it keeps of what is in the Kubernetes cluster only what it made.
func ManagerOptions(options Options, more manager.Options) manager.Options {
	made := labels.SelectorFromSet(labels.Set{v1alpha1.LabelManagedBy: v1alpha1.OperatorName})
	more.Cache = cache.Options{
		DefaultNamespaces:    watched(options.Namespaces),
		DefaultLabelSelector: made,
		DefaultTransform:     cache.TransformStripManagedFields(),
		ByObject:             map[client.Object]cache.ByObject{&v1alpha1.ChatCluster{}: {Label: labels.Everything()}},
	}
	more.Client = client.Options{Cache: &client.CacheOptions{Unstructured: true}}
	return more
}

func watched(namespaces []string) map[string]cache.Config {
	if len(namespaces) == 0 {
		return nil
	}
	configs := map[string]cache.Config{}
	for _, namespace := range namespaces {
		configs[namespace] = cache.Config{}
	}
	return configs
}

// Setup adds the operator to a manager that was made with ManagerOptions.
func Setup(ctx context.Context, mgr manager.Manager, options Options) error {
	metadata, err := newMetadataCache(mgr, options.Namespaces)
	if err != nil {
		return err
	}
	if err := addIndexes(ctx, mgr); err != nil {
		return err
	}
	asker, err := discovery.NewDiscoveryClientForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("make a client that asks for kinds: %w", err)
	}
	kinds := &Kinds{Discovery: asker, Optional: children.OptionalKinds(), Every: options.AskForKinds}
	reconciler := &Reconciler{
		Client:       mgr.GetClient(),
		Uncached:     mgr.GetAPIReader(),
		Applier:      &apply.Applier{Client: mgr.GetClient(), Uncached: mgr.GetAPIReader()},
		Recorder:     mgr.GetEventRecorder(v1alpha1.OperatorName),
		Loads:        load.NewObserver(options.Fetch),
		Redis:        options.Redis,
		Hands:        options.Hands,
		Certificates: &Certificates{Metadata: metadata, Uncached: mgr.GetAPIReader()},
		References:   &References{Metadata: metadata, Uncached: mgr.GetAPIReader()},
		Kinds:        kinds,
		Backoff:      NewBackoff(),
		Defaults:     options.Defaults,
		Now:          options.Now,
	}
	all := make(chan event.GenericEvent)
	operator, err := build(mgr, metadata, all, options, reconciler)
	if err != nil {
		return err
	}
	kinds.Found = func(_ context.Context, kind schema.GroupVersionKind) error { return watch(mgr, operator, kind) }
	kinds.Announce = func(ctx context.Context) { announce(ctx, mgr.GetClient(), all) }
	if err := addMetrics(options.Registry, mgr.GetClient()); err != nil {
		return err
	}
	return mgr.Add(kinds)
}

// newMetadataCache watches the metadata of all Secrets and ConfigMaps: what users write does not have the operator's label.
func newMetadataCache(mgr manager.Manager, namespaces []string) (cache.Cache, error) {
	metadata, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient:        mgr.GetHTTPClient(),
		Scheme:            mgr.GetScheme(),
		Mapper:            mgr.GetRESTMapper(),
		DefaultNamespaces: watched(namespaces),
		DefaultTransform:  onlyVersion,
	})
	if err != nil {
		return nil, fmt.Errorf("make a cache of metadata: %w", err)
	}
	return metadata, mgr.Add(metadata)
}

// onlyVersion keeps of an object what tells that it has changed.
func onlyVersion(object any) (any, error) {
	metadata, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object, nil
	}
	return &metav1.PartialObjectMetadata{TypeMeta: metadata.TypeMeta, ObjectMeta: metav1.ObjectMeta{
		Namespace: metadata.Namespace, Name: metadata.Name, UID: metadata.UID, ResourceVersion: metadata.ResourceVersion,
	}}, nil
}

func addIndexes(ctx context.Context, mgr manager.Manager) error {
	indexer := mgr.GetFieldIndexer()
	err := indexer.IndexField(ctx, &corev1.Pod{}, podsOfIndex, func(object client.Object) []string {
		of := object.GetLabels()
		return []string{podIndexKey(of[v1alpha1.LabelInstance], of[v1alpha1.LabelComponent])}
	})
	if err != nil {
		return fmt.Errorf("index pods: %w", err)
	}
	err = indexer.IndexField(ctx, &v1alpha1.ChatCluster{}, referencesIndex, func(object client.Object) []string {
		cluster, ok := object.(*v1alpha1.ChatCluster)
		if !ok {
			return nil
		}
		var keys []string
		for _, reference := range referencesOf(cluster.Spec) {
			keys = append(keys, referenceKey(reference.kind, reference.name))
		}
		return keys
	})
	if err != nil {
		return fmt.Errorf("index ChatClusters: %w", err)
	}
	return nil
}

func referenceKey(kind, name string) string { return kind + "/" + name }

// build watches ChatClusters, what belongs to them and what they refer to.
func build(
	mgr manager.Manager, metadata cache.Cache, all chan event.GenericEvent, options Options, reconciler *Reconciler,
) (controller.Controller, error) {
	concurrency := options.Concurrency
	if concurrency == 0 {
		concurrency = defaultConcurrency
	}
	operator, err := ctrl.NewControllerManagedBy(mgr).
		Named(controllerName).
		// Also when only the status changes: a look that began before the cache had the status of the last one may have found
		// nothing to write, and left it as it was.
		For(&v1alpha1.ChatCluster{}).
		Owns(&appsv1.Deployment{}).
		Owns(&appsv1.StatefulSet{}).
		Owns(&corev1.Service{}).
		Owns(&corev1.ConfigMap{}).
		Owns(&corev1.Secret{}).
		Owns(&networkingv1.Ingress{}).
		Owns(&networkingv1.NetworkPolicy{}).
		Owns(&policyv1.PodDisruptionBudget{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(clusterOfPod)).
		WatchesRawSource(watchReferenced(mgr, metadata, secretKind)).
		WatchesRawSource(watchReferenced(mgr, metadata, configMapKind)).
		WatchesRawSource(source.Channel(all, &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency, RateLimiter: reconciler.Backoff}).
		Build(reconciler)
	if err != nil {
		return nil, fmt.Errorf("make the controller: %w", err)
	}
	return operator, nil
}

func clusterOfPod(_ context.Context, pod client.Object) []reconcile.Request {
	name := pod.GetLabels()[v1alpha1.LabelInstance]
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: pod.GetNamespace(), Name: name}}}
}

// watchReferenced watches the metadata of a kind for the ChatClusters that refer to objects of it.
func watchReferenced(mgr manager.Manager, metadata cache.Cache, kind string) source.Source {
	watched := &metav1.PartialObjectMetadata{}
	watched.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	find := func(ctx context.Context, object *metav1.PartialObjectMetadata) []reconcile.Request {
		clusters := &v1alpha1.ChatClusterList{}
		err := mgr.GetClient().List(ctx, clusters, client.InNamespace(object.Namespace),
			client.MatchingFields{referencesIndex: referenceKey(kind, object.Name)})
		if err != nil {
			return nil // the cache is not there yet: all ChatClusters are looked at when it is
		}
		return requests(clusters)
	}
	return source.Kind(metadata, watched, handler.TypedEnqueueRequestsFromMapFunc(find))
}

func requests(clusters *v1alpha1.ChatClusterList) []reconcile.Request {
	list := make([]reconcile.Request, 0, len(clusters.Items))
	for at := range clusters.Items {
		list = append(list, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&clusters.Items[at])})
	}
	return list
}

// watch adds a kind that has come to what is watched.
func watch(mgr manager.Manager, operator controller.Controller, kind schema.GroupVersionKind) error {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	owned := handler.TypedEnqueueRequestForOwner[*unstructured.Unstructured](
		mgr.GetScheme(), mgr.GetRESTMapper(), &v1alpha1.ChatCluster{}, handler.OnlyControllerOwner())
	return operator.Watch(source.Kind(mgr.GetCache(), object, owned))
}

// announce has all ChatClusters looked at: some of them may have waited for a kind.
func announce(ctx context.Context, from client.Reader, all chan<- event.GenericEvent) {
	clusters := &v1alpha1.ChatClusterList{}
	if err := from.List(ctx, clusters); err != nil {
		return // it is ending
	}
	for at := range clusters.Items {
		select {
		case all <- event.GenericEvent{Object: &clusters.Items[at]}:
		case <-ctx.Done():
			return
		}
	}
}
