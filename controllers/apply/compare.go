package apply

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// compare tells what must be done to the object, and for Repaired where it differs. A new intent shows in the annotation, also
// where it only leaves something out. Otherwise each value that is wanted must be there; what others added is theirs.
func compare(wanted *unstructured.Unstructured, live client.Object) (outcome Outcome, where string, err error) {
	if live.GetAnnotations()[v1alpha1.AnnotationIntent] != wanted.GetAnnotations()[v1alpha1.AnnotationIntent] {
		return Updated, "", nil
	}
	values, err := valuesOf(live)
	if err != nil {
		return "", "", err
	}
	for _, field := range slices.Sorted(maps.Keys(wanted.Object)) {
		if field == "apiVersion" || field == "kind" { // typed objects from a cache have neither
			continue
		}
		if where := difference(values[field], wanted.Object[field], place{field, field, wanted.GetKind()}); where != "" {
			return Repaired, where, nil
		}
	}
	return Unchanged, "", nil
}

// valuesOf returns the object as JSON values, numbers as what the decoder of wanted makes of them.
func valuesOf(live client.Object) (map[string]any, error) {
	if object, ok := live.(runtime.Unstructured); ok {
		return object.UnstructuredContent(), nil
	}
	encoded, err := json.Marshal(live)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", live, err)
	}
	object := &unstructured.Unstructured{Object: map[string]any{}}
	if err := json.Unmarshal(encoded, &object.Object); err != nil {
		return nil, fmt.Errorf("decode %T: %w", live, err)
	}
	return object.Object, nil
}

// place is where two values are: their path, the name of the field that has them, and the kind of the object.
type place struct{ path, field, kind string }

func (p place) in(field string) place { return place{p.path + "." + field, field, p.kind} }

// difference returns the path of something that is wanted and that live does not have, or nothing.
func difference(live, wanted any, at place) string {
	switch wanted := wanted.(type) {
	case map[string]any:
		values, ok := live.(map[string]any)
		if !ok && len(wanted) > 0 {
			return at.path
		}
		for _, field := range slices.Sorted(maps.Keys(wanted)) {
			if where := difference(values[field], wanted[field], at.in(field)); where != "" {
				return where
			}
		}
		return ""
	case []any:
		values, ok := live.([]any)
		if !ok && len(wanted) > 0 {
			return at.path
		}
		return listDifference(values, wanted, at)
	}
	if equal(live, wanted) {
		return ""
	}
	return at.path
}

// listDifference looks for each item that is wanted. Others may add items to lists that are merged by a key; all other lists are
// one value.
func listDifference(live, wanted []any, at place) string {
	if merged(at.field, at.kind) {
		for _, item := range wanted {
			if !slices.ContainsFunc(live, func(candidate any) bool { return difference(candidate, item, at) == "" }) {
				return at.path
			}
		}
		return ""
	}
	if len(live) != len(wanted) {
		return at.path
	}
	for index := range wanted {
		if where := difference(live[index], wanted[index], at); where != "" {
			return where
		}
	}
	return ""
}

// merged tells whether the API server merges a list of this name by a key of its items (listType=map), of those that are
// applied here. What others added to such a list cannot be removed by applying it.
func merged(field, kind string) bool {
	switch field {
	case "containers", "initContainers", "env", "volumes", "volumeMounts", "imagePullSecrets", "topologySpreadConstraints",
		"ownerReferences":
		return true
	case "ports":
		return kind != "NetworkPolicy"
	}
	return false
}

// equal compares two values that are neither objects nor lists, whatever type a decoder gave to numbers.
func equal(live, wanted any) bool {
	if reflect.DeepEqual(live, wanted) {
		return true
	}
	a, isNumber := number(live)
	b, isToo := number(wanted)
	return isNumber && isToo && a == b
}

func number(value any) (float64, bool) {
	switch value := value.(type) {
	case int64:
		return float64(value), true
	case float64:
		return value, true
	}
	return 0, false
}
