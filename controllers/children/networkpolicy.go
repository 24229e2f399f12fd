package children

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// HubNetworkPolicy lets clients reach the hubs, hub servers each other, and monitors and the operator the metrics.
func HubNetworkPolicy(w Wanted) (*networkingac.NetworkPolicyApplyConfiguration, error) {
	wanted := w.Cluster.Spec.NetworkPolicy
	clients, err := asList[networkingac.NetworkPolicyPeerApplyConfiguration](wanted.Clients)
	if err != nil {
		return nil, err
	}
	monitors, err := asList[networkingac.NetworkPolicyPeerApplyConfiguration](wanted.Monitors)
	if err != nil {
		return nil, err
	}
	if len(monitors) > 0 {
		monitors = append(monitors, operatorPeers(w)...)
	}
	return networkPolicy(w, HubName(w.Cluster.Name), v1alpha1.HubComponent,
		ingressRule(HubPort, clients...),
		ingressRule(PeerPort, peers(w.Cluster.Name, v1alpha1.HubComponent)),
		ingressRule(MetricsPort, monitors...),
	), nil
}

// RedisNetworkPolicy lets hub servers reach Redis, and the operator, which tells it about new passwords and certificates.
func RedisNetworkPolicy(w Wanted) *networkingac.NetworkPolicyApplyConfiguration {
	if w.Replicated() {
		return replicatedNetworkPolicy(w)
	}
	from := append(operatorPeers(w), peers(w.Cluster.Name, v1alpha1.HubComponent))
	return networkPolicy(w, RedisName(w.Cluster.Name), v1alpha1.RedisComponent, ingressRule(RedisPort, from...))
}

func networkPolicy(
	w Wanted, name, component string, rules ...*networkingac.NetworkPolicyIngressRuleApplyConfiguration,
) *networkingac.NetworkPolicyApplyConfiguration {
	return networkingac.NetworkPolicy(name, w.Cluster.Namespace).
		WithLabels(Labels(w.Cluster.Name, component)).
		WithOwnerReferences(owner(w.Cluster)).
		WithSpec(networkingac.NetworkPolicySpec().
			WithPodSelector(metaac.LabelSelector().WithMatchLabels(Selector(w.Cluster.Name, component))).
			WithPolicyTypes(networkingv1.PolicyTypeIngress).
			WithIngress(rules...))
}

// ingressRule opens a port to some, or to everyone if none is named.
func ingressRule(
	port int32, from ...*networkingac.NetworkPolicyPeerApplyConfiguration,
) *networkingac.NetworkPolicyIngressRuleApplyConfiguration {
	return networkingac.NetworkPolicyIngressRule().
		WithPorts(networkingac.NetworkPolicyPort().WithPort(intstr.FromInt32(port)).WithProtocol(corev1.ProtocolTCP)).
		WithFrom(from...)
}

func peers(cluster, component string) *networkingac.NetworkPolicyPeerApplyConfiguration {
	return networkingac.NetworkPolicyPeer().WithPodSelector(metaac.LabelSelector().WithMatchLabels(Selector(cluster, component)))
}

func operatorPeers(w Wanted) []*networkingac.NetworkPolicyPeerApplyConfiguration {
	if w.OperatorNamespace == "" {
		return nil
	}
	return []*networkingac.NetworkPolicyPeerApplyConfiguration{
		networkingac.NetworkPolicyPeer().WithNamespaceSelector(metaac.LabelSelector().
			WithMatchLabels(map[string]string{corev1.LabelMetadataName: w.OperatorNamespace})),
	}
}
