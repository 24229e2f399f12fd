package children

import (
	networkingv1 "k8s.io/api/networking/v1"
	networkingac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// HubIngress makes the hub servers reachable through an ingress controller; the spec has an ingress.
func HubIngress(w Wanted) *networkingac.IngressApplyConfiguration {
	wanted := w.Cluster.Spec.Ingress
	backend := networkingac.IngressBackend().WithService(networkingac.IngressServiceBackend().
		WithName(ServiceName(w.Cluster.Name)).
		WithPort(networkingac.ServiceBackendPort().WithName(scheme(w.Cluster.Spec.TLS))))
	path := networkingac.HTTPIngressPath().
		WithPath(wanted.Path).
		WithPathType(networkingv1.PathTypePrefix).
		WithBackend(backend)
	spec := networkingac.IngressSpec().WithRules(networkingac.IngressRule().
		WithHost(wanted.Host).
		WithHTTP(networkingac.HTTPIngressRuleValue().WithPaths(path)))
	if wanted.ClassName != "" {
		spec.WithIngressClassName(wanted.ClassName)
	}
	if wanted.TLS != nil {
		spec.WithTLS(networkingac.IngressTLS().WithHosts(wanted.Host).WithSecretName(wanted.TLS.SecretName))
	}
	ingress := networkingac.Ingress(ServiceName(w.Cluster.Name), w.Cluster.Namespace).
		WithLabels(merge(wanted.Metadata.Labels, Labels(w.Cluster.Name, v1alpha1.HubComponent))).
		WithOwnerReferences(owner(w.Cluster)).
		WithSpec(spec)
	if len(wanted.Metadata.Annotations) > 0 {
		ingress.WithAnnotations(wanted.Metadata.Annotations)
	}
	return ingress
}
