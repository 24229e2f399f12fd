package controllers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/children"
)

// verdict is what a condition says.
type verdict struct {
	is              bool
	reason, message string
}

// maximumMessage bounds the message of a condition, in bytes. It may have the words of others, such as of a webhook, and the API server
// refuses a status with more than 32,768 characters in one: users would hear nothing any more.
const maximumMessage = 1024

// setConditions computes all conditions from the scope.
func setConditions(s *scope) {
	redis, hub := redisReady(s), hubReady(s)
	starting := startingFor(s, hub)
	s.lookAgain(starting)
	progressing := progressing(s, redis, hub.is || starting > 0)
	degraded := degraded(s, redis, hub, progressing)
	verdicts := map[string]verdict{
		v1alpha1.ConditionReady:       summary(s, redis, hub, progressing),
		v1alpha1.ConditionRedisReady:  redis,
		v1alpha1.ConditionHubReady:    hub,
		v1alpha1.ConditionProgressing: progressing,
		v1alpha1.ConditionDraining:    draining(s),
		v1alpha1.ConditionPaused:      paused(s),
		v1alpha1.ConditionDegraded:    degraded,
	}
	for _, condition := range v1alpha1.Conditions() {
		verdict := verdicts[condition]
		status := metav1.ConditionFalse
		if verdict.is {
			status = metav1.ConditionTrue
		}
		generation := s.observedGeneration()
		if condition == v1alpha1.ConditionPaused {
			generation = s.cluster.Generation
		}
		meta.SetStatusCondition(&s.cluster.Status.Conditions, metav1.Condition{
			Type: condition, Status: status, Reason: verdict.reason, Message: cut(verdict.message, maximumMessage),
			ObservedGeneration: generation, LastTransitionTime: metav1.Time{Time: s.now},
		})
	}
}

// redisReady goes by the pod that the operator runs. Whether an external Redis answers only the hub servers know, and they are
// not ready before it did.
func redisReady(s *scope) verdict {
	if !s.wanted.Managed() {
		for _, problem := range s.problems {
			if problem.reason == v1alpha1.ReasonReferenceMissing && strings.HasPrefix(problem.message, "redis.") {
				return verdict{false, v1alpha1.ReasonConnectionMissing, problem.message}
			}
		}
		return verdict{true, v1alpha1.ReasonConnectionKnown, "the connection string of the external Redis is there"}
	}
	if s.wanted.Replicated() {
		return replicatedReady(s)
	}
	set := s.facts.redisSets[children.RedisName(s.cluster.Name)]
	// While its StatefulSet is made again for greater volumes, the pod goes on.
	if set != nil && set.Status.ReadyReplicas > 0 || set == nil && slices.ContainsFunc(s.facts.redisPods, ready) {
		return verdict{true, v1alpha1.ReasonRedisRunning, "Redis answers"}
	}
	return verdict{false, v1alpha1.ReasonRedisStarting, because("Redis does not answer yet", trouble(s.facts.redisPods))}
}

func hubReady(s *scope) verdict {
	wanted, serving := desired(s), int32(0)
	if s.facts.hub != nil {
		serving = s.facts.hub.Status.ReadyReplicas
	}
	switch {
	case wanted == 0:
		return verdict{true, v1alpha1.ReasonHubStopped, "no hub server is wanted"}
	case serving >= wanted:
		return verdict{true, v1alpha1.ReasonHubServing, count(serving, "hub server") + " take clients"}
	}
	text := fmt.Sprintf("%d of %s take clients", serving, count(wanted, "hub server"))
	return verdict{false, v1alpha1.ReasonHubStarting, because(text, hubTrouble(s.facts))}
}

// startTime is how long hub servers that are missing are taken for starting. Kubernetes gives up on those of a roll-out after as long,
// and never on those that come later, because others were lost or more are wanted.
const startTime = 10 * time.Minute

// startingFor is for how long hub servers that are missing will still be taken for starting; 0 if none are missing.
func startingFor(s *scope, hub verdict) time.Duration {
	before := meta.FindStatusCondition(s.before.Status.Conditions, v1alpha1.ConditionHubReady)
	switch {
	case hub.is:
		return 0
	case before == nil || before.Status != metav1.ConditionFalse:
		return startTime
	}
	return max(startTime-s.now.Sub(before.LastTransitionTime.Time), 0)
}

