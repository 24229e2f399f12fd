package children

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// templateLabel tells pods of one template of a Deployment from those of another.
const templateLabel = appsv1.DefaultDeploymentUniqueLabelKey

// podSecurity runs a pod as nobody in particular, without a way to become somebody else.
func podSecurity(user int64) *coreac.PodSecurityContextApplyConfiguration {
	return coreac.PodSecurityContext().
		WithRunAsNonRoot(true).
		WithRunAsUser(user).
		WithRunAsGroup(user).
		WithFSGroup(user).
		WithFSGroupChangePolicy(corev1.FSGroupChangeOnRootMismatch).
		WithSeccompProfile(coreac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault))
}

func containerSecurity() *coreac.SecurityContextApplyConfiguration {
	return coreac.SecurityContext().
		WithAllowPrivilegeEscalation(false).
		WithReadOnlyRootFilesystem(true).
		WithCapabilities(coreac.Capabilities().WithDrop("ALL"))
}

// schedule puts what the spec says about nodes into a pod.
func schedule(pod *coreac.PodSpecApplyConfiguration, scheduling v1alpha1.Scheduling) error {
	if len(scheduling.NodeSelector) > 0 {
		pod.WithNodeSelector(scheduling.NodeSelector)
	}
	if scheduling.PriorityClassName != "" {
		pod.WithPriorityClassName(scheduling.PriorityClassName)
	}
	tolerations, err := asList[coreac.TolerationApplyConfiguration](scheduling.Tolerations)
	if err != nil {
		return err
	}
	pod.WithTolerations(tolerations...)
	if scheduling.Affinity != nil {
		affinity, err := as[coreac.AffinityApplyConfiguration](scheduling.Affinity)
		if err != nil {
			return err
		}
		pod.WithAffinity(affinity)
	}
	return nil
}

// spread puts the constraints of the spec, or the standard ones, into a pod. Standard are nodes first, by a constraint, and then
// zones, by an affinity: a scheduler that has two constraints to heed ignores both on nodes that lack one of the two labels, and
// puts all pods on one node of a Kubernetes cluster without zones. An affinity of the user's takes the place of the one for zones.
//
// Only pods of one template are counted: those that are replaced anyway must not push their successors together.
func spread(pod *coreac.PodSpecApplyConfiguration, scheduling v1alpha1.Scheduling, selector map[string]string) error {
	constraints, err := asList[coreac.TopologySpreadConstraintApplyConfiguration](scheduling.TopologySpreadConstraints)
	if err != nil {
		return err
	}
	if len(constraints) == 0 {
		constraints = append(constraints, coreac.TopologySpreadConstraint().
			WithTopologyKey(corev1.LabelHostname).
			WithMaxSkew(1).
			WithWhenUnsatisfiable(corev1.ScheduleAnyway).
			WithMatchLabelKeys(templateLabel))
		if scheduling.Affinity == nil {
			pod.WithAffinity(coreac.Affinity().WithPodAntiAffinity(otherZones(selector)))
		}
	}
	for _, constraint := range constraints {
		if constraint.LabelSelector == nil {
			constraint.WithLabelSelector(metaac.LabelSelector().WithMatchLabels(selector))
		}
	}
	pod.WithTopologySpreadConstraints(constraints...)
	return nil
}

// otherZones prefers the zones with the fewest pods of the selector.
func otherZones(selector map[string]string) *coreac.PodAntiAffinityApplyConfiguration {
	return coreac.PodAntiAffinity().WithPreferredDuringSchedulingIgnoredDuringExecution(coreac.WeightedPodAffinityTerm().
		WithWeight(100).
		WithPodAffinityTerm(coreac.PodAffinityTerm().
			WithTopologyKey(corev1.LabelTopologyZone).
			WithLabelSelector(metaac.LabelSelector().WithMatchLabels(selector)).
			WithMatchLabelKeys(templateLabel)))
}

func pullSecrets(pod *coreac.PodSpecApplyConfiguration, names []v1alpha1.SecretName) {
	for _, secret := range names {
		pod.WithImagePullSecrets(coreac.LocalObjectReference().WithName(secret.Name))
	}
}

// resources of a container; nil means that it says nothing about them.
func resources(container *coreac.ContainerApplyConfiguration, wanted *corev1.ResourceRequirements) error {
	if wanted == nil {
		return nil
	}
	configuration, err := as[coreac.ResourceRequirementsApplyConfiguration](wanted)
	if err != nil {
		return err
	}
	container.WithResources(configuration)
	return nil
}

// secretFiles mounts some values of a Secret as files that follow its changes.
func secretFiles(volume, secret string, items map[string]string, optional bool) *coreac.VolumeApplyConfiguration {
	source := coreac.SecretVolumeSource().WithSecretName(secret).WithDefaultMode(0o440)
	for _, key := range sortedKeys(items) {
		source.WithItems(coreac.KeyToPath().WithKey(key).WithPath(items[key]))
	}
	if optional {
		source.WithOptional(true)
	}
	return coreac.Volume().WithName(volume).WithSecret(source)
}

func mount(volume, path string) *coreac.VolumeMountApplyConfiguration {
	return coreac.VolumeMount().WithName(volume).WithMountPath(path).WithReadOnly(true)
}
