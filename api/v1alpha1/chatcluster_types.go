package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ChatCluster is a chat service: hub servers behind one Service, and the
// Redis that connects them. Every SignalR client connects unmodified, and
// any hub server serves any client.
//
// +kubebuilder:object:root=true
// +kubebuilder:metadata:annotations="chatcluster.dev/version=0.1.0"
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,selectorpath=.status.selector
// +kubebuilder:resource:shortName=cc,categories=all
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether all runs as the spec says"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,description="Why it is ready or not"
// +kubebuilder:printcolumn:name="Hubs",type=integer,JSONPath=`.status.replicas`,description="Hub servers that are wanted and running"
// +kubebuilder:printcolumn:name="Serving",type=integer,JSONPath=`.status.readyReplicas`,description="Hub servers that take clients"
// +kubebuilder:printcolumn:name="Clients",type=integer,JSONPath=`.status.connections`,description="Open connections of clients, about"
// +kubebuilder:printcolumn:name="Redis",type=string,JSONPath=`.status.conditions[?(@.type=="RedisReady")].status`,description="Whether Redis is ready"
// +kubebuilder:printcolumn:name="Draining",type=integer,JSONPath=`.status.draining.replicas`,description="Hub servers that end"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.version`,priority=1
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.endpoints[0].url`,priority=1
// +kubebuilder:printcolumn:name="Primary",type=string,JSONPath=`.status.redis.primaries[*]`,priority=1,description="The pods of Redis that take what is written"
// +kubebuilder:printcolumn:name="In sync",type=integer,JSONPath=`.status.redis.replicasInSync`,priority=1,description="Replicas of Redis that could take a primary's place"
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="the name must be that of a Service: at most 40 lower-case letters, digits and dashes, a letter first"
type ChatCluster struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the object's own.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec is what you want.
	// +required
	Spec ChatClusterSpec `json:"spec,omitzero"`

	// status is what there is. The operator writes it.
	// +optional
	Status ChatClusterStatus `json:"status,omitempty,omitzero"`
}

// ChatClusterList is a list of ChatClusters.
//
// +kubebuilder:object:root=true
type ChatClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ChatCluster `json:"items"`
}

// ChatClusterSpec is what a user wants. All of it has defaults: an empty
// spec is two hub servers and a Redis.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!has(self.autoscaling) || self.autoscaling.minReplicas <= self.autoscaling.maxReplicas",message="autoscaling.minReplicas must not be greater than autoscaling.maxReplicas"
type ChatClusterSpec struct {
	// replicas is how many hub servers run. It is what kubectl scale,
	// HorizontalPodAutoscaler and KEDA change. While autoscaling is set, it is
	// not used.
	// +optional
	// +default=2
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Replicas *int32 `json:"replicas,omitempty"`

	// paused stops the operator from changing anything of this cluster. All that
	// runs goes on, and the status still tells how it is.
	// +optional
	// +default=false
	Paused *bool `json:"paused,omitempty"`

	// imagePullSecrets are the Secrets, in the same namespace, with which the
	// images of all pods are pulled.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	ImagePullSecrets []SecretName `json:"imagePullSecrets,omitempty"`

	// hub is about the hub servers.
	// +optional
	// +default={}
	Hub HubSpec `json:"hub,omitempty,omitzero"`

	// redis is about the Redis that connects the hub servers. By default the
	// operator runs one.
	// +optional
	// +default={}
	Redis RedisSpec `json:"redis,omitempty,omitzero"`

	// backplane is about how hub servers use Redis.
	// +optional
	Backplane *BackplaneSpec `json:"backplane,omitempty"`

	// autoscaling lets the operator choose the number of hub servers by their
	// load. Without it replicas counts.
	// +optional
	Autoscaling *AutoscalingSpec `json:"autoscaling,omitempty"`

	// drain is how a hub server ends: what becomes of its clients, and how long
	// that may take.
	// +optional
	// +default={}
	Drain DrainSpec `json:"drain,omitempty,omitzero"`

	// rollout is the pace at which hub servers are replaced when something
	// changes.
	// +optional
	// +default={}
	Rollout RolloutSpec `json:"rollout,omitempty,omitzero"`

	// disruptionBudget bounds how many hub servers may be away at once when
	// nodes are drained.
	// +optional
	// +default={}
	DisruptionBudget DisruptionBudgetSpec `json:"disruptionBudget,omitempty,omitzero"`

	// service is the one address of all hub servers inside the Kubernetes
	// cluster.
	// +optional
	// +default={}
	Service ServiceSpec `json:"service,omitempty,omitzero"`

	// ingress makes the hub servers reachable from outside through an ingress
	// controller.
	// +optional
	Ingress *IngressSpec `json:"ingress,omitempty"`

	// gateway makes the hub servers reachable from outside through Gateways of
	// the Gateway API.
	// +optional
	Gateway *GatewaySpec `json:"gateway,omitempty"`

	// tls lets the hub servers themselves speak TLS: the Service then has port
	// 443 instead of 80. TLS that ends at an ingress is set in ingress.tls.
	// +optional
	TLS *TLSSpec `json:"tls,omitempty"`

	// networkPolicy says who may open connections to the pods. It takes effect
	// where the network of the Kubernetes cluster enforces NetworkPolicies.
	// +optional
	// +default={}
	NetworkPolicy NetworkPolicySpec `json:"networkPolicy,omitempty,omitzero"`

	// monitoring lets the Prometheus operator find the hub servers.
	// +optional
	Monitoring *MonitoringSpec `json:"monitoring,omitempty"`

	// logging is how hub servers log.
	// +optional
	// +default={}
	Logging LoggingSpec `json:"logging,omitempty,omitzero"`
}

// SecretName names a Secret in the namespace of the ChatCluster.
type SecretName struct {
	// name is the name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// SecretKey names one value of a Secret in the namespace of the ChatCluster.
type SecretKey struct {
	// name is the name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// key is the key of the value in the Secret's data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key,omitempty"`
}

// Metadata is what is added to the metadata of objects that the operator
// makes.
//
// +kubebuilder:validation:MinProperties=1
type Metadata struct {
	// labels are added to those of the operator, which win.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Labels map[string]string `json:"labels,omitempty"`

	// annotations are added to those of the operator, which win.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Scheduling is where pods may run.
//
// +kubebuilder:validation:MinProperties=1
type Scheduling struct {
	// nodeSelector are labels that a node must have.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// tolerations are the taints of nodes that the pods bear.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// affinity draws the pods to nodes and to other pods, or keeps them away.
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`

	// topologySpreadConstraints say how evenly the pods are spread. A constraint
	// without a labelSelector is about the pods that this field is about.
	// Default for hub servers: over nodes and, without an affinity of your own,
	// over zones, as well as it can be done.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`

	// priorityClassName is the priority of the pods. Unset is that of the
	// Kubernetes cluster.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName,omitempty"`
}