// hubTrouble is what is known of why hub servers do not start, or cannot even be made.
func hubTrouble(facts facts) string { return cmp.Or(trouble(facts.hubs), replicaFailure(facts.hub)) }

// because adds what is known of the trouble that there is.
func because(text, why string) string {
	if why != "" {
		return text + "; " + why
	}
	return text
}

// desired is how many hub servers there should be: as decided now, else as it was decided last.
func desired(s *scope) int32 {
	if s.target != nil {
		return *s.target
	}
	if s.facts.hub != nil {
		return ptr.Deref(s.facts.hub.Spec.Replicas, 1)
	}
	return ptr.Deref(s.cluster.Spec.Replicas, 1)
}

// progressing tells what is on its way; starting whether hub servers that are missing may still come.
func progressing(s *scope, redis verdict, starting bool) verdict {
	hub := s.facts.hub
	if hub == nil || redisMissing(s) {
		return creating(s)
	}
	switch {
	case stuck(hub) && !corrected(s):
		return verdict{false, v1alpha1.ReasonStuck, because("new hub servers do not become ready; those of the older spec go on", hubTrouble(s.facts))}
	case s.replaced() || hubUnseen(hub) && !was(s, v1alpha1.ReasonScaling) || stale(s):
		return verdict{true, v1alpha1.ReasonReplacing, "what runs is brought to what the spec says"}
	case hub.Status.Replicas > hub.Status.UpdatedReplicas:
		return verdict{true, v1alpha1.ReasonReplacing, fmt.Sprintf("%d of %s are as the spec says",
			hub.Status.UpdatedReplicas, count(ptr.Deref(hub.Spec.Replicas, 1), "hub server"))}
	}
	switch scales := scaling(s, redis, starting); {
	case scales != "":
		return verdict{true, v1alpha1.ReasonScaling, scales}
	case s.growing != "":
		return verdict{true, v1alpha1.ReasonGrowing, s.growing}
	case s.rotating:
		return verdict{true, v1alpha1.ReasonRotating, "a secret is being exchanged; nothing is restarted"}
	}
	return verdict{false, v1alpha1.ReasonSettled, "nothing is on its way"}
}

// scaling says which hub servers come or go without being replaced; empty if none do.
func scaling(s *scope, redis verdict, starting bool) string {
	hub := s.facts.hub
	switch wanted := ptr.Deref(hub.Spec.Replicas, 1); {
	case hub.Status.AvailableReplicas < wanted && (rollingOut(hub) || redis.is && starting):
		return fmt.Sprintf("%d of %s have served long enough", hub.Status.AvailableReplicas, count(wanted, "hub server"))
	case s.scaled() || hubUnseen(hub):
		return "the number of hub servers changes"
	case wanted > desired(s):
		return fmt.Sprintf("of %s %d are wanted; the others end one at a time", count(wanted, "hub server"), desired(s))
	}
	return ""
}

// creating is for a cluster of which not all has been made.
func creating(s *scope) verdict {
	if len(s.problems) > 0 && !s.wrote() {
		return verdict{false, s.problems[0].shownReason(), s.problems[0].shownMessage()}
	}
	return verdict{true, v1alpha1.ReasonCreating, "Redis and hub servers are made"}
}

// hubUnseen tells whether Kubernetes has not seen yet what the operator wrote last.
func hubUnseen(hub *appsv1.Deployment) bool { return hub.Generation != hub.Status.ObservedGeneration }

// was tells whether Progressing had a reason after the last reconcile: Scaling if it wrote no more than another number of hub servers.
func was(s *scope, reason string) bool {
	before := meta.FindStatusCondition(s.before.Status.Conditions, v1alpha1.ConditionProgressing)
	return before != nil && before.Reason == reason
}

// corrected tells whether hub servers are replaced by others of which Kubernetes has not heard yet: that it gave up is said of those
// before. Another number of those that are stuck does not help them.
func corrected(s *scope) bool {
	return s.replacedHubs() || hubUnseen(s.facts.hub) && !was(s, v1alpha1.ReasonScaling) && !was(s, v1alpha1.ReasonStuck)
}

// stuck tells whether Kubernetes gave up on a roll-out.
func stuck(hub *appsv1.Deployment) bool {
	for _, condition := range hub.Status.Conditions {
		if condition.Type == appsv1.DeploymentProgressing {
			return condition.Status == corev1.ConditionFalse
		}
	}
	return false
}

