package children

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

const (
	redisContainer = "redis"
	// redisUser is redis in Redis's own images; any would do.
	redisUser = 999
	// DataVolume is the name of the volume with the data, and with the name of a pod that of its claim.
	DataVolume = "data"
	authVolume = "auth"
	// redisGraceSeconds is enough to write what is in memory to a volume.
	redisGraceSeconds = 60
)

// RedisStatefulSet runs the one Redis server.
func RedisStatefulSet(w Wanted) (*appsac.StatefulSetApplyConfiguration, error) {
	name, redis := w.Cluster.Name, w.Cluster.Spec.Redis
	pod, err := redisPod(w)
	if err != nil {
		return nil, err
	}
	template := coreac.PodTemplateSpec().
		WithLabels(merge(redis.PodMetadata.Labels, Labels(name, v1alpha1.RedisComponent))).
		WithAnnotations(merge(redis.PodMetadata.Annotations, map[string]string{
			v1alpha1.AnnotationContent: redisContent(w),
		})).
		WithSpec(pod)
	spec := appsac.StatefulSetSpec().
		WithReplicas(1).
		WithServiceName(RedisName(name)).
		WithRevisionHistoryLimit(revisionHistory).
		WithSelector(metaac.LabelSelector().WithMatchLabels(Selector(name, v1alpha1.RedisComponent))).
		WithUpdateStrategy(appsac.StatefulSetUpdateStrategy().WithType(appsv1.RollingUpdateStatefulSetStrategyType)).
		WithTemplate(template)
	if redis.Storage != nil {
		keepData(spec, redisStorage(w, RedisName(name)), Selector(name, v1alpha1.RedisComponent))
	} else {
		pod.WithVolumes(coreac.Volume().WithName(DataVolume).WithEmptyDir(coreac.EmptyDirVolumeSource()))
	}
	return appsac.StatefulSet(RedisName(name), w.Cluster.Namespace).
		WithLabels(Labels(name, v1alpha1.RedisComponent)).
		WithOwnerReferences(owner(w.Cluster)).
		WithSpec(spec), nil
}

// keepData gives Redis a volume; Kubernetes itself removes it or leaves it when the StatefulSet goes.
func keepData(spec *appsac.StatefulSetSpecApplyConfiguration, storage v1alpha1.RedisStorage, labels map[string]string) {
	claim := coreac.PersistentVolumeClaimSpec().
		WithAccessModes(corev1.ReadWriteOnce).
		WithResources(coreac.VolumeResourceRequirements().
			WithRequests(corev1.ResourceList{corev1.ResourceStorage: canonical(storage.Size)}))
	if storage.ClassName != "" {
		claim.WithStorageClassName(storage.ClassName)
	}
	whenDeleted := appsv1.DeletePersistentVolumeClaimRetentionPolicyType
	if storage.WhenDeleted == v1alpha1.RetainVolume {
		whenDeleted = appsv1.RetainPersistentVolumeClaimRetentionPolicyType
	}
	template := coreac.PersistentVolumeClaim(DataVolume, "").
		WithLabels(labels).
		WithSpec(claim)
	template.APIVersion, template.Kind, template.Namespace = nil, nil, nil // a template has none of them
	spec.WithVolumeClaimTemplates(template).
		WithPersistentVolumeClaimRetentionPolicy(appsac.StatefulSetPersistentVolumeClaimRetentionPolicy().
			WithWhenDeleted(whenDeleted).
			WithWhenScaled(appsv1.RetainPersistentVolumeClaimRetentionPolicyType))
}

// canonical writes a quantity as the API server does, so that the two are equal.
func canonical(quantity resource.Quantity) resource.Quantity {
	return resource.MustParse(quantity.String())
}

// redisContent is a hash of what Redis reads at its start and not again. The passwords are not in it: Redis is told about
// a new one while it runs.
func redisContent(w Wanted) string {
	return Hash(redisConfiguration(w.Cluster.Spec.Redis), w.RedisLineage)
}

