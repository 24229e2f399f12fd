package v1alpha1

import networkingv1 "k8s.io/api/networking/v1"

// ServiceSpec is the Service of the hub servers.
//
// +kubebuilder:validation:XValidation:rule="!has(self.nodePort) || self.type != 'ClusterIP'",message="service.nodePort needs type NodePort or LoadBalancer"
// +kubebuilder:validation:XValidation:rule="!has(self.loadBalancerClass) || self.type == 'LoadBalancer'",message="service.loadBalancerClass needs type LoadBalancer"
// +kubebuilder:validation:XValidation:rule="self.type != 'LoadBalancer' || oldSelf.type != 'LoadBalancer' || has(self.loadBalancerClass) == has(oldSelf.loadBalancerClass) && (!has(self.loadBalancerClass) || self.loadBalancerClass == oldSelf.loadBalancerClass)",message="service.loadBalancerClass cannot be set, changed or removed while service.type is LoadBalancer: Kubernetes forbids it. Give the Service another type first"
type ServiceSpec struct {
	// type is how the Service is published.
	// +optional
	// +default="ClusterIP"
	// +kubebuilder:validation:Enum=ClusterIP;NodePort;LoadBalancer
	Type string `json:"type,omitempty"`

	// nodePort is the port on all nodes. Unset: Kubernetes chooses one if the
	// type has one.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	NodePort int32 `json:"nodePort,omitempty"`

	// loadBalancerClass is who makes the load balancer. Unset is the default of
	// the Kubernetes cluster. It stays as it is while the type is LoadBalancer.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	LoadBalancerClass string `json:"loadBalancerClass,omitempty"`

	// metadata is added to that of the Service, for instance for the controller
	// of a load balancer.
	// +optional
	Metadata Metadata `json:"metadata,omitempty,omitzero"`
}

// IngressSpec is an Ingress of the hub servers.
type IngressSpec struct {
	// host is the name by which clients reach the hub servers.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Host string `json:"host,omitempty"`

	// path is the part of the host that is for the hub servers.
	// +optional
	// +default="/"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^/[-._~/a-zA-Z0-9]*$`
	Path string `json:"path,omitempty"`

	// className is the IngressClass. Unset is the default of the Kubernetes
	// cluster.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClassName string `json:"className,omitempty"`

	// tls is the certificate of the host. Without it the Ingress is for http.
	// +optional
	TLS *TLSSpec `json:"tls,omitempty"`

	// metadata is added to that of the Ingress. Annotations tell the ingress
	// controller how long a WebSocket may be idle, and cert-manager whom to ask
	// for a certificate.
	// +optional
	Metadata Metadata `json:"metadata,omitempty,omitzero"`
}

// TLSSpec is a certificate.
type TLSSpec struct {
	// secretName is the Secret of type kubernetes.io/tls that has it.
	// cert-manager or you write it; a renewed certificate is taken up without a
	// restart.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName,omitempty"`
}

// GatewaySpec is an HTTPRoute of the hub servers.
type GatewaySpec struct {
	// parents are the Gateways, or their listeners, that the route is attached
	// to.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Parents []GatewayParent `json:"parents,omitempty"`

	// hostnames are those by which clients reach the hub servers. None is all of
	// the Gateway.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	Hostnames []string `json:"hostnames,omitempty"`

	// path is the part of the hosts that is for the hub servers.
	// +optional
	// +default="/"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^/[-._~/a-zA-Z0-9]*$`
	Path string `json:"path,omitempty"`

	// metadata is added to that of the HTTPRoute.
	// +optional
	Metadata Metadata `json:"metadata,omitempty,omitzero"`
}

// GatewayParent is a Gateway or one of its listeners.
type GatewayParent struct {
	// name is the name of the Gateway.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// namespace is that of the Gateway. Unset is the ChatCluster's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// sectionName is a listener of the Gateway. Unset is all of them.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SectionName string `json:"sectionName,omitempty"`
}

// NetworkPolicySpec is who may open connections to the pods. Redis is for
// hub servers only, always, and so is what hub servers tell each other.
type NetworkPolicySpec struct {
	// enabled makes the NetworkPolicies.
	// +optional
	// +default=true
	Enabled *bool `json:"enabled,omitempty"`

	// clients are those who may connect to the hubs. None is everyone.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Clients []networkingv1.NetworkPolicyPeer `json:"clients,omitempty"`

	// monitors are those who may read the metrics, beside the operator. None is
	// everyone.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Monitors []networkingv1.NetworkPolicyPeer `json:"monitors,omitempty"`
}
