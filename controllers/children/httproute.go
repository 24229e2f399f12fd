package children

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// HTTPRouteKind is the kind of HubRoute, which not every Kubernetes cluster knows.
func HTTPRouteKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "HTTPRoute"}
}

// HubRoute makes the hub servers reachable through Gateways; the spec has a gateway.
func HubRoute(w Wanted) *unstructured.Unstructured {
	wanted := w.Cluster.Spec.Gateway
	spec := map[string]any{
		"parentRefs": gatewayParents(wanted.Parents),
		"rules": []any{map[string]any{
			"matches": []any{map[string]any{"path": map[string]any{"type": "PathPrefix", "value": wanted.Path}}},
			"backendRefs": []any{map[string]any{
				"name": ServiceName(w.Cluster.Name),
				"port": int64(ServicePort(w.Cluster)),
			}},
		}},
	}
	if len(wanted.Hostnames) > 0 {
		spec["hostnames"] = anyList(wanted.Hostnames)
	}
	route := optional(w, HTTPRouteKind(), ServiceName(w.Cluster.Name), wanted.Metadata)
	route.Object["spec"] = spec
	return route
}

func gatewayParents(parents []v1alpha1.GatewayParent) []any {
	list := make([]any, 0, len(parents))
	for _, parent := range parents {
		reference := map[string]any{"name": parent.Name}
		if parent.Namespace != "" {
			reference["namespace"] = parent.Namespace
		}
		if parent.SectionName != "" {
			reference["sectionName"] = parent.SectionName
		}
		list = append(list, reference)
	}
	return list
}

// optional is an object of a kind that a Kubernetes cluster may not know, without its spec.
func optional(w Wanted, kind schema.GroupVersionKind, name string, metadata v1alpha1.Metadata) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	object.SetGroupVersionKind(kind)
	object.SetName(name)
	object.SetNamespace(w.Cluster.Namespace)
	object.SetLabels(merge(metadata.Labels, Labels(w.Cluster.Name, v1alpha1.HubComponent)))
	if len(metadata.Annotations) > 0 {
		object.SetAnnotations(metadata.Annotations)
	}
	object.SetOwnerReferences(ownerReferences(w.Cluster))
	return object
}

func anyList(texts []string) []any {
	list := make([]any, 0, len(texts))
	for _, text := range texts {
		list = append(list, text)
	}
	return list
}
