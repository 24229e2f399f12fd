package controllers

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/apply"
	"github.com/chatcluster/chatcluster/controllers/children"
	"github.com/chatcluster/chatcluster/controllers/redisform"
)

// observed returns a scope as it is after a reconcile of a cluster with three hub servers that wrote nothing.
func observed(change ...func(*scope)) *scope {
	cluster := &v1alpha1.ChatCluster{ObjectMeta: metav1.ObjectMeta{Name: "demo"}}
	cluster.Spec.Replicas = ptr.To[int32](3)
	s := &scope{
		cluster: cluster, before: cluster.DeepCopy(), now: time.Unix(1_800_000_000, 0),
		wanted: children.Wanted{Cluster: cluster, Replicas: 3, HubImage: "hub:1"},
		target: ptr.To[int32](3),
		facts: facts{
			hub: &appsv1.Deployment{
				Spec: appsv1.DeploymentSpec{Replicas: ptr.To[int32](3)},
				Status: appsv1.DeploymentStatus{
					Replicas: 3, ReadyReplicas: 3, UpdatedReplicas: 3, AvailableReplicas: 3,
					Conditions: []appsv1.DeploymentCondition{{
						Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable",
					}},
				},
			},
			redisSets: map[string]*appsv1.StatefulSet{"demo-redis": {Status: appsv1.StatefulSetStatus{ReadyReplicas: 1}}},
		},
	}
	for _, change := range change {
		change(s)
	}
	return s
}

func redisAway(s *scope) { s.facts.redisSets["demo-redis"].Status.ReadyReplicas = 0 }

func writesRefused(s *scope) {
	s.cluster.Spec.Redis.Mode, s.cluster.Spec.Redis.Sentinel = v1alpha1.RedisSentinel, &v1alpha1.RedisSentinelSpec{}
	s.facts.sentinels = &appsv1.StatefulSet{}
	s.facts.replicated = &redisView{outcome: redisform.Outcome{Status: redisform.Status{Reason: redisform.WritesRefused}}}
}

func hubsStart(s *scope) {
	status := &s.facts.hub.Status
	status.ReadyReplicas, status.AvailableReplicas = 0, 0
	status.Conditions[0].Reason = "ReplicaSetUpdated"
}

func hubLost(s *scope) { s.facts.hub.Status.ReadyReplicas, s.facts.hub.Status.AvailableReplicas = 2, 2 }

// hubsMissingFor has hub servers missing for so long.
func hubsMissingFor(long time.Duration) func(*scope) {
	return func(s *scope) {
		s.before.Status.Conditions = []metav1.Condition{{
			Type: v1alpha1.ConditionHubReady, Status: metav1.ConditionFalse, LastTransitionTime: metav1.Time{Time: s.now.Add(-long)},
		}}
	}
}

// hubsRefused has a quota for fewer pods than are wanted.
func hubsRefused(s *scope) {
	hubLost(s)
	s.facts.hub.Status.Replicas, s.facts.hub.Status.UpdatedReplicas = 2, 2
	s.facts.hub.Status.Conditions = append(s.facts.hub.Status.Conditions, appsv1.DeploymentCondition{
		Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate",
		Message: `pods "demo-hub-5c8d7f-x2x7k" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=3, limited: pods=3`,
	})
}

func rolloutGivenUp(s *scope) {
	hubLost(s)
	s.facts.hub.Status.Conditions[0].Status = corev1.ConditionFalse
}

// hubsWritten has this reconcile change what hub servers are made of.
func hubsWritten(s *scope) { s.changes = []change{{apply.Updated, deploymentKind, "demo-hub"}} }

// hubsUnseen has Kubernetes not know yet what was written last.
func hubsUnseen(s *scope) { s.facts.hub.Generation, s.facts.hub.Status.ObservedGeneration = 2, 1 }

func redisWritten(s *scope) { s.changes = []change{{apply.Updated, statefulSetKind, "demo-redis"}} }

// after has Progressing be as the last reconcile left it.
func after(reason string) func(*scope) {
	return func(s *scope) {
		s.before.Status.Conditions = append(s.before.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionProgressing, Reason: reason})
	}
}

