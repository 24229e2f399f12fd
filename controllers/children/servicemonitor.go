package children

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// metricsLabel tells MetricsService from the others, for HubMonitor to choose it.
const (
	metricsLabel      = v1alpha1.Group + "/metrics"
	metricsLabelValue = "true"
)

// ServiceMonitorKind is the kind of HubMonitor, which not every Kubernetes cluster knows.
func ServiceMonitorKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: "ServiceMonitor"}
}

// HubMonitor lets the Prometheus operator find MetricsService; the spec has monitoring.
func HubMonitor(w Wanted) *unstructured.Unstructured {
	wanted := w.Cluster.Spec.Monitoring.ServiceMonitor
	selector := map[string]any{metricsLabel: metricsLabelValue}
	for label, value := range Selector(w.Cluster.Name, v1alpha1.HubComponent) {
		selector[label] = value
	}
	monitor := optional(w, ServiceMonitorKind(), HubName(w.Cluster.Name), wanted.Metadata)
	monitor.Object["spec"] = map[string]any{
		"selector": map[string]any{"matchLabels": selector},
		"endpoints": []any{map[string]any{
			"port":     metricsPortName,
			"interval": fmt.Sprint(wanted.IntervalSeconds, "s"),
		}},
	}
	return monitor
}
