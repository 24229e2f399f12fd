package children

import (
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
	policyac "k8s.io/client-go/applyconfigurations/policy/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// HubDisruptionBudget bounds how many hub servers the drain of nodes takes away at once. One that does not serve anyway may
// always go.
func HubDisruptionBudget(w Wanted) *policyac.PodDisruptionBudgetApplyConfiguration {
	return policyac.PodDisruptionBudget(HubName(w.Cluster.Name), w.Cluster.Namespace).
		WithLabels(Labels(w.Cluster.Name, v1alpha1.HubComponent)).
		WithOwnerReferences(owner(w.Cluster)).
		WithSpec(policyac.PodDisruptionBudgetSpec().
			WithMaxUnavailable(intstr.FromInt32(w.Cluster.Spec.DisruptionBudget.MaxUnavailable)).
			WithUnhealthyPodEvictionPolicy(policyv1.AlwaysAllow).
			WithSelector(metaac.LabelSelector().WithMatchLabels(Selector(w.Cluster.Name, v1alpha1.HubComponent))))
}