func TestConditionsSayHowAClusterIs(t *testing.T) {
	tests := map[string]struct {
		scope *scope
		// want are the condition types that are true, with their reasons, and Ready's reason.
		ready string
		want  map[string]string
	}{
		"all is well": {observed(), v1alpha1.ReasonAllReady, map[string]string{
			v1alpha1.ConditionReady: v1alpha1.ReasonAllReady, v1alpha1.ConditionRedisReady: v1alpha1.ReasonRedisRunning,
			v1alpha1.ConditionHubReady: v1alpha1.ReasonHubServing,
		}},
		"a start is no trouble": {observed(redisAway, hubsStart), v1alpha1.ReasonWaitingForRedis, map[string]string{
			v1alpha1.ConditionProgressing: v1alpha1.ReasonScaling,
		}},
		"a lost hub server is replaced": {observed(hubLost), v1alpha1.ReasonWaitingForHub, map[string]string{
			v1alpha1.ConditionRedisReady: v1alpha1.ReasonRedisRunning, v1alpha1.ConditionProgressing: v1alpha1.ReasonScaling,
		}},
		"a lost hub server may be on its way": {observed(hubLost, hubsMissingFor(9*time.Minute)), v1alpha1.ReasonWaitingForHub, map[string]string{
			v1alpha1.ConditionRedisReady: v1alpha1.ReasonRedisRunning, v1alpha1.ConditionProgressing: v1alpha1.ReasonScaling,
		}},
		"a lost hub server is not replaced": {observed(hubLost, hubsMissingFor(10*time.Minute)), v1alpha1.ReasonWaitingForHub, map[string]string{
			v1alpha1.ConditionRedisReady: v1alpha1.ReasonRedisRunning, v1alpha1.ConditionDegraded: v1alpha1.ReasonHubsMissing,
		}},
		"hub servers cannot be made": {observed(hubsRefused, hubsMissingFor(10*time.Minute)), v1alpha1.ReasonWaitingForHub, map[string]string{
			v1alpha1.ConditionRedisReady: v1alpha1.ReasonRedisRunning, v1alpha1.ConditionDegraded: v1alpha1.ReasonHubsMissing,
		}},
		"hub servers that were missing serve": {observed(hubsMissingFor(time.Hour)), v1alpha1.ReasonAllReady, map[string]string{
			v1alpha1.ConditionReady: v1alpha1.ReasonAllReady, v1alpha1.ConditionRedisReady: v1alpha1.ReasonRedisRunning,
			v1alpha1.ConditionHubReady: v1alpha1.ReasonHubServing,
		}},
		"a roll-out has a time of its own": {observed(hubsStart, hubsMissingFor(time.Hour)), v1alpha1.ReasonWaitingForHub, map[string]string{
			v1alpha1.ConditionRedisReady: v1alpha1.ReasonRedisRunning, v1alpha1.ConditionProgressing: v1alpha1.ReasonScaling,
		}},
		"Redis is lost while clients stay": {observed(redisAway), v1alpha1.ReasonWaitingForRedis, map[string]string{
			v1alpha1.ConditionHubReady: v1alpha1.ReasonHubServing, v1alpha1.ConditionDegraded: v1alpha1.ReasonRedisAway,
		}},
		"a primary accepts no writes": {observed(writesRefused), v1alpha1.ReasonWaitingForRedis, map[string]string{
			v1alpha1.ConditionHubReady: v1alpha1.ReasonHubServing, v1alpha1.ConditionDegraded: v1alpha1.ReasonRedisWritesRefused,
		}},
		"a roll-out was given up": {observed(rolloutGivenUp), v1alpha1.ReasonWaitingForHub, map[string]string{
			v1alpha1.ConditionRedisReady: v1alpha1.ReasonRedisRunning, v1alpha1.ConditionDegraded: v1alpha1.ReasonRolloutStuck,
		}},
		"what was given up is corrected": {observed(rolloutGivenUp, after(v1alpha1.ReasonStuck), hubsWritten), v1alpha1.ReasonWaitingForHub,
			map[string]string{
				v1alpha1.ConditionRedisReady: v1alpha1.ReasonRedisRunning, v1alpha1.ConditionProgressing: v1alpha1.ReasonReplacing,
			}},
		"Kubernetes has not seen the correction": {observed(rolloutGivenUp, after(v1alpha1.ReasonReplacing), hubsUnseen),
			v1alpha1.ReasonWaitingForHub, map[string]string{
				v1alpha1.ConditionRedisReady: v1alpha1.ReasonRedisRunning, v1alpha1.ConditionProgressing: v1alpha1.ReasonReplacing,
			}},
		"another number of those that were given up": {observed(rolloutGivenUp, after(v1alpha1.ReasonStuck), hubsUnseen),
			v1alpha1.ReasonWaitingForHub, map[string]string{
				v1alpha1.ConditionRedisReady: v1alpha1.ReasonRedisRunning, v1alpha1.ConditionDegraded: v1alpha1.ReasonRolloutStuck,
			}},
		"another Redis for those that were given up": {observed(rolloutGivenUp, after(v1alpha1.ReasonStuck), redisWritten),
			v1alpha1.ReasonWaitingForHub, map[string]string{
				v1alpha1.ConditionRedisReady: v1alpha1.ReasonRedisRunning, v1alpha1.ConditionDegraded: v1alpha1.ReasonRolloutStuck,
			}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			setConditions(test.scope)
			conditions := test.scope.cluster.Status.Conditions
			for _, condition := range v1alpha1.Conditions() {
				got := meta.FindStatusCondition(conditions, condition)
				reason, wanted := test.want[condition]
				if is := got.Status == metav1.ConditionTrue; is != wanted || wanted && got.Reason != reason {
					t.Errorf("%s is %s (%s: %s), want %v %s", condition, got.Status, got.Reason, got.Message, wanted, reason)
				}
			}
			if got := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady); got.Reason != test.ready {
				t.Errorf("Ready's reason is %s, want %s", got.Reason, test.ready)
			}
		})
	}
}