// rollingOut tells whether a roll-out, the first one included, has neither come to its end nor been given up.
func rollingOut(hub *appsv1.Deployment) bool {
	for _, condition := range hub.Status.Conditions {
		if condition.Type == appsv1.DeploymentProgressing {
			return condition.Status != corev1.ConditionFalse && condition.Reason != "NewReplicaSetAvailable"
		}
	}
	return true
}

// stale tells whether a Redis has not been brought to its spec yet.
func stale(s *scope) bool {
	if s.wanted.Replicated() {
		return replicatedStale(s)
	}
	for _, set := range s.facts.redisSets {
		if set.Generation != set.Status.ObservedGeneration || set.Status.UpdateRevision != set.Status.CurrentRevision {
			return true
		}
	}
	return false
}

// draining tells how many hub servers end and what they still have to do, as far as that was seen.
func draining(s *scope) verdict {
	ends := s.cluster.Status.Draining
	if ptr.Deref(ends.Replicas, 0) == 0 {
		return verdict{false, v1alpha1.ReasonNoneEnding, "no hub server ends"}
	}
	text := count(*ends.Replicas, "hub server") + " sending clients elsewhere"
	if ends.Connections != nil {
		text += fmt.Sprintf(": %d left", *ends.Connections)
	}
	return verdict{true, v1alpha1.ReasonHubsEnding, text}
}

func paused(s *scope) verdict {
	if ptr.Deref(s.cluster.Spec.Paused, false) {
		return verdict{true, v1alpha1.ReasonPausedBySpec, "spec.paused is true: nothing is changed"}
	}
	return verdict{false, v1alpha1.ReasonNotPaused, "the operator does its work"}
}

func degraded(s *scope, redis, hub, progressing verdict) verdict {
	for _, problem := range s.problems {
		if problem.reason != "" {
			return verdict{true, problem.reason, problem.message}
		}
	}
	serving := s.facts.hub != nil && s.facts.hub.Status.ReadyReplicas > 0
	switch {
	case progressing.reason == v1alpha1.ReasonStuck:
		return verdict{true, v1alpha1.ReasonRolloutStuck, progressing.message}
	case redis.reason == v1alpha1.ReasonRedisWaitingForData, redis.reason == v1alpha1.ReasonRedisMajorityLost:
		return verdict{true, redis.reason, redis.message}
	case redis.reason == v1alpha1.ReasonRedisWritesRefused && serving:
		return verdict{true, redis.reason, redis.message}
	case !redis.is && serving:
		return verdict{true, v1alpha1.ReasonRedisAway, redisAwayText(s, redis)}
	case atRisk(s) != "" && !progressing.is:
		return verdict{true, v1alpha1.ReasonRedisAtRisk, atRisk(s)}
	case !hub.is && !progressing.is:
		return verdict{true, v1alpha1.ReasonHubsMissing, hub.message}
	}
	return verdict{false, v1alpha1.ReasonHealthy, "all is well"}
}

// redisAwayText says what hub servers do without Redis, or a part of it.
func redisAwayText(s *scope, redis verdict) string {
	if s.wanted.Replicated() { // a part of a Cluster may serve, and the message names what does not
		return redis.message
	}
	return "hub servers run without Redis: their clients stay, messages do not pass"
}

// summary sums up: not before all runs as the spec says.
func summary(s *scope, redis, hub, progressing verdict) verdict {
	if len(s.problems) > 0 {
		return verdict{false, s.problems[0].shownReason(), s.problems[0].shownMessage()}
	}
	switch {
	case !redis.is:
		return verdict{false, v1alpha1.ReasonWaitingForRedis, redis.message}
	case !hub.is:
		return verdict{false, v1alpha1.ReasonWaitingForHub, hub.message}
	case atRisk(s) != "":
		return verdict{false, v1alpha1.ReasonWaitingForRedis, atRisk(s)}
	case progressing.reason == v1alpha1.ReasonStuck:
		return verdict{false, v1alpha1.ReasonRolloutStuck, progressing.message}
	case progressing.is && progressing.reason != v1alpha1.ReasonRotating && progressing.reason != v1alpha1.ReasonScaling:
		return verdict{false, v1alpha1.ReasonRollingOut, progressing.message}
	}
	return verdict{true, v1alpha1.ReasonAllReady, "all runs as the spec says"}
}

// count writes a number with its noun.
func count(number int32, noun string) string {
	if number == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", number, noun)
}
