// Package v1alpha1 is the API of ChatCluster: what a user writes, what the operator answers, and every condition,
// reason, label and annotation by which the two talk.
//
// Fields have their defaults and bounds in the CustomResourceDefinition, so that the API server fills and checks them.
// A field that a later version adds has no default: an operator that was upgraded must not roll clusters by itself.
//
// +kubebuilder:object:generate=true
// +groupName=chatcluster.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The group and the version of this package.
const (
	Group   = "chatcluster.dev"
	Version = "v1alpha1"
)

// GroupVersion returns group and version of the types here.
func GroupVersion() schema.GroupVersion { return schema.GroupVersion{Group: Group, Version: Version} }

// AddToScheme lets a scheme know the types here.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion(), &ChatCluster{}, &ChatClusterList{})
	metav1.AddToGroupVersion(scheme, GroupVersion())
	return nil
}
