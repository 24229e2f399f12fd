package children

import (
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

const (
	// podVariable is the variable with the name of the pod, for what a server says of itself.
	podVariable = "POD_NAME"
	// shell runs a file of a ConfigMap: its mode would not let it be run by itself.
	shell = "sh"
	// replicatedGraceSeconds are for a hand-over, for replicas to hear the last writes, and for the disk.
	replicatedGraceSeconds = 90
	// defaultStorage is what a server has where the spec says nothing.
	defaultStorage = "2Gi"
)

// redisServersOf runs the servers of a set. The operator decides which pod is replaced when: only it knows which one is a primary.
func redisServersOf(w Wanted, set RedisSet) (*appsac.StatefulSetApplyConfiguration, error) {
	redis := w.Cluster.Spec.Redis
	pod, err := serverPod(w, set)
	if err != nil {
		return nil, err
	}
	labels := merge(Labels(w.Cluster.Name, v1alpha1.RedisComponent), set.Selector(w.Cluster.Name))
	spec := replicatedSet(set.Replicas, RedisName(w.Cluster.Name), set.Selector(w.Cluster.Name)).
		WithTemplate(coreac.PodTemplateSpec().
			WithLabels(merge(redis.PodMetadata.Labels, labels)).
			WithAnnotations(merge(redis.PodMetadata.Annotations, map[string]string{
				v1alpha1.AnnotationContent: Hash(lines(startDirectives(redis)), w.RedisLineage),
			})).
			WithSpec(pod))
	keepData(spec, redisStorage(w, set.Name), set.Selector(w.Cluster.Name))
	// A server that is not wanted any more must not come back later with what it knew then.
	spec.PersistentVolumeClaimRetentionPolicy.WithWhenScaled(appsv1.DeletePersistentVolumeClaimRetentionPolicyType)
	return appsac.StatefulSet(set.Name, w.Cluster.Namespace).
		WithLabels(labels).
		WithOwnerReferences(owner(w.Cluster)).
		WithSpec(spec), nil
}

// replicatedSet is what the StatefulSets of Redis servers and of Sentinels have in common. All pods start at once: those that are
// needed most may be the last ones.
func replicatedSet(replicas int32, service string, selector map[string]string) *appsac.StatefulSetSpecApplyConfiguration {
	return appsac.StatefulSetSpec().
		WithReplicas(replicas).
		WithServiceName(service).
		WithRevisionHistoryLimit(revisionHistory).
		WithPodManagementPolicy(appsv1.ParallelPodManagement).
		WithSelector(metaac.LabelSelector().WithMatchLabels(selector)).
		WithUpdateStrategy(appsac.StatefulSetUpdateStrategy().WithType(appsv1.OnDeleteStatefulSetStrategyType))
}

// RedisStorageSize is the size of the volumes that the spec asks for.
func RedisStorageSize(redis v1alpha1.RedisSpec) resource.Quantity {
	if redis.Storage != nil {
		return redis.Storage.Size
	}
	return resource.MustParse(defaultStorage)
}

// redisStorage is that of the spec, or what a server of several needs.
func redisStorage(w Wanted, set string) v1alpha1.RedisStorage {
	storage := v1alpha1.RedisStorage{}
	if wanted := w.Cluster.Spec.Redis.Storage; wanted != nil {
		storage = *wanted
	}
	storage.Size = RedisStorageSize(w.Cluster.Spec.Redis)
	if size, held := w.RedisStorage[set]; held {
		storage.Size = size
	}
	return storage
}

func serverPod(w Wanted, set RedisSet) (*coreac.PodSpecApplyConfiguration, error) {
	redis := w.Cluster.Spec.Redis
	container := coreac.Container().
		WithName(redisContainer).
		WithImage(w.RedisImage).
		WithImagePullPolicy(corev1.PullIfNotPresent).
		WithCommand(append([]string{"redis-server", redisConfigFolder + "/" + redisConfigFile}, announcement(w)...)...).
		WithPorts(coreac.ContainerPort().WithName(redisPortName).WithContainerPort(RedisPort).WithProtocol(corev1.ProtocolTCP)).
		WithEnv(endVariables(w)...).
		WithSecurityContext(containerSecurity()).
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
		WithVolumeMounts(
			mount(configVolume, redisConfigFolder),
			mount(authVolume, redisAuthFolder),
			coreac.VolumeMount().WithName(DataVolume).WithMountPath(redisDataFolder),
		).
		WithLifecycle(coreac.Lifecycle().WithPreStop(coreac.LifecycleHandler().
			WithExec(coreac.ExecAction().WithCommand(shell, redisConfigFolder+"/"+endScriptFile)))).
		// One that loads its data lives, however long that takes, and is not ready.
		WithStartupProbe(serverProbe(redis, "PONG|LOADING|MASTERDOWN").WithPeriodSeconds(2).WithFailureThreshold(300)).
		WithLivenessProbe(serverProbe(redis, "PONG|LOADING|BUSY|MASTERDOWN").WithPeriodSeconds(10).WithFailureThreshold(6)).
		WithReadinessProbe(serverProbe(redis, "PONG").WithPeriodSeconds(5).WithFailureThreshold(2))
	if redis.Cluster != nil {
		container.WithPorts(coreac.ContainerPort().WithName("bus").WithContainerPort(redisBusPort).WithProtocol(corev1.ProtocolTCP))
	}
	if err := resources(container, redisResources(redis)); err != nil {
		return nil, err
	}
	files := []string{aclKey, replicationKey, internalPasswordKey}
	return replicatedPod(w, container, RedisName(w.Cluster.Name), files, set.Selector(w.Cluster.Name))
}

// announcement is how a server tells the others the name by which they find it, whatever its address is.
func announcement(w Wanted) []string {
	host := RedisHost(w, "$("+podVariable+")")
	if w.Cluster.Spec.Redis.Cluster != nil {
		return []string{"--cluster-announce-hostname", host}
	}
	return []string{"--replica-announce-ip", host, "--replica-announce-port", strconv.Itoa(RedisPort)}
}

// endVariables tell endScript where it finds what.
func endVariables(w Wanted) []*coreac.EnvVarApplyConfiguration {
	variables := []*coreac.EnvVarApplyConfiguration{podNameVariable()}
	if w.Cluster.Spec.Redis.Sentinel != nil {
		variables = append(variables,
			coreac.EnvVar().WithName("SENTINEL_ADDRESS").WithValue(fmt.Sprintf("%s.%s.svc", SentinelName(w.Cluster.Name), w.Cluster.Namespace)),
			coreac.EnvVar().WithName("SENTINEL_PRIMARY").WithValue(RedisPrimaryName(w.Cluster)))
	}
	if w.Cluster.Spec.Redis.TLS != nil {
		variables = append(variables, coreac.EnvVar().WithName("TLS_FLAGS").WithValue(tlsFlags))
	}
	return variables
}

// RedisPrimaryName is what Sentinels call the primary.
func RedisPrimaryName(cluster *v1alpha1.ChatCluster) string { return cluster.Name }

func podNameVariable() *coreac.EnvVarApplyConfiguration {
	return coreac.EnvVar().WithName(podVariable).WithValueFrom(coreac.EnvVarSource().
		WithFieldRef(coreac.ObjectFieldSelector().WithAPIVersion("v1").WithFieldPath("metadata.name")))
}

// replicatedPod is what pods of Redis servers and of Sentinels have in common; files are what they see of the Secret.
func replicatedPod(
	w Wanted, container *coreac.ContainerApplyConfiguration, configMap string, files []string, selector map[string]string,
) (*coreac.PodSpecApplyConfiguration, error) {
	redis, items := w.Cluster.Spec.Redis, map[string]string{}
	for _, file := range files {
		items[file] = file
	}
	pod := coreac.PodSpec().
		WithAutomountServiceAccountToken(false).
		WithEnableServiceLinks(false).
		WithTerminationGracePeriodSeconds(replicatedGraceSeconds).
		WithSecurityContext(podSecurity(redisUser)).
		WithVolumes(
			coreac.Volume().WithName(configVolume).WithConfigMap(coreac.ConfigMapVolumeSource().WithName(configMap).WithDefaultMode(0o444)),
			secretFiles(authVolume, RedisAuthName(w.Cluster.Name), items, false),
		)
	showCertificate(pod, container, redis.TLS)
	pod.WithContainers(container)
	pullSecrets(pod, w.Cluster.Spec.ImagePullSecrets)
	if err := schedule(pod, redis.Scheduling); err != nil {
		return nil, err
	}
	if len(redis.Scheduling.TopologySpreadConstraints) > 0 {
		return pod, spread(pod, redis.Scheduling, selector)
	}
	// By host names only: constraints that do not bind count only nodes that have all of their labels.
	pod.WithTopologySpreadConstraints(coreac.TopologySpreadConstraint().
		WithTopologyKey(corev1.LabelHostname).
		WithMaxSkew(1).
		WithWhenUnsatisfiable(corev1.ScheduleAnyway).
		WithLabelSelector(metaac.LabelSelector().WithMatchLabels(selector)))
	return pod, nil
}
