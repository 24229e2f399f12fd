package main

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

// odd are legal names that YAML takes for something else than text, or that not every kind of object may have.
func odd() map[string]installation {
	return map[string]installation{
		"numbers":               {release: "2024", namespace: "123"},
		"a boolean":             {release: "on", namespace: "off"},
		"a dot":                 {release: "chat.v2", namespace: "chat"},
		"a digit first":         {release: "2-chats.v2", namespace: "2nd"},
		"as long as can be":     {release: strings.Repeat("a", 53), namespace: strings.Repeat("b", 63)},
		"dashes where it's cut": {release: strings.Repeat("a", 20) + strings.Repeat("-", 15) + "b", namespace: "chat"},
	}
}

const oddValues = `
imagePullSecrets: ["on", "2024"]
commonLabels: {cost-center: "42"}
rbac: {namespaces: ["123", "on"]}
operator: {replicas: 2, priorityClassName: "on", podLabels: {tier: "1"}}
serviceAccount: {name: "1e3"}
metrics: {serviceMonitor: {enabled: true, labels: {"on": "off"}}, prometheusRule: {enabled: true}}
networkPolicy: {enabled: true}
`

// parseAsKubernetes reads the documents of a file as Kubernetes does, for which "on" is a boolean.
func parseAsKubernetes(t *testing.T, name string, text []byte) []object {
	t.Helper()
	var all []object
	for document := range strings.SplitSeq("\n"+string(text), "\n---") {
		var one object
		if err := yaml.UnmarshalStrict([]byte(document), &one); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if one != nil {
			all = append(all, one)
		}
	}
	return all
}

func TestNamesAndLabelsAreTextWhateverThereIsInTheirNames(t *testing.T) {
	for name, installation := range odd() {
		t.Run(name, func(t *testing.T) {
			for _, values := range []string{
				oddValues,
				oddValues + `fullnameOverride: "on"`,
				`chatCluster: {create: true, name: "on", spec: {tls: {secretName: "on"}, hub: {path: "/a,b"}}}`,
			} {
				for _, one := range installation.read(t, values, parseAsKubernetes) {
					expectText(t, id(one), one)
				}
			}
		})
	}
}

// expectText complains about names and labels below value that are no strings.
func expectText(t *testing.T, path string, value any) {
	t.Helper()
	switch value := value.(type) {
	case []any:
		for _, one := range value {
			expectText(t, path, one)
		}
	case object:
		for key, field := range value {
			below := path + "." + key
			switch key {
			case "name", "namespace", "serviceAccountName", "priorityClassName", "secretName", "image":
				if _, ok := field.(string); !ok {
					t.Errorf("%s is %v, a %T", below, field, field)
				}
			case "labels", "matchLabels", "annotations":
				labels, _ := field.(object)
				for label, text := range labels {
					if _, ok := text.(string); !ok {
						t.Errorf("%s.%s is %v, a %T", below, label, text, text)
					}
				}
			case "args":
				arguments, _ := field.([]any)
				for _, argument := range arguments {
					if _, ok := argument.(string); !ok {
						t.Errorf("%s has %v, a %T", below, argument, argument)
					}
				}
			default:
				expectText(t, below, field)
			}
		}
	}
}

func TestNamesAreLegalWhateverTheReleaseIsCalled(t *testing.T) {
	for name, installation := range odd() {
		t.Run(name, func(t *testing.T) {
			for _, one := range installation.read(t, "{operator: {replicas: 2}, networkPolicy: {enabled: true}}", parseAsKubernetes) {
				metadata, _ := one["metadata"].(object)
				called, _ := metadata["name"].(string)
				complaints := validation.IsDNS1123Subdomain(called)
				if one["kind"] == "Service" {
					complaints = validation.IsDNS1035Label(called)
				}
				if len(complaints) > 0 {
					t.Errorf("%s: %s", id(one), strings.Join(complaints, "; "))
				}
				labels, _ := metadata["labels"].(object)
				for label, value := range labels {
					text, ok := value.(string)
					if complaints := validation.IsValidLabelValue(text); !ok || len(complaints) > 0 {
						t.Errorf("%s has the label %s: %v %s", id(one), label, value, strings.Join(complaints, "; "))
					}
				}
			}
		})
	}
}

// Operators of some namespaces may be many in a Kubernetes cluster. What their charts make in no namespace must not meet.
func TestReleasesOfOneNameInTwoNamespacesShareNothing(t *testing.T) {
	for name, release := range map[string]string{"a short name": "chat", "a long name": strings.Repeat("a", 53)} {
		t.Run(name, func(t *testing.T) {
			long := strings.Repeat("b", 62)
			made := map[string]string{}
			for _, namespace := range []string{"one", "two", long + "1", long + "2"} {
				objects := installation{release: release, namespace: namespace}.rendered(t, "rbac: {namespaces: ["+namespace+"]}")
				everywhere := slices.DeleteFunc(objects, func(o object) bool { return o["metadata"].(object)["namespace"] != nil })
				if len(everywhere) == 0 {
					t.Fatal("the chart makes nothing outside of namespaces: what is this test for?")
				}
				for _, one := range everywhere {
					if other, there := made[id(one)]; there {
						t.Errorf("the releases in %s and in %s both make %s", other, namespace, id(one))
					}
					made[id(one)] = namespace
					if called := one["metadata"].(object)["name"].(string); len(called) > 63 {
						t.Errorf("%s is longer than 63 characters", called)
					}
					if role, bound := one["roleRef"].(object); bound && made[id(object{"kind": role["kind"], "metadata": role})] != namespace {
						t.Errorf("%s binds %v, which this release does not make", id(one), role["name"])
					}
				}
			}
		})
	}
}
