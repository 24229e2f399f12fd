package children

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// HubService is the one address of all hub servers. It needs no affinity: any of them serves any client.
func HubService(w Wanted) *coreac.ServiceApplyConfiguration {
	wanted := w.Cluster.Spec.Service
	port := servicePort(scheme(w.Cluster.Spec.TLS), ServicePort(w.Cluster), hubPortName)
	if wanted.NodePort != 0 {
		port.WithNodePort(wanted.NodePort)
	}
	spec := coreac.ServiceSpec().
		WithType(corev1.ServiceType(wanted.Type)).
		WithSelector(Selector(w.Cluster.Name, v1alpha1.HubComponent)).
		WithPorts(port)
	if wanted.LoadBalancerClass != "" {
		spec.WithLoadBalancerClass(wanted.LoadBalancerClass)
	}
	service := coreac.Service(ServiceName(w.Cluster.Name), w.Cluster.Namespace).
		WithLabels(merge(wanted.Metadata.Labels, Labels(w.Cluster.Name, v1alpha1.HubComponent))).
		WithOwnerReferences(owner(w.Cluster)).
		WithSpec(spec)
	if len(wanted.Metadata.Annotations) > 0 {
		service.WithAnnotations(wanted.Metadata.Annotations)
	}
	return service
}

// ServicePort is where clients find the hub servers.
func ServicePort(cluster *v1alpha1.ChatCluster) int32 {
	if cluster.Spec.TLS != nil {
		return securePort
	}
	return plainPort
}

// ServiceURL is the address of the hub servers inside the Kubernetes cluster.
func ServiceURL(cluster *v1alpha1.ChatCluster) string {
	return fmt.Sprintf("%s://%s.%s.svc", scheme(cluster.Spec.TLS), ServiceName(cluster.Name), cluster.Namespace)
}

// RedisService is the address of Redis. Its IP address stays when the pod is replaced. Several servers have names of their own
// instead.
func RedisService(w Wanted) *coreac.ServiceApplyConfiguration {
	if w.Replicated() {
		return replicatedService(w)
	}
	return coreac.Service(RedisName(w.Cluster.Name), w.Cluster.Namespace).
		WithLabels(Labels(w.Cluster.Name, v1alpha1.RedisComponent)).
		WithOwnerReferences(owner(w.Cluster)).
		WithSpec(coreac.ServiceSpec().
			WithType(corev1.ServiceTypeClusterIP).
			WithSelector(Selector(w.Cluster.Name, v1alpha1.RedisComponent)).
			WithPorts(servicePort(redisPortName, RedisPort, redisPortName)))
}

// MetricsService lists the metrics of all hub servers for a ServiceMonitor. Clients cannot reach metrics by HubService.
func MetricsService(w Wanted) *coreac.ServiceApplyConfiguration {
	labels := Labels(w.Cluster.Name, v1alpha1.HubComponent)
	labels[metricsLabel] = metricsLabelValue
	return coreac.Service(MetricsName(w.Cluster.Name), w.Cluster.Namespace).
		WithLabels(labels).
		WithOwnerReferences(owner(w.Cluster)).
		WithSpec(coreac.ServiceSpec().
			WithType(corev1.ServiceTypeClusterIP).
			WithClusterIP(corev1.ClusterIPNone).
			WithSelector(Selector(w.Cluster.Name, v1alpha1.HubComponent)).
			WithPorts(servicePort(metricsPortName, MetricsPort, metricsPortName)))
}

func servicePort(name string, port int32, target string) *coreac.ServicePortApplyConfiguration {
	return coreac.ServicePort().
		WithName(name).
		WithPort(port).
		WithProtocol(corev1.ProtocolTCP).
		WithTargetPort(intstr.FromString(target))
}
