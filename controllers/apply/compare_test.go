package apply

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

func TestDifference(t *testing.T) {
	for _, c := range []struct{ name, kind, wanted, live, where string }{
		{"equal", "", "{spec: {a: 1, b: [x, y]}}", "{spec: {a: 1, b: [x, y]}}", ""},
		{"what others added is theirs", "", "{spec: {a: 1}}", "{spec: {a: 1, b: 2}, status: {c: 3}}", ""},
		{"another value", "", "{spec: {a: 1}}", "{spec: {a: 2}}", "spec.a"},
		{"a missing value", "", "{spec: {a: {b: x}}}", "{spec: {}}", "spec.a"},
		{"nothing in nothing", "", "{spec: {a: {}, b: []}}", "{spec: {}}", ""},
		{"a list is one value", "", "{spec: {args: [x]}}", "{spec: {args: [x, y]}}", "spec.args"},
		{"in its order", "", "{spec: {args: [x, y]}}", "{spec: {args: [y, x]}}", "spec.args"},
		{"a list of objects too", "", "{spec: {rules: [{host: a}]}}", "{spec: {rules: [{host: a}, {host: evil}]}}", "spec.rules"},
		{"a list that is merged may have more", "", "{spec: {env: [{name: A, value: x}]}}", "{spec: {env: [{name: B}, {name: A, value: x}]}}", ""},
		{"but not less", "", "{spec: {env: [{name: A, value: x}]}}", "{spec: {env: [{name: A, value: y}]}}", "spec.env"},
		{"ports of a Service are merged", "Service", "{spec: {ports: [{port: 80}]}}", "{spec: {ports: [{port: 80}, {port: 81}]}}", ""},
		{"ports of a NetworkPolicy are not", "NetworkPolicy", "{spec: {ports: [{port: 80}]}}", "{spec: {ports: [{port: 80}, {port: 81}]}}", "spec.ports"},
		{"numbers are equal in any type", "", "{spec: {a: 1}}", "{spec: {a: 1.0}}", ""},
		{"a number is no text", "", "{spec: {a: 1}}", "{spec: {a: '1'}}", "spec.a"},
		{"false is not nothing", "", "{spec: {a: false}}", "{spec: {}}", "spec.a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := difference(parse(t, c.live)["spec"], parse(t, c.wanted)["spec"], place{"spec", "spec", c.kind}); got != c.where {
				t.Errorf("the difference is at %q, want %q", got, c.where)
			}
		})
	}
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	var values map[string]any
	if err := yaml.Unmarshal([]byte(text), &values); err != nil {
		t.Fatal(err)
	}
	return values
}

func TestAnIntentThatLeavesSomethingOutIsSeen(t *testing.T) {
	more, err := stamped(map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"a": "1", "b": "2"}})
	if err != nil {
		t.Fatal(err)
	}
	less, err := stamped(map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"a": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	live := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Annotations: more.GetAnnotations()}, Data: map[string]string{"a": "1", "b": "2"},
	}
	for _, c := range []struct {
		wanted *unstructured.Unstructured
		want   Outcome
	}{{more, Unchanged}, {less, Updated}} {
		if got, where, err := compare(c.wanted, live); got != c.want || err != nil {
			t.Errorf("%s at %q, %v, want %s", got, where, err, c.want)
		}
	}
	live.Data["a"] = "changed"
	if got, where, _ := compare(more, live); got != Repaired || where != "data.a" {
		t.Errorf("%s at %q", got, where)
	}
	delete(live.Annotations, v1alpha1.AnnotationIntent)
	if got, _, _ := compare(more, live); got != Updated {
		t.Errorf("without its annotation it is %s", got)
	}
}
