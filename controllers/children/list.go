package children

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
)

// Child is one object of a ChatCluster.
type Child struct {
	Kind schema.GroupVersionKind
	Name string
	// Configuration is the apply configuration; nil is an object that is not wanted.
	Configuration any
	// Optional kinds may be unknown to the Kubernetes cluster.
	Optional bool
	// Checked objects have parts that users write as they like. They are tried before any object is changed.
	Checked bool
}

// Wanted tells whether the object should be there.
func (c Child) Wanted() bool { return c.Configuration != nil }

// List returns all objects of a ChatCluster in the order in which they are made, beside its Secrets: first what others need
// to start. Those that are not wanted are in it too, so that they are removed.
func List(w Wanted) ([]Child, error) {
	list := builder{}
	spec := w.Cluster.Spec
	name := w.Cluster.Name
	managed, guarded := w.Managed(), ptr.Deref(spec.NetworkPolicy.Enabled, true)

	// Policies come before the pods that they protect.
	list.when(managed && guarded, networkPolicyKind, RedisName(name), func() (any, error) { return RedisNetworkPolicy(w), nil })
	list.when(guarded, networkPolicyKind, HubName(name), func() (any, error) { return HubNetworkPolicy(w) }).Checked = true

	list.when(managed, configMapKind, RedisName(name), func() (any, error) { return RedisConfigMap(w), nil })
	list.when(managed, serviceKind, RedisName(name), func() (any, error) { return RedisService(w), nil })
	if w.Replicated() {
		list.replicated(w, guarded)
	} else {
		list.when(managed, statefulSetKind, RedisName(name), func() (any, error) { return RedisStatefulSet(w) }).Checked = true
	}

	list.when(true, podDisruptionBudgetKind, HubName(name), func() (any, error) { return HubDisruptionBudget(w), nil })
	list.when(true, deploymentKind, HubName(name), func() (any, error) { return HubDeployment(w) }).Checked = true

	list.when(true, serviceKind, ServiceName(name), func() (any, error) { return HubService(w), nil }).Checked = true
	list.when(spec.Ingress != nil, ingressKind, ServiceName(name), func() (any, error) { return HubIngress(w), nil }).Checked = true
	list.when(spec.Gateway != nil, HTTPRouteKind(), ServiceName(name), func() (any, error) { return HubRoute(w), nil }).optional()

	monitored := spec.Monitoring != nil
	list.when(monitored, serviceKind, MetricsName(name), func() (any, error) { return MetricsService(w), nil })
	list.when(monitored, ServiceMonitorKind(), HubName(name), func() (any, error) { return HubMonitor(w), nil }).optional()
	return list.children, list.problem
}

// replicated adds what only a Redis of several servers has. The form of Redis never changes: nothing of it is ever not wanted.
func (b *builder) replicated(w Wanted, guarded bool) {
	name := w.Cluster.Name
	b.when(true, podDisruptionBudgetKind, RedisName(name), func() (any, error) { return RedisDisruptionBudget(w), nil })
	for _, set := range RedisSets(w) {
		b.when(true, statefulSetKind, set.Name, func() (any, error) { return redisServersOf(w, set) }).Checked = true
	}
	if w.Cluster.Spec.Redis.Sentinel == nil {
		return
	}
	b.when(guarded, networkPolicyKind, SentinelName(name), func() (any, error) { return SentinelNetworkPolicy(w), nil })
	b.when(true, configMapKind, SentinelName(name), func() (any, error) { return SentinelConfigMap(w), nil })
	b.when(true, serviceKind, SentinelName(name), func() (any, error) { return SentinelService(w), nil })
	b.when(true, podDisruptionBudgetKind, SentinelName(name), func() (any, error) { return SentinelDisruptionBudget(w), nil })
	b.when(true, statefulSetKind, SentinelName(name), func() (any, error) { return SentinelStatefulSet(w) }).Checked = true
}

// OptionalKinds are those that a Kubernetes cluster may not know.
func OptionalKinds() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{HTTPRouteKind(), ServiceMonitorKind()}
}

// The kinds of children.
//
//nolint:gochecknoglobals // they are constants that cannot be written as such
var (
	configMapKind           = corev1.SchemeGroupVersion.WithKind("ConfigMap")
	serviceKind             = corev1.SchemeGroupVersion.WithKind("Service")
	deploymentKind          = appsv1.SchemeGroupVersion.WithKind("Deployment")
	statefulSetKind         = appsv1.SchemeGroupVersion.WithKind("StatefulSet")
	ingressKind             = networkingv1.SchemeGroupVersion.WithKind("Ingress")
	networkPolicyKind       = networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy")
	podDisruptionBudgetKind = policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget")
)

// builder collects children until one cannot be built.
type builder struct {
	children []Child
	problem  error
}

// when adds a child that is wanted or not.
func (b *builder) when(wanted bool, kind schema.GroupVersionKind, name string, build func() (any, error)) *Child {
	child := Child{Kind: kind, Name: name}
	if wanted && b.problem == nil {
		child.Configuration, b.problem = build()
	}
	b.children = append(b.children, child)
	return &b.children[len(b.children)-1]
}

func (c *Child) optional() { c.Optional, c.Checked = true, true }