// Hash is short, and the same for the same texts.
func Hash(texts ...string) string {
	sum := sha256.New()
	for _, text := range texts {
		_, _ = fmt.Fprintf(sum, "%d:%s", len(text), text) // a hash takes everything
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

func redisPod(w Wanted) (*coreac.PodSpecApplyConfiguration, error) {
	name, redis := w.Cluster.Name, w.Cluster.Spec.Redis
	container := coreac.Container().
		WithName(redisContainer).
		WithImage(w.RedisImage).
		WithImagePullPolicy(corev1.PullIfNotPresent).
		WithCommand("redis-server", redisConfigFolder+"/"+redisConfigFile).
		WithPorts(coreac.ContainerPort().WithName(redisPortName).WithContainerPort(RedisPort).WithProtocol(corev1.ProtocolTCP)).
		WithSecurityContext(containerSecurity()).
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
		WithVolumeMounts(
			mount(configVolume, redisConfigFolder),
			mount(authVolume, redisAuthFolder),
			coreac.VolumeMount().WithName(DataVolume).WithMountPath(redisDataFolder),
		).
		// Ten minutes to load its data.
		WithStartupProbe(serverProbe(redis, "PONG").WithPeriodSeconds(2).WithFailureThreshold(300)).
		WithLivenessProbe(serverProbe(redis, "PONG|LOADING|BUSY").WithPeriodSeconds(10).WithFailureThreshold(6)).
		WithReadinessProbe(serverProbe(redis, "PONG").WithPeriodSeconds(5).WithFailureThreshold(2))
	if err := resources(container, redisResources(redis)); err != nil {
		return nil, err
	}
	pod := coreac.PodSpec().
		WithAutomountServiceAccountToken(false).
		WithEnableServiceLinks(false).
		WithTerminationGracePeriodSeconds(redisGraceSeconds).
		WithSecurityContext(podSecurity(redisUser)).
		WithVolumes(
			coreac.Volume().WithName(configVolume).WithConfigMap(coreac.ConfigMapVolumeSource().
				WithName(RedisName(name)).WithDefaultMode(0o444)),
			secretFiles(authVolume, RedisAuthName(name), map[string]string{aclKey: aclKey}, false),
		)
	showCertificate(pod, container, redis.TLS)
	pod.WithContainers(container)
	pullSecrets(pod, w.Cluster.Spec.ImagePullSecrets)
	if err := schedule(pod, redis.Scheduling); err != nil {
		return nil, err
	}
	if len(redis.Scheduling.TopologySpreadConstraints) == 0 {
		return pod, nil
	}
	return pod, spread(pod, redis.Scheduling, Selector(name, v1alpha1.RedisComponent))
}

// serverProbe pings as the user that may do nothing else, and looks for what the answer may be.
func serverProbe(redis v1alpha1.RedisSpec, answers string) *coreac.ProbeApplyConfiguration {
	flags := fmt.Sprintf("-p %d --user %s --pass -", RedisPort, ProbeUser)
	if redis.TLS != nil {
		flags = tlsFlags + " " + flags
	}
	return pingProbe(flags, answers)
}

// tlsFlags are for redis-cli inside of a pod, which asks a server that it knows.
const tlsFlags = "--tls --insecure"

// showCertificate gives Redis its certificate, if it has one.
func showCertificate(pod *coreac.PodSpecApplyConfiguration, container *coreac.ContainerApplyConfiguration, tls *v1alpha1.RedisTLSSpec) {
	if tls == nil {
		return
	}
	pod.WithVolumes(secretFiles(tlsVolume, tls.SecretName, nil, false))
	container.WithVolumeMounts(mount(tlsVolume, redisTLSFolder))
}

// pingProbe pings with the given flags of redis-cli.
func pingProbe(flags, answers string) *coreac.ProbeApplyConfiguration {
	command := fmt.Sprintf("redis-cli %s --no-auth-warning ping | grep -qE '%s'", flags, answers)
	return coreac.Probe().
		WithTimeoutSeconds(5).
		WithExec(coreac.ExecAction().WithCommand(shell, "-c", command))
}

// redisResources are those of the spec, or what a backplane needs.
func redisResources(redis v1alpha1.RedisSpec) *corev1.ResourceRequirements {
	return resourcesOr(redis.Resources, "100m", "128Mi", "512Mi")
}

// RedisMemoryLimit is the limit that will be in force for each server; zero is none.
func RedisMemoryLimit(redis v1alpha1.RedisSpec) resource.Quantity {
	return *redisResources(redis).Limits.Memory()
}

// resourcesOr are those of the spec, or else the given ones: a processor is never limited, waiting for one helps nobody.
func resourcesOr(wanted *corev1.ResourceRequirements, cpu, memory, memoryLimit string) *corev1.ResourceRequirements {
	if wanted != nil {
		return wanted
	}
	return &corev1.ResourceRequirements{
		Requests: corev1.ResourceList{
			corev1.ResourceCPU:    resource.MustParse(cpu),
			corev1.ResourceMemory: resource.MustParse(memory),
		},
		Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memoryLimit)},
	}
}
