package v1alpha1

// The labels of all objects that the operator makes.
const (
	// LabelName is the same on all of them: AppName.
	LabelName = "app.kubernetes.io/name"
	// LabelInstance is the name of the ChatCluster.
	LabelInstance = "app.kubernetes.io/instance"
	// LabelComponent is what the object is a part of: one of the components below.
	LabelComponent = "app.kubernetes.io/component"
	// LabelManagedBy is OperatorName. The operator sees only objects that have it.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// LabelShard is the number of the shard that a pod of a Redis Cluster is of.
	LabelShard = Group + "/shard"

	AppName      = "chatcluster"
	OperatorName = "chatcluster-operator"

	HubComponent      = "hub"
	RedisComponent    = "redis"
	SentinelComponent = "sentinel"
)

// Annotations that a user sets on a ChatCluster. Each new value, whatever it is, asks for the thing once.
const (
	// AnnotationRotateRedisPassword asks for a new password of the Redis that the operator runs.
	AnnotationRotateRedisPassword = Group + "/rotate-redis-password"
	// AnnotationRotateClusterKey asks for a new key of the connection tokens.
	AnnotationRotateClusterKey = Group + "/rotate-cluster-key"
	// AnnotationUpgradeImages asks for the images of the running operator where the spec names none.
	AnnotationUpgradeImages = Group + "/upgrade-images"
	// AnnotationAcceptRedisLoss, while it has a value, lets the Redis of modes Sentinel and Cluster go on without servers that are
	// away and may have newer data. Only a person can know that they will not come back.
	AnnotationAcceptRedisLoss = Group + "/accept-redis-loss"
)

// Annotations that the operator sets.
const (
	// AnnotationIntent is on each object: a hash of all that the operator wants of it.
	AnnotationIntent = Group + "/intent"
	// AnnotationConfiguration is on the pods of hub servers: the configuration file that they read at their start.
	AnnotationConfiguration = Group + "/configuration"
	// AnnotationContent is on pods: a hash of what they read at their start, beside what their template has.
	AnnotationContent = Group + "/content"
	// AnnotationTemplate is on the Deployment of hub servers: a hash of all that its pods are made of, beside the number of clients.
	AnnotationTemplate = Group + "/template"
	// AnnotationClients is on the pods of hub servers: for how many clients of each their grace period is.
	AnnotationClients = Group + "/clients"
	// AnnotationAnswered is on Secrets: the value of the annotation that they were last made anew for.
	AnnotationAnswered = Group + "/answered"
)

// AnnotationVersion is on the definition of the kind: the version of the project that it is of. Who brings the definition up to date
// does not go back.
const AnnotationVersion = Group + "/version"
