package children

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsac "k8s.io/client-go/applyconfigurations/apps/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/drain"
)

// HubContainer is the name of the one container of hub servers.
const HubContainer = "hub"

const (
	// hubUser is nobody, as in distroless images.
	hubUser = 65532
	// progressSeconds is how long a new pod may take to serve before a roll-out counts as stuck: an image pull is in it.
	progressSeconds = 600
	revisionHistory = 5
	livePath        = "/healthz"
	readyPath       = "/readyz"
)

// The volumes of hub servers.
const (
	configVolume = "config"
	redisVolume  = "redis"
	keyVolume    = "key"
	// authorityVolume has who vouches for Redis.
	authorityVolume = "redis-tls"
	tokenVolume     = "tokens"
	tlsVolume       = "tls"
)

// HubDeployment runs the hub servers. It is a Deployment because only there Kubernetes heeds which pod costs least.
func HubDeployment(w Wanted) (*appsac.DeploymentApplyConfiguration, error) {
	name, spec := w.Cluster.Name, w.Cluster.Spec
	template, err := hubTemplate(w)
	if err != nil {
		return nil, err
	}
	made, err := HubTemplateHash(w)
	if err != nil {
		return nil, err
	}
	// It paces a roll-out: Kubernetes does not wait for pods that end, so the next one waits as long as one needs to send its
	// clients elsewhere.
	minReady := int32(drain.For(spec, w.Clients).Pace / time.Second)
	return appsac.Deployment(HubName(name), w.Cluster.Namespace).
		WithLabels(Labels(name, v1alpha1.HubComponent)).
		WithAnnotations(map[string]string{v1alpha1.AnnotationTemplate: made}).
		WithOwnerReferences(owner(w.Cluster)).
		WithSpec(appsac.DeploymentSpec().
			WithReplicas(w.Replicas).
			WithMinReadySeconds(minReady).
			WithProgressDeadlineSeconds(minReady + progressSeconds).
			WithRevisionHistoryLimit(revisionHistory).
			WithSelector(metaac.LabelSelector().WithMatchLabels(Selector(name, v1alpha1.HubComponent))).
			WithStrategy(appsac.DeploymentStrategy().
				WithType(appsv1.RollingUpdateDeploymentStrategyType).
				WithRollingUpdate(appsac.RollingUpdateDeployment().
					WithMaxSurge(intstr.FromInt32(spec.Rollout.MaxSurge)).
					WithMaxUnavailable(intstr.FromInt32(0)))).
			WithTemplate(template)), nil
}

func hubTemplate(w Wanted) (*coreac.PodTemplateSpecApplyConfiguration, error) {
	spec := w.Cluster.Spec
	pod, err := hubPod(w)
	if err != nil {
		return nil, err
	}
	configuration, err := HubConfiguration(w)
	if err != nil {
		return nil, err
	}
	return coreac.PodTemplateSpec().
		WithLabels(merge(spec.Hub.PodMetadata.Labels, Labels(w.Cluster.Name, v1alpha1.HubComponent))).
		WithAnnotations(merge(spec.Hub.PodMetadata.Annotations, map[string]string{
			v1alpha1.AnnotationConfiguration:          configuration,
			v1alpha1.AnnotationContent:                w.HubContent,
			v1alpha1.AnnotationClients:                strconv.FormatInt(w.Clients, 10),
			"kubectl.kubernetes.io/default-container": HubContainer,
		})).
		WithSpec(pod), nil
}

// HubTemplateHash is a hash of all that hub servers are made of but the number of clients that their end is planned for, which
// alone must replace none: PlannedClients.
func HubTemplateHash(w Wanted) (string, error) {
	w.Clients = 0
	template, err := hubTemplate(w)
	if err != nil {
		return "", err
	}
	encoded, err := json.Marshal(template)
	if err != nil {
		return "", fmt.Errorf("encode the pods of the hub servers: %w", err)
	}
	return Hash(string(encoded)), nil
}

// PlannedClients returns for how many clients of one hub server the end of the present ones is planned, and whether they are
// made of what has the hash. nil is a Deployment that is not there.
func PlannedClients(live *appsv1.Deployment, hash string) (clients int64, same bool) {
	if live == nil {
		return 0, false
	}
	clients, _ = strconv.ParseInt(live.Spec.Template.Annotations[v1alpha1.AnnotationClients], 10, 64) // 0 if somebody broke it
	return clients, live.Annotations[v1alpha1.AnnotationTemplate] == hash
}

func hubPod(w Wanted) (*coreac.PodSpecApplyConfiguration, error) {
	spec := w.Cluster.Spec
	container, err := hubContainer(w)
	if err != nil {
		return nil, err
	}
	pod := coreac.PodSpec().
		WithAutomountServiceAccountToken(false).
		// Variables of Services would be taken for configuration.
		WithEnableServiceLinks(false).
		WithTerminationGracePeriodSeconds(int64(drain.For(spec, w.Clients).Grace / time.Second)).
		WithSecurityContext(podSecurity(hubUser))
	for _, volume := range hubVolumes(w) {
		pod.WithVolumes(volume.source)
		container.WithVolumeMounts(volume.mount)
	}
	pod.WithContainers(container) // a copy of it, as it is now
	pullSecrets(pod, spec.ImagePullSecrets)
	if err := schedule(pod, spec.Hub.Scheduling); err != nil {
		return nil, err
	}
	return pod, spread(pod, spec.Hub.Scheduling, Selector(w.Cluster.Name, v1alpha1.HubComponent))
}

