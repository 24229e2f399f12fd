package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
)

// inCluster are objects that a Kubernetes cluster has, for the function lookup of the chart.
type inCluster []object

func (c inCluster) GetClientFor(_, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	return ofKind{objects: slices.DeleteFunc(slices.Clone(c), func(o object) bool { return o["kind"] != kind })}, false, nil
}

// ofKind lists objects, and does nothing else.
type ofKind struct {
	dynamic.NamespaceableResourceInterface
	objects []object
}

func (k ofKind) List(context.Context, metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	list := &unstructured.UnstructuredList{Object: object{"kind": "List", "apiVersion": "v1"}}
	for _, one := range k.objects {
		list.Items = append(list.Items, unstructured.Unstructured{Object: one})
	}
	return list, nil
}

// installed is what an installation has made in a Kubernetes cluster, hooks that failed included.
func (i installation) installed(t *testing.T, values string) inCluster {
	t.Helper()
	objects := i.rendered(t, values)
	for _, one := range objects {
		if annotation(one, "helm.sh/hook") != "" {
			continue
		}
		metadata := one["metadata"].(object)
		annotations := object{"meta.helm.sh/release-name": i.release, "meta.helm.sh/release-namespace": i.namespace}
		had, _ := metadata["annotations"].(object)
		maps.Copy(annotations, had)
		metadata["annotations"] = annotations
	}
	return objects
}

// Two operators that look after all namespaces would fight over each ChatCluster.
func TestASecondOperatorOfAllNamespacesIsRefused(t *testing.T) {
	other := installation{release: "chatcluster", namespace: "elsewhere"}
	const some = "rbac: {namespaces: [one]}"
	for name, test := range map[string]struct {
		there   inCluster
		values  string
		refused bool
	}{
		"a release of another namespace":        {other.installed(t, ""), "", true},
		"another release of this namespace":     {installation{release: "chat", namespace: "chatcluster-system"}.installed(t, ""), "", true},
		"install.yaml":                          {built(t, "default"), "fullnameOverride: chat", true},
		"install.yaml, of which Helm complains": {built(t, "default"), "", false},
		"this release, when it is upgraded":     {usual().installed(t, ""), "", false},
		"this release, which gets another name": {usual().installed(t, ""), "fullnameOverride: chat", false},
		"a release of some namespaces":          {other.installed(t, some), "", false},
		"a release of all, for one of some":     {other.installed(t, ""), some, false},
		"nothing":                               {inCluster{}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			here := usual()
			here.there = test.there
			_, err := here.template(test.values)
			switch {
			case !test.refused && err != nil:
				t.Errorf("refused: %v", err)
			case test.refused && (err == nil || !strings.Contains(err.Error(), "there is an operator that looks after all namespaces")):
				t.Errorf("got %v, want a refusal", err)
			}
		})
	}
}
