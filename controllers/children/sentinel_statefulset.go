package children

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

const (
	sentinelContainer = "sentinel"
	sentinelPortName  = "sentinel"
)

// SentinelStatefulSet runs the Sentinels. What they know is told to them again when they come back without it, so they need no
// volume.
func SentinelStatefulSet(w Wanted) (*appsac.StatefulSetApplyConfiguration, error) {
	name, redis := w.Cluster.Name, w.Cluster.Spec.Redis
	pod, err := sentinelPod(w)
	if err != nil {
		return nil, err
	}
	labels := Labels(name, v1alpha1.SentinelComponent)
	return appsac.StatefulSet(SentinelName(name), w.Cluster.Namespace).
		WithLabels(labels).
		WithOwnerReferences(owner(w.Cluster)).
		WithSpec(replicatedSet(w.sentinels(), SentinelName(name), Selector(name, v1alpha1.SentinelComponent)).
			WithTemplate(coreac.PodTemplateSpec().
				WithLabels(merge(redis.PodMetadata.Labels, labels)).
				WithAnnotations(merge(redis.PodMetadata.Annotations, map[string]string{
					// Sentinels read certificates at their start only.
					v1alpha1.AnnotationContent: Hash(lines(sentinelDirectives(redis)), sentinelStartScript, w.RedisLineage, w.RedisCertificate),
				})).
				WithSpec(pod))), nil
}

func sentinelPod(w Wanted) (*coreac.PodSpecApplyConfiguration, error) {
	redis := w.Cluster.Spec.Redis
	flags := fmt.Sprintf("-p %d", SentinelPort)
	if redis.TLS != nil {
		flags = tlsFlags + " " + flags
	}
	container := coreac.Container().
		WithName(sentinelContainer).
		WithImage(w.RedisImage).
		WithImagePullPolicy(corev1.PullIfNotPresent).
		WithCommand(shell, redisConfigFolder+"/"+startScriptFile).
		WithPorts(coreac.ContainerPort().WithName(sentinelPortName).WithContainerPort(SentinelPort).WithProtocol(corev1.ProtocolTCP)).
		WithEnv(podNameVariable()).
		WithSecurityContext(containerSecurity()).
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
		WithVolumeMounts(
			mount(configVolume, redisConfigFolder),
			mount(authVolume, redisAuthFolder),
			coreac.VolumeMount().WithName(DataVolume).WithMountPath(redisDataFolder),
		).
		WithStartupProbe(pingProbe(flags, "PONG").WithPeriodSeconds(2).WithFailureThreshold(60)).
		WithLivenessProbe(pingProbe(flags, "PONG|BUSY").WithPeriodSeconds(10).WithFailureThreshold(6)).
		WithReadinessProbe(pingProbe(flags, "PONG").WithPeriodSeconds(5).WithFailureThreshold(2))
	if err := resources(container, sentinelResources(*redis.Sentinel)); err != nil {
		return nil, err
	}
	pod, err := replicatedPod(w, container, SentinelName(w.Cluster.Name), []string{sentinelACLKey, sentinelPeersKey},
		Selector(w.Cluster.Name, v1alpha1.SentinelComponent))
	if err != nil {
		return nil, err
	}
	return pod.
		WithTerminationGracePeriodSeconds(sentinelGraceSeconds).
		WithVolumes(coreac.Volume().WithName(DataVolume).WithEmptyDir(coreac.EmptyDirVolumeSource())), nil
}

// sentinelGraceSeconds is enough: a Sentinel has nothing to finish.
const sentinelGraceSeconds = 10

// sentinelResources are those of the spec, or what a Sentinel needs.
func sentinelResources(sentinel v1alpha1.RedisSentinelSpec) *corev1.ResourceRequirements {
	return resourcesOr(sentinel.Resources, "20m", "32Mi", "64Mi")
}