func hubContainer(w Wanted) (*coreac.ContainerApplyConfiguration, error) {
	spec := w.Cluster.Spec
	container := coreac.Container().
		WithName(HubContainer).
		WithImage(w.HubImage).
		WithImagePullPolicy(spec.Hub.ImagePullPolicy).
		WithArgs("--config", hubConfigFolder+"/"+hubConfigFile).
		WithPorts(
			coreac.ContainerPort().WithName(hubPortName).WithContainerPort(HubPort).WithProtocol(corev1.ProtocolTCP),
			coreac.ContainerPort().WithName(metricsPortName).WithContainerPort(MetricsPort).WithProtocol(corev1.ProtocolTCP),
			coreac.ContainerPort().WithName(peerPortName).WithContainerPort(PeerPort).WithProtocol(corev1.ProtocolTCP),
		).
		WithSecurityContext(containerSecurity()).
		// The operator shows the last line of a server that could not start.
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
		// A minute to start, then replaced when it does not answer for 30 s, out of the Service after 5 s.
		WithStartupProbe(hubProbe(spec.TLS, livePath).WithPeriodSeconds(1).WithFailureThreshold(60)).
		WithLivenessProbe(hubProbe(spec.TLS, livePath).WithPeriodSeconds(10).WithFailureThreshold(3)).
		WithReadinessProbe(hubProbe(spec.TLS, readyPath).WithPeriodSeconds(5).WithFailureThreshold(1))
	if err := resources(container, spec.Hub.Resources); err != nil {
		return nil, err
	}
	environment, err := hubEnvironment(spec.Hub)
	container.WithEnv(environment...)
	return container, err
}

func hubProbe(tls *v1alpha1.TLSSpec, path string) *coreac.ProbeApplyConfiguration {
	uri := corev1.URISchemeHTTP
	if tls != nil {
		uri = corev1.URISchemeHTTPS
	}
	return coreac.Probe().
		WithTimeoutSeconds(3).
		WithHTTPGet(coreac.HTTPGetAction().WithPath(path).WithPort(intstr.FromString(hubPortName)).WithScheme(uri))
}

// hubEnvironment is what the operator sets, then what the user sets, who wins.
func hubEnvironment(hub v1alpha1.HubSpec) ([]*coreac.EnvVarApplyConfiguration, error) {
	users, err := asList[coreac.EnvVarApplyConfiguration](hub.Env)
	if err != nil {
		return nil, err
	}
	set := map[string]bool{}
	for _, variable := range hub.Env {
		set[variable.Name] = true
	}
	var environment []*coreac.EnvVarApplyConfiguration
	if limit := memoryLimit(hub.Resources); limit > 0 && !set["GOMEMLIMIT"] {
		environment = append(environment, coreac.EnvVar().WithName("GOMEMLIMIT").WithValue(strconv.FormatInt(limit/10*9, 10)))
	}
	if !set["POD_IP"] {
		environment = append(environment, coreac.EnvVar().WithName("POD_IP").WithValueFrom(coreac.EnvVarSource().
			WithFieldRef(coreac.ObjectFieldSelector().WithAPIVersion("v1").WithFieldPath("status.podIP"))))
	}
	return append(environment, users...), nil
}

// memoryLimit is in bytes; 0 is none.
func memoryLimit(resources *corev1.ResourceRequirements) int64 {
	if resources == nil {
		return 0
	}
	return resources.Limits.Memory().Value()
}

type hubVolume struct {
	source *coreac.VolumeApplyConfiguration
	mount  *coreac.VolumeMountApplyConfiguration
}

// hubVolumes are the files of hub servers. All but the configuration are read again when they change.
func hubVolumes(w Wanted) []hubVolume {
	name, spec := w.Cluster.Name, w.Cluster.Spec
	volumes := []hubVolume{
		{hubConfigFiles(), mount(configVolume, hubConfigFolder)},
		{secretFiles(keyVolume, ClusterKeyName(name), nil, false), mount(keyVolume, hubKeyFolder)},
	}
	if w.Managed() {
		volumes = append(volumes, hubVolume{
			secretFiles(redisVolume, RedisAuthName(name), map[string]string{PasswordKey: passwordFile}, false),
			mount(redisVolume, hubRedisFolder),
		})
	} else {
		connection := spec.Redis.External.Connection
		volumes = append(volumes, hubVolume{
			secretFiles(redisVolume, connection.Name, map[string]string{connection.Key: connectionFile}, false),
			mount(redisVolume, hubRedisFolder),
		})
	}
	if spec.Redis.TLS != nil {
		volumes = append(volumes, hubVolume{
			secretFiles(authorityVolume, spec.Redis.TLS.SecretName, map[string]string{authorityFile: authorityFile}, false),
			mount(authorityVolume, hubAuthorityFolder),
		})
	}
	if authentication := spec.Hub.Authentication; authentication != nil {
		volumes = append(volumes, hubVolume{
			secretFiles(tokenVolume, authentication.Key.Name, map[string]string{authentication.Key.Key: tokenKeyFile}, false),
			mount(tokenVolume, hubTokenFolder),
		})
	}
	if spec.TLS != nil {
		volumes = append(volumes, hubVolume{secretFiles(tlsVolume, spec.TLS.SecretName, nil, false), mount(tlsVolume, hubTLSFolder)})
	}
	return volumes
}
