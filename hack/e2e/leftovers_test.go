package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
)

// labelled lists the objects of all kinds in the whole Kubernetes cluster whose label has one of the values.
func (s *suite) labelled(ctx context.Context, label string, values ...string) ([]string, error) {
	client, err := metadata.NewForConfig(s.config)
	if err != nil {
		return nil, err
	}
	_, groups, err := s.kubernetes.Discovery().ServerGroupsAndResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, err
	}
	var found []string
	for _, group := range groups {
		version, err := schema.ParseGroupVersion(group.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, resource := range group.APIResources {
			if !slices.Contains(resource.Verbs, "list") || transient(resource.Kind) {
				continue
			}
			selector := fmt.Sprintf("%s in (%s)", label, strings.Join(values, ","))
			list, err := client.Resource(version.WithResource(resource.Name)).List(ctx, metav1.ListOptions{LabelSelector: selector})
			if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
				continue // its kind has just gone, or it cannot be listed after all
			}
			if err != nil {
				return nil, fmt.Errorf("listing %s: %w", resource.Name, err)
			}
			for _, object := range list.Items {
				found = append(found, fmt.Sprintf("%s %s/%s", resource.Kind, object.Namespace, object.Name))
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// transient are kinds of objects that Kubernetes makes and forgets by itself.
func transient(kind string) bool {
	return kind == "Event" || kind == "EndpointSlice" || kind == "Endpoints"
}
