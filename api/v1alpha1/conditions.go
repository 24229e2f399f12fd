package v1alpha1

// The conditions of a ChatCluster. All of them are always there; each is True, False or Unknown, and says so of the
// generation in its observedGeneration.
const (
	// ConditionReady is True when all runs as the spec says: Redis and every hub server, none of them of an older spec.
	// Tools that wait for a resource (kubectl wait, helm, Flux, Argo CD) look at it.
	ConditionReady = "Ready"
	// ConditionRedisReady is True when hub servers can use Redis. With an external Redis it is True when there is a
	// connection string: the hub servers' own metrics tell whether it works.
	ConditionRedisReady = "RedisReady"
	// ConditionHubReady is True when as many hub servers as wanted take clients, of whatever spec they are.
	ConditionHubReady = "HubReady"
	// ConditionProgressing is True while hub servers or Redis are made, replaced, added or taken away.
	ConditionProgressing = "Progressing"
	// ConditionDraining is True while hub servers end that may still have clients.
	ConditionDraining = "Draining"
	// ConditionPaused is True while the operator was told to change nothing.
	ConditionPaused = "Paused"
	// ConditionDegraded is True when something is not as the spec says and does not change by waiting, or when clients
	// are served less well than they should be.
	ConditionDegraded = "Degraded"
)

// Conditions returns the types of all conditions in the order in which they are shown.
func Conditions() []string {
	return []string{
		ConditionReady, ConditionRedisReady, ConditionHubReady, ConditionProgressing, ConditionDraining, ConditionPaused, ConditionDegraded,
	}
}

// The reasons of Ready. False has one of these, or one of those of Degraded if there is nothing else to wait for.
const (
	// ReasonAllReady: Ready is True.
	ReasonAllReady = "AllReady"
	// ReasonWaitingForRedis: Redis is not ready.
	ReasonWaitingForRedis = "WaitingForRedis"
	// ReasonWaitingForHub: fewer hub servers than wanted take clients.
	ReasonWaitingForHub = "WaitingForHub"
	// ReasonRetrying: the operator could not do its work, and tries again.
	ReasonRetrying = "Retrying"
	// ReasonRollingOut: some hub servers are of an older spec, or more than wanted.
	ReasonRollingOut = "RollingOut"
)

// The reasons of RedisReady.
const (
	// ReasonRedisRunning: the Redis of the operator answers.
	ReasonRedisRunning = "RedisRunning"
	// ReasonRedisStarting: the Redis of the operator does not answer yet, or not any more.
	ReasonRedisStarting = "RedisStarting"
	// ReasonRedisForming: the servers of a Redis of several are made one for the first time.
	ReasonRedisForming = "RedisForming"
	// ReasonRedisFailingOver: there is no primary, or not of each shard; it is being replaced.
	ReasonRedisFailingOver = "RedisFailingOver"
	// ReasonRedisWaitingForData: there is no primary, and the servers that may have the newest data are away. It is a reason of
	// Degraded too: only a person knows whether they come back.
	ReasonRedisWaitingForData = "RedisWaitingForData"
	// ReasonRedisMajorityLost: so many Sentinels or primaries are away that the others cannot decide. It is a reason of Degraded too.
	ReasonRedisMajorityLost = "RedisMajorityLost"
	// ReasonRedisWritesRefused: no replica hears the primary, so that it accepts no writes. It is a reason of Degraded too.
	ReasonRedisWritesRefused = "RedisWritesRefused"
	// ReasonConnectionKnown: there is a connection string for the external Redis.
	ReasonConnectionKnown = "ConnectionKnown"
	// ReasonConnectionMissing: the Secret with the connection string is missing, or has no such key.
	ReasonConnectionMissing = "ConnectionMissing"
)

// The reasons of HubReady.
const (
	// ReasonHubServing: all hub servers that are wanted take clients.
	ReasonHubServing = "HubServing"
	// ReasonHubStarting: hub servers that are wanted do not take clients yet, or not any more.
	ReasonHubStarting = "HubStarting"
	// ReasonHubStopped: the spec wants no hub server.
	ReasonHubStopped = "HubStopped"
)

// The reasons of Progressing, beside those of Degraded for a cluster that could not be made.
const (
	// ReasonSettled: nothing is on its way.
	ReasonSettled = "Settled"
	// ReasonCreating: hub servers or Redis are made for the first time.
	ReasonCreating = "Creating"
	// ReasonReplacing: hub servers of an older spec are replaced.
	ReasonReplacing = "Replacing"
	// ReasonScaling: hub servers are added or taken away.
	ReasonScaling = "Scaling"
	// ReasonRotating: a secret is being replaced.
	ReasonRotating = "Rotating"
	// ReasonGrowing: the volumes of Redis become larger.
	ReasonGrowing = "Growing"
	// ReasonStuck: Kubernetes gave up on the roll-out: the new hub servers do not become ready.
	ReasonStuck = "Stuck"
)

// The reasons of Draining.
const (
	// ReasonHubsEnding: hub servers say goodbye to their clients.
	ReasonHubsEnding = "HubsEnding"
	// ReasonNoneEnding: no hub server ends.
	ReasonNoneEnding = "NoneEnding"
)

// The reasons of Paused.
const (
	// ReasonPausedBySpec: spec.paused is true.
	ReasonPausedBySpec = "PausedBySpec"
	// ReasonNotPaused: the operator does its work.
	ReasonNotPaused = "NotPaused"
)

// The reasons of Degraded. The first four are those of Ready too, and of events.
const (
	// ReasonInvalidSpec: the spec contradicts itself. Nothing is changed until it is corrected.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonNameTaken: an object that the operator would make is there and belongs to somebody else. It is not touched.
	ReasonNameTaken = "NameTaken"
	// ReasonReferenceMissing: a Secret that the spec names is missing, or has no such key.
	ReasonReferenceMissing = "ReferenceMissing"
	// ReasonRefused: the Kubernetes cluster refused an object, by a quota or a policy for instance.
	ReasonRefused = "Refused"
	// ReasonKindMissing: the Kubernetes cluster does not know a kind that the spec asks for. The rest runs.
	ReasonKindMissing = "KindMissing"
	// ReasonRedisAway: hub servers run without their Redis: clients stay connected, messages do not pass.
	ReasonRedisAway = "RedisAway"
	// ReasonRedisAtRisk: Redis serves, and would not survive the loss of one more server.
	ReasonRedisAtRisk = "RedisAtRisk"
	// ReasonVolumesNotGrown: volumes of Redis cannot have the size of the spec. Those of the older size go on.
	ReasonVolumesNotGrown = "VolumesNotGrown"
	// ReasonHubsMissing: fewer hub servers than wanted take clients, and none is on its way, or has been for too long.
	ReasonHubsMissing = "HubsMissing"
	// ReasonRolloutStuck: new hub servers do not become ready; those of the older spec go on.
	ReasonRolloutStuck = "RolloutStuck"
	// ReasonHealthy: Degraded is False.
	ReasonHealthy = "Healthy"
)
