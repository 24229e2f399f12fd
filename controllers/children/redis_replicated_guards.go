package children

import (
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingac "k8s.io/client-go/applyconfigurations/networking/v1"
	policyac "k8s.io/client-go/applyconfigurations/policy/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// RedisDisruptionBudget lets the drain of nodes take away one Redis server at a time. One that loads its data is not ready, and
// may be the only one that has them: it counts as away.
func RedisDisruptionBudget(w Wanted) *policyac.PodDisruptionBudgetApplyConfiguration {
	return oneAtATime(w, RedisName(w.Cluster.Name), v1alpha1.RedisComponent)
}

// SentinelDisruptionBudget lets the drain of nodes take away one Sentinel at a time.
func SentinelDisruptionBudget(w Wanted) *policyac.PodDisruptionBudgetApplyConfiguration {
	return oneAtATime(w, SentinelName(w.Cluster.Name), v1alpha1.SentinelComponent)
}

func oneAtATime(w Wanted, name, component string) *policyac.PodDisruptionBudgetApplyConfiguration {
	return policyac.PodDisruptionBudget(name, w.Cluster.Namespace).
		WithLabels(Labels(w.Cluster.Name, component)).
		WithOwnerReferences(owner(w.Cluster)).
		WithSpec(policyac.PodDisruptionBudgetSpec().
			WithMaxUnavailable(intstr.FromInt32(1)).
			WithUnhealthyPodEvictionPolicy(policyv1.IfHealthyBudget).
			WithSelector(metaac.LabelSelector().WithMatchLabels(Selector(w.Cluster.Name, component))))
}

// replicatedNetworkPolicy lets hub servers, Sentinels, the operator and the servers themselves reach the Redis servers.
func replicatedNetworkPolicy(w Wanted) *networkingac.NetworkPolicyApplyConfiguration {
	name, servers := w.Cluster.Name, peers(w.Cluster.Name, v1alpha1.RedisComponent)
	from := append(operatorPeers(w), peers(name, v1alpha1.HubComponent), servers)
	if w.Cluster.Spec.Redis.Cluster != nil {
		return networkPolicy(w, RedisName(name), v1alpha1.RedisComponent,
			ingressRule(RedisPort, from...), ingressRule(redisBusPort, servers))
	}
	return networkPolicy(w, RedisName(name), v1alpha1.RedisComponent,
		ingressRule(RedisPort, append(from, peers(name, v1alpha1.SentinelComponent))...))
}

// SentinelNetworkPolicy lets hub servers ask Sentinels for the primary, Redis servers for a successor, and the operator reach them.
func SentinelNetworkPolicy(w Wanted) *networkingac.NetworkPolicyApplyConfiguration {
	name := w.Cluster.Name
	from := append(operatorPeers(w), peers(name, v1alpha1.HubComponent), peers(name, v1alpha1.RedisComponent),
		peers(name, v1alpha1.SentinelComponent))
	return networkPolicy(w, SentinelName(name), v1alpha1.SentinelComponent, ingressRule(SentinelPort, from...))
}

// replicatedService gives each Redis server a name.
func replicatedService(w Wanted) *coreac.ServiceApplyConfiguration {
	service := namesOfPods(w, RedisName(w.Cluster.Name), v1alpha1.RedisComponent)
	service.Spec.WithPorts(servicePort(redisPortName, RedisPort, redisPortName))
	if w.Cluster.Spec.Redis.Cluster != nil {
		service.Spec.WithPorts(servicePort("bus", redisBusPort, "bus"))
	}
	return service
}

// SentinelService gives each Sentinel a name.
func SentinelService(w Wanted) *coreac.ServiceApplyConfiguration {
	service := namesOfPods(w, SentinelName(w.Cluster.Name), v1alpha1.SentinelComponent)
	service.Spec.WithPorts(servicePort(sentinelPortName, SentinelPort, sentinelPortName))
	return service
}

// namesOfPods is a Service by which the resolver knows pods by their names, also those that are not ready: servers find each
// other before they serve.
func namesOfPods(w Wanted, name, component string) *coreac.ServiceApplyConfiguration {
	return coreac.Service(name, w.Cluster.Namespace).
		WithLabels(Labels(w.Cluster.Name, component)).
		WithOwnerReferences(owner(w.Cluster)).
		WithSpec(coreac.ServiceSpec().
			WithType(corev1.ServiceTypeClusterIP).
			WithClusterIP(corev1.ClusterIPNone).
			WithPublishNotReadyAddresses(true).
			WithSelector(Selector(w.Cluster.Name, component)))
}