// Nothing else tells that the time is over in which hub servers may start.
func TestHubServersThatAreMissingAreLookedAtAgainWhenTheyAreLate(t *testing.T) {
	for name, c := range map[string]struct {
		scope *scope
		want  time.Duration
	}{
		"none is missing":              {observed(), 0},
		"one has just been lost":       {observed(hubLost), 10 * time.Minute},
		"it has been lost for a bit":   {observed(hubLost, hubsMissingFor(7*time.Minute)), 3 * time.Minute},
		"it has been lost for an hour": {observed(hubLost, hubsMissingFor(time.Hour)), 0},
	} {
		t.Run(name, func(t *testing.T) {
			setConditions(c.scope)
			if c.scope.again != c.want {
				t.Errorf("looked at again in %s, want %s", c.scope.again, c.want)
			}
		})
	}
}

func TestWhyHubServersCannotBeMadeIsTold(t *testing.T) {
	s := observed(hubsRefused)
	want := "2 of 3 hub servers take clients; " +
		"Kubernetes does not make them: exceeded quota: pods, requested: pods=1, used: pods=3, limited: pods=3"
	if got := hubReady(s).message; got != want {
		t.Errorf("HubReady says %q, want %q", got, want)
	}
	s.facts.hubs = []*corev1.Pod{podWith(waitsFor("ImagePullBackOff", ""))}
	if got := hubReady(s).message; !strings.Contains(got, "cannot be pulled") {
		t.Errorf("HubReady says %q, and not what the pod has", got)
	}
}

// The other shards of a Redis Cluster go on passing messages.
func TestAShardThatIsAwayIsNotAllOfRedis(t *testing.T) {
	s := observed(func(s *scope) {
		s.cluster.Spec.Redis.Mode, s.cluster.Spec.Redis.Cluster = v1alpha1.RedisCluster, &v1alpha1.RedisClusterSpec{}
		s.facts.replicated = &redisView{outcome: redisform.Outcome{Status: redisform.Status{
			Reason: redisform.FailingOver, Message: "the primary of demo-redis-0-0 is away",
		}}}
	})
	setConditions(s)
	degraded := meta.FindStatusCondition(s.cluster.Status.Conditions, v1alpha1.ConditionDegraded)
	if degraded.Reason != v1alpha1.ReasonRedisAway || degraded.Message != "the primary of demo-redis-0-0 is away" {
		t.Errorf("Degraded is %s: %s", degraded.Reason, degraded.Message)
	}
}

