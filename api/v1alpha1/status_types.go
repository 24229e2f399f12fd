package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ChatClusterStatus is what there is.
//
// +kubebuilder:validation:MinProperties=1
type ChatClusterStatus struct {
	// observedGeneration is the generation of the spec that the rest is about.
	// +optional
	// +kubebuilder:validation:Minimum=1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions are Ready, RedisReady, HubReady, Progressing, Draining, Paused
	// and Degraded.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`

	// replicas is how many hub servers there are that do not end.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Replicas *int32 `json:"replicas,omitempty"`

	// desiredReplicas is how many hub servers there should be: spec.replicas, or
	// what autoscaling chose.
	// +optional
	// +kubebuilder:validation:Minimum=0
	DesiredReplicas *int32 `json:"desiredReplicas,omitempty"`

	// readyReplicas is how many hub servers take clients.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ReadyReplicas *int32 `json:"readyReplicas,omitempty"`

	// updatedReplicas is how many hub servers are as the spec says now.
	// +optional
	// +kubebuilder:validation:Minimum=0
	UpdatedReplicas *int32 `json:"updatedReplicas,omitempty"`

	// draining are the hub servers that end.
	// +optional
	Draining DrainingStatus `json:"draining,omitempty,omitzero"`

	// selector finds the pods of the hub servers; it is for the scale
	// subresource.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Selector string `json:"selector,omitempty"`

	// connections is how many clients are connected, about: it is written when
	// it has changed by a twentieth.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Connections *int64 `json:"connections,omitempty"`

	// version is the tag of the hub servers' image, or the digest if it has no
	// tag.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Version string `json:"version,omitempty"`

	// endpoints are where clients find the hub servers, from the nearest to the
	// farthest.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Endpoints []Endpoint `json:"endpoints,omitempty"`

	// images are those that the operator chose because the spec names none.
	// +optional
	Images ChosenImages `json:"images,omitempty,omitzero"`

	// redis is how Redis is, with modes Sentinel and Cluster.
	// +optional
	Redis RedisStatus `json:"redis,omitempty,omitzero"`

	// autoscaling is what the operator remembers of its decisions.
	// +optional
	Autoscaling AutoscalingStatus `json:"autoscaling,omitempty,omitzero"`
}

// DrainingStatus is about the hub servers that end.
//
// +kubebuilder:validation:MinProperties=1
type DrainingStatus struct {
	// replicas is how many hub servers end and may still have clients.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Replicas *int32 `json:"replicas,omitempty"`

	// connections is how many clients they still have, as far as they were seen.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Connections *int64 `json:"connections,omitempty"`
}

// Endpoint is an address of the hub servers.
type Endpoint struct {
	// type is who can reach the address.
	// +required
	Type EndpointType `json:"type,omitempty"`

	// url is the address.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	URL string `json:"url,omitempty"`
}

// EndpointType is who can reach an endpoint.
//
// +kubebuilder:validation:Enum=Service;LoadBalancer;Ingress;Gateway
type EndpointType string

// The types of endpoints.
const (
	ServiceEndpoint      EndpointType = "Service"
	LoadBalancerEndpoint EndpointType = "LoadBalancer"
	IngressEndpoint      EndpointType = "Ingress"
	GatewayEndpoint      EndpointType = "Gateway"
)

// ChosenImages are images that the operator chose.
//
// +kubebuilder:validation:MinProperties=1
type ChosenImages struct {
	// hub is the image of the hub servers.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Hub string `json:"hub,omitempty"`

	// redis is the image of Redis.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Redis string `json:"redis,omitempty"`

	// request is the value of the annotation chatcluster.dev/upgrade-images that
	// they answer, or its digest if that is longer than 253 characters.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Request string `json:"request,omitempty"`
}

// AutoscalingStatus is what the operator remembers of its decisions.
//
// +kubebuilder:validation:MinProperties=1
type AutoscalingStatus struct {
	// enoughSince is since when fewer hub servers would have been enough.
	// +optional
	EnoughSince *metav1.Time `json:"enoughSince,omitempty"`

	// lastScaleTime is when the number of hub servers was last changed by the
	// operator.
	// +optional
	LastScaleTime *metav1.Time `json:"lastScaleTime,omitempty"`
}
