package v1alpha1

// AutoscalingSpec is how the operator chooses the number of hub servers. It
// looks at all of them once in an interval and decides by their clients and,
// if told to, by what they send. It adds as many as are missing at once, and
// takes away one at a time, the one with the fewest clients first.
//
// +kubebuilder:validation:XValidation:rule="has(self.connectionsPerReplica) || has(self.bytesPerSecondPerReplica)",message="autoscaling needs connectionsPerReplica or bytesPerSecondPerReplica"
type AutoscalingSpec struct {
	// minReplicas is the least number of hub servers.
	// +optional
	// +default=2
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MinReplicas int32 `json:"minReplicas,omitempty"`

	// maxReplicas is the greatest number of hub servers.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxReplicas int32 `json:"maxReplicas,omitempty"`

	// connectionsPerReplica is how many clients a hub server should have. Unset:
	// the number of clients does not count.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000000
	ConnectionsPerReplica int32 `json:"connectionsPerReplica,omitempty"`

	// bytesPerSecondPerReplica is how much a hub server should send to clients.
	// Unset: what is sent does not count.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000000
	BytesPerSecondPerReplica int64 `json:"bytesPerSecondPerReplica,omitempty"`

	// intervalSeconds is how often the operator looks.
	// +optional
	// +default=15
	// +kubebuilder:validation:Minimum=5
	// +kubebuilder:validation:Maximum=3600
	IntervalSeconds int32 `json:"intervalSeconds,omitempty"`

	// scaleInAfterSeconds is for how long fewer hub servers must have been
	// enough before one is taken away.
	// +optional
	// +default=300
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	ScaleInAfterSeconds *int32 `json:"scaleInAfterSeconds,omitempty"`
}

// DrainSpec is how a hub server ends. The grace period of its pod follows
// from it, and is at least a minute.
//
// +kubebuilder:validation:XValidation:rule="!has(self.timeoutSeconds) || self.timeoutSeconds > self.periodSeconds",message="drain.timeoutSeconds must be greater than drain.periodSeconds, which is a part of it"
type DrainSpec struct {
	// delaySeconds is how long a hub server that Kubernetes ends goes on as
	// before, only that it says that it is not ready, until load balancers have
	// heard of it (DrainDelay).
	// +optional
	// +default=5
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=600
	DelaySeconds *int32 `json:"delaySeconds,omitempty"`

	// periodSeconds is how long it then takes to send its clients elsewhere, one
	// after another (DrainPeriod); 0 is all at once.
	// +optional
	// +default=10
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	PeriodSeconds *int32 `json:"periodSeconds,omitempty"`

	// timeoutSeconds is how long all of its clients may take to leave, after the
	// delay. Up to 10 s more are for its own end (with both, ShutdownTimeout).
	// What is not done by then is cut. Unset: as long as its clients need, 200 of
	// them a second, by hub.limits.connections,
	// autoscaling.connectionsPerReplica and the clients that were seen when hub
	// servers were last replaced.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=7200
	TimeoutSeconds int32 `json:"timeoutSeconds,omitempty"`
}

// RolloutSpec is how hub servers are replaced. None is taken away before its
// successor serves.
type RolloutSpec struct {
	// maxSurge is how many hub servers are replaced at a time.
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MaxSurge int32 `json:"maxSurge,omitempty"`

	// minReadySeconds is how long a new hub server must have served before the
	// next is replaced. Kubernetes does not wait for those that drain: this is
	// what gives their clients the time to move before more come. Unset: as long
	// as a hub server needs to send its clients elsewhere, drain.delaySeconds
	// and drain.periodSeconds, or longer with more than 2000 clients.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=7200
	MinReadySeconds *int32 `json:"minReadySeconds,omitempty"`
}

// DisruptionBudgetSpec bounds how many hub servers may be away at once.
type DisruptionBudgetSpec struct {
	// maxUnavailable is how many hub servers the drain of nodes may take away at
	// once.
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxUnavailable int32 `json:"maxUnavailable,omitempty"`
}

// MonitoringSpec lets the Prometheus operator find the hub servers.
type MonitoringSpec struct {
	// serviceMonitor makes a ServiceMonitor, if the Kubernetes cluster knows the
	// kind.
	// +required
	ServiceMonitor ServiceMonitorSpec `json:"serviceMonitor,omitempty,omitzero"`
}

// ServiceMonitorSpec is a ServiceMonitor of the hub servers.
//
// +kubebuilder:validation:MinProperties=1
type ServiceMonitorSpec struct {
	// intervalSeconds is how often Prometheus reads the metrics.
	// +optional
	// +default=30
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3600
	IntervalSeconds int32 `json:"intervalSeconds,omitempty"`

	// metadata is added to that of the ServiceMonitor: Prometheus chooses by its
	// labels.
	// +optional
	Metadata Metadata `json:"metadata,omitempty,omitzero"`
}

// LoggingSpec is how hub servers log.
type LoggingSpec struct {
	// level is the least severe level that is logged (LogLevel).
	// +optional
	// +default="info"
	// +kubebuilder:validation:Enum=debug;info;warn;error;none
	Level string `json:"level,omitempty"`

	// format is how lines are written (LogFormat).
	// +optional
	// +default="json"
	// +kubebuilder:validation:Enum=json;text
	Format string `json:"format,omitempty"`
}