// While it is paused nothing is brought to the spec, so what is said of that is said of the spec before.
func TestWhilePausedConditionsAreOfTheSpecThatRuns(t *testing.T) {
	s := observed(func(s *scope) {
		s.cluster.Generation, s.cluster.Spec.Paused = 8, ptr.To(true)
		s.before.Status.ObservedGeneration = 7
	})
	updateStatus(s)
	if got := s.cluster.Status.ObservedGeneration; got != 7 {
		t.Errorf("the status is of generation %d", got)
	}
	for _, condition := range s.cluster.Status.Conditions {
		want := int64(7)
		if condition.Type == v1alpha1.ConditionPaused {
			want = 8
		}
		if condition.ObservedGeneration != want {
			t.Errorf("%s is of generation %d, want %d", condition.Type, condition.ObservedGeneration, want)
		}
	}
}

// The API server refuses a status with a longer one, so that nothing would be said any more.
func TestMessagesOfConditionsAreBounded(t *testing.T) {
	s := observed()
	s.fail("apply the children", apierrors.NewBadRequest(strings.Repeat("é", 40_000)))
	setConditions(s)
	for _, condition := range s.cluster.Status.Conditions {
		if length := len(condition.Message); length > maximumMessage+len("…") || !utf8.ValidString(condition.Message) {
			t.Errorf("the message of %s has %d bytes", condition.Type, length)
		}
	}
}

func podWith(change func(*corev1.PodStatus)) *corev1.Pod {
	pod := &corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Image: "hub:2"}}}}
	change(&pod.Status)
	return pod
}

func waitsFor(reason, message string) func(*corev1.PodStatus) {
	return func(status *corev1.PodStatus) {
		status.ContainerStatuses[0].State.Waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: message}
	}
}

func endedWith(code int32, message string) func(*corev1.PodStatus) {
	return func(status *corev1.PodStatus) {
		waitsFor("CrashLoopBackOff", "back-off 10s")(status)
		status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
			ExitCode: code, Reason: "Error", Message: message,
		}
	}
}

func TestTheTroubleOfAPodIsToldInOneLine(t *testing.T) {
	ending := podWith(endedWith(1, "gone anyway"))
	ending.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	tests := map[string]struct {
		pod  *corev1.Pod
		want string
	}{
		"starting": {podWith(waitsFor("ContainerCreating", "")), ""},
		"running":  {podWith(func(*corev1.PodStatus) {}), ""},
		"leaving":  {ending, ""},
		"ready though it was restarted": {podWith(func(status *corev1.PodStatus) {
			endedWith(2, "once")(status)
			status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		}), ""},
		"no node": {podWith(func(status *corev1.PodStatus) {
			status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/3 nodes are available."}}
		}), "no node takes it: 0/3 nodes are available."},
		"no image": {podWith(waitsFor("ImagePullBackOff", "Back-off pulling image")), "the image hub:2 cannot be pulled"},
		"a missing Secret": {podWith(waitsFor("CreateContainerConfigError", `secret "x" not found`)),
			`CreateContainerConfigError: secret "x" not found`},
		"its last words": {podWith(endedWith(2, "starting\nhubserver: Urls: \"x\" is no address\n")),
			`it ended with exit code 2 (Error): hubserver: Urls: "x" is no address`},
		"without last words": {podWith(endedWith(137, "")), "it ended with exit code 137 (Error)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := trouble([]*corev1.Pod{test.pod}); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestTheTroubleOfAPodIsBounded(t *testing.T) {
	got := trouble([]*corev1.Pod{podWith(endedWith(1, strings.Repeat("é", 4096)))})
	if len(got) > maximumTrouble+len("…") || !strings.HasSuffix(got, "é…") {
		t.Errorf("got %d bytes: %q", len(got), got)
	}
}
