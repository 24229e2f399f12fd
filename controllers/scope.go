package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/apply"
	"github.com/chatcluster/chatcluster/controllers/autoscale"
	"github.com/chatcluster/chatcluster/controllers/children"
)

// scope is what the steps of one reconcile share.
type scope struct {
	// cluster is a copy of what was read; only its status is changed.
	cluster *v1alpha1.ChatCluster
	// before is what was read.
	before *v1alpha1.ChatCluster
	// now is the one time of this reconcile.
	now    time.Time
	logger logr.Logger
	facts  facts
	wanted children.Wanted
	// target is how many hub servers there should be in the end; wanted has the next step. It is nil while nothing was decided.
	target *int32
	// changes are what was written, for events.
	changes []change
	// rotating tells that a secret is being exchanged.
	rotating bool
	// certified tells that the one Redis server shows the certificate that it should.
	certified bool
	// growing says which volumes are on their way to a greater size; empty if none are.
	growing string
	// remaking are the names of StatefulSets that must go before they are made anew.
	remaking map[string]bool
	// problems are why what runs is not what the spec says.
	problems []problem
	// again is when to look again without being asked; 0 is never.
	again time.Duration
}

// facts are what there was when the reconcile began. What is nil was not there.
type facts struct {
	hub *appsv1.Deployment
	// redisSets are those of the Redis that the operator runs, by their names.
	redisSets map[string]*appsv1.StatefulSet
	sentinels *appsv1.StatefulSet
	service   *corev1.Service
	ingress   *networkingv1.Ingress
	// hubs are the pods of the hub servers.
	hubs []*corev1.Pod
	// redisPods are those of the Redis that the operator runs.
	redisPods []*corev1.Pod
	// redisCertificate is what Redis should show: an empty one without TLS, nil if there is none yet.
	redisCertificate *certificate
	sentinelPods     []*corev1.Pod
	// replicated is how a Redis of several servers is; nil for others, and while it cannot be told.
	replicated *redisView
	// loads are of those hub servers that were seen, by the names of their pods.
	loads map[string]autoscale.Load
}

// change is something that was written.
type change struct {
	outcome    apply.Outcome
	kind, name string
}

// removed is the outcome of a change that apply.Apply does not have.
const removed apply.Outcome = "Removed"

func (r *Reconciler) newScope(ctx context.Context, cluster *v1alpha1.ChatCluster) *scope {
	copied := cluster.DeepCopy()
	return &scope{
		cluster: copied,
		before:  cluster,
		now:     r.now(),
		logger:  logf.FromContext(ctx),
		wanted:  children.Wanted{Cluster: copied, OperatorNamespace: r.Defaults.Namespace, ClusterDomain: r.Defaults.ClusterDomain},
	}
}

func (s *scope) key() types.NamespacedName {
	return types.NamespacedName{Namespace: s.cluster.Namespace, Name: s.cluster.Name}
}

// lookAgain asks for another reconcile after a while; the soonest counts.
func (s *scope) lookAgain(after time.Duration) {
	if after > 0 && (s.again == 0 || after < s.again) {
		s.again = after
	}
}

// fail notes why a step could not be done. Errors that were joined are problems of their own: what can be done about one says nothing
// of the others.
func (s *scope) fail(step string, err error) {
	for _, one := range parts(err) {
		s.problems = append(s.problems, problemOf(fmt.Errorf("%s: %w", step, one)))
	}
}

// wrote tells whether this reconcile changed anything that runs: then the facts are of the past.
func (s *scope) wrote() bool { return s.wroteAny(func(change) bool { return true }) }

// replaced tells whether this reconcile changed what hub servers or Redis are made of. No other object that it writes replaces them:
// those must not make a cluster unready that serves as before.
func (s *scope) replaced() bool {
	return s.replacedHubs() || s.wroteAny(func(change change) bool { return change.kind == statefulSetKind })
}

// replacedHubs tells whether this reconcile changed what hub servers are made of.
func (s *scope) replacedHubs() bool {
	return s.wroteAny(func(change change) bool { return change.kind == deploymentKind && !s.scales(change) })
}

// scaled tells whether this reconcile changed the number of hub servers, and not what they are made of.
func (s *scope) scaled() bool {
	return s.wroteAny(func(change change) bool { return change.kind == deploymentKind && s.scales(change) })
}

// scales tells whether a change of the Deployment leaves the hub servers that it has as they are.
func (s *scope) scales(change change) bool {
	hash, err := children.HubTemplateHash(s.wanted)
	_, same := children.PlannedClients(s.facts.hub, hash)
	return change.outcome == apply.Updated && err == nil && same
}

func (s *scope) wroteAny(which func(change) bool) bool {
	return slices.ContainsFunc(s.changes, func(change change) bool { return change.outcome != apply.Unchanged && which(change) })
}
