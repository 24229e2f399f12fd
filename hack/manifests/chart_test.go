package main

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// settings are values that people give the chart, each a golden file in testdata.
func settings() map[string]string {
	return map[string]string{
		"default": "",
		"first":   "chatCluster: {create: true, name: demo, labels: {team: chat}, spec: {replicas: 3, hub: {page: true, path: /chat}}}",
		"namespaces": `
rbac: {namespaces: [one, two], aggregate: false}
crd: {upgrade: false}`,
		"guarded": "chatCluster: {create: true, spec: {hub: {authentication: {key: {name: tokens, key: secret}}}}}",
		"restricted": `
rbac: {create: false}
crd: {upgrade: false}
serviceAccount: {create: false, name: chat-operator}
metrics: {enabled: false}
imageRegistry: registry.example.com:5000
operator:
  image: {repository: mirror/operator, tag: v1, pullPolicy: Always}
  resources: {limits: {memory: 1Gi}}
  logging: {level: debug, format: text}
  affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: chat, operator: Exists}]}]}}}
hubImage: {digest: "sha256:` + strings.Repeat("0123456789abcdef", 4) + `"}
redisImage: {repository: library/redis, tag: "8.2"}
chatCluster: {create: true, annotations: {note: first}, spec: {tls: {secretName: chat-tls}}}`,
		"everything": `
fullnameOverride: chat
imageRegistry: registry.example.com/mirror
imagePullSecrets: [registry]
commonLabels: {cost-center: "42"}
operator:
  image: {digest: "sha256:` + strings.Repeat("0123456789abcdef", 4) + `"}
  replicas: 2
  extraArguments: [--some=thing]
  extraEnvironment: [{name: GOMEMLIMIT, value: 400MiB}]
  podLabels: {sidecar: "no"}
  podAnnotations: {note: yes indeed}
  nodeSelector: {kubernetes.io/os: linux}
  tolerations: [{key: infra, operator: Exists}]
  priorityClassName: system-cluster-critical
serviceAccount: {annotations: {team: chat}}
metrics:
  serviceMonitor: {enabled: true, labels: {release: prometheus}}
  prometheusRule: {enabled: true, labels: {release: prometheus}}
networkPolicy:
  enabled: true
  metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
chatCluster: {create: true}`,
	}
}

func TestTheChartMakesTheObjectsOfTheGoldenFiles(t *testing.T) {
	for name, values := range settings() {
		t.Run(name, func(t *testing.T) {
			objects := slices.DeleteFunc(rendered(t, values), func(o object) bool {
				return o["kind"] == "ConfigMap" && strings.HasSuffix(id(o), "-crd") // the kind itself, which is compared elsewhere
			})
			compareGolden(t, name+".golden.yaml", write(t, objects))
		})
	}
}

func TestTheNotesReadWell(t *testing.T) {
	for name, values := range settings() {
		t.Run(name, func(t *testing.T) {
			files, err := template(values)
			if err != nil {
				t.Fatal(err)
			}
			compareGolden(t, name+".golden.notes", files["chatcluster/templates/NOTES.txt"])
		})
	}
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if difference := cmp.Diff(string(want), got); difference != "" {
		t.Errorf("%s is another (-want +got); if that is right: go test ./... -update\n%s", path, difference)
	}
}

func TestWrongValuesAreRefusedWithTheReason(t *testing.T) {
	for values, want := range map[string]string{
		"operator: {replica: 2}":                                                "additional properties 'replica' not allowed",
		"operator: {replicas: 0}":                                               "at '/operator/replicas': minimum: got 0, want 1",
		"hubImage: {digest: 1f3a}":                                              "at '/hubImage/digest'",
		"imagePullSecrets: [{name: x}]":                                         "at '/imagePullSecrets/0': got object, want string",
		"operator: {logging: {level: loud}}":                                    "value must be one of 'debug', 'info', 'warn', 'error'",
		"commonLabels: {a: 1}":                                                  "at '/commonLabels/a': got number, want string",
		"metrics: {enabled: false, serviceMonitor: {enabled: true}}":            "metrics.serviceMonitor.enabled needs metrics.enabled",
		"{chatCluster: {create: true}, rbac: {namespaces: [other]}}":            "which the operator would not look after",
		"{chatCluster: {create: true, name: " + strings.Repeat("a", 41) + "}}":  "/chatCluster/name",
		"serviceAccount: {create: false}":                                       "say in serviceAccount.name",
		"metrics: {enabled: false, prometheusRule: {enabled: true}}":            "metrics.prometheusRule.enabled needs metrics.enabled",
		"rbac: {create: false}":                                                 "set crd.upgrade to false",
		"commonLabels: {app.kubernetes.io/name: x}":                             "commonLabels has the label app.kubernetes.io/name",
		"operator: {podLabels: {app.kubernetes.io/instance: x}}":                "operator.podLabels has the label app.kubernetes.io/instance",
		"commonLabels: {rbac.authorization.k8s.io/aggregate-to-view: \"true\"}": "commonLabels has the label rbac.authorization.k8s.io/aggregate-to-view",
		"imageRegistry: https://registry.example.com":                           "at '/imageRegistry'",
		"fullnameOverride: 2nd":                                                 "at '/fullnameOverride'",
		"{fullnameOverride: x, chatCluster: {create: true, name: x, spec: {monitoring: {serviceMonitor: {}}}}}": "would both have a Service x-metrics",
		"{fullnameOverride: x, chatCluster: {create: true, name: x-metrics}}":                                   "would both have a Service x-metrics",
		"operator: {image: {registry: registry.example.com/}}":                                                  "at '/operator/image/registry'",
	} {
		_, err := template(values)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the values %s give %v, want a refusal that says %q", values, err, want)
		}
	}
}

// The pod of helm test speaks WebSockets, without a token.
func TestThereIsATestWhereItCanChat(t *testing.T) {
	for spec, want := range map[string]bool{
		"{}": true,
		"{hub: {transports: [LongPolling, WebSockets]}}":                       true,
		"{hub: {transports: [LongPolling, ServerSentEvents]}}":                 false,
		"{hub: {image: chat:1}}":                                               false,
		"{hub: {authentication: {key: {name: tokens, key: secret}}}}":          false,
		"{networkPolicy: {clients: [{podSelector: {}}]}}":                      false,
		"{hub: {page: false}, networkPolicy: {monitors: [{podSelector: {}}]}}": true,
	} {
		pods := slices.DeleteFunc(rendered(t, "chatCluster: {create: true, spec: "+spec+"}"), func(o object) bool { return o["kind"] != "Pod" })
		if got := len(pods) == 1; got != want {
			t.Errorf("with the spec %s there are %d pods, want a test: %v", spec, len(pods), want)
		}
	}
}

// Helm takes what it applies for its own: with replicas among the values, kubectl scale would be in conflict with the next upgrade.
func TestTheNumberOfHubServersIsLeftToWhoScalesThem(t *testing.T) {
	for _, one := range rendered(t, "chatCluster: {create: true}") {
		if spec, _ := one["spec"].(object); one["kind"] == "ChatCluster" && spec["replicas"] != nil {
			t.Errorf("%s has replicas: %v, which nobody asked for", id(one), spec["replicas"])
		}
	}
}

// Labels that are given twice are there once, those of an object instead of those of all.
func TestLabelsOfAnObjectWinOverThoseOfAll(t *testing.T) {
	const values = `
commonLabels: {team: all, tier: "1"}
operator: {podLabels: {team: pods}, podAnnotations: {kubectl.kubernetes.io/default-container: sidecar}}
metrics:
  serviceMonitor: {enabled: true, labels: {team: monitors, app.kubernetes.io/instance: prometheus}}
  prometheusRule: {enabled: true, labels: {team: rules, app.kubernetes.io/part-of: rules}}
chatCluster: {create: true, labels: {team: chat, app.kubernetes.io/part-of: chats}}`
	want := map[string]string{"Deployment": "all", "Pod template": "pods", "ServiceMonitor": "monitors", "PrometheusRule": "rules", "ChatCluster": "chat"}
	for _, one := range rendered(t, values) { // which refuses what is there twice
		kind := one["kind"].(string)
		expectTeam(t, kind, one, want)
		if kind == "Deployment" {
			template := one["spec"].(object)["template"].(object)
			expectTeam(t, "Pod template", template, want)
			if container := annotation(template, "kubectl.kubernetes.io/default-container"); container != "sidecar" {
				t.Errorf("kubectl logs shows the container %s, want that of operator.podAnnotations", container)
			}
		}
	}
}

func expectTeam(t *testing.T, kind string, of object, want map[string]string) {
	t.Helper()
	labels, _ := of["metadata"].(object)["labels"].(object)
	if team, ok := want[kind]; ok && (labels["team"] != team || labels["tier"] != "1") {
		t.Errorf("%s has the labels %v, want the team %s", kind, labels, team)
	}
}

// A lease is whom something else in the namespace obeys: the operator may touch its own one only.
func TestTheOperatorMayChangeItsOwnLeaseOnly(t *testing.T) {
	for _, one := range rendered(t, "") {
		rules, _ := one["rules"].([]any)
		for _, rule := range rules {
			rule := rule.(object)
			resources, _ := rule["resources"].([]any)
			if !slices.Contains(resources, any("leases")) {
				continue
			}
			verbs, names := rule["verbs"].([]any), rule["resourceNames"]
			if names == nil && !slices.Equal(verbs, []any{"create"}) {
				t.Errorf("%s allows %v of all leases", id(one), verbs)
			}
		}
	}
}

// The operator and the first ChatCluster may have one name, as long as no two of their objects have.
func TestTheOperatorMayBeCalledLikeTheChatCluster(t *testing.T) {
	for _, values := range []string{
		"{fullnameOverride: x, chatCluster: {create: true, name: x}}",
		"{fullnameOverride: x, metrics: {enabled: false}, chatCluster: {create: true, name: x, spec: {monitoring: {serviceMonitor: {}}}}}",
	} {
		if _, err := template(values); err != nil {
			t.Errorf("the values %s: %v", values, err)
		}
	}
}

// A chart that depends on this one may have a condition for it, chatcluster.enabled, which is among this one's values.
func TestTheChartMayBeADependencyWithACondition(t *testing.T) {
	for _, values := range []string{"enabled: true", "global: {imageRegistry: registry.example.com}"} {
		if _, err := template(values); err != nil {
			t.Errorf("the values %s: %v", values, err)
		}
	}
}

// What config/ gives and what the chart gives by default are the same, but for labels that say who made it.
func TestTheChartGivesWhatConfigGives(t *testing.T) {
	for name, test := range map[string]struct {
		folders []string
		values  string
	}{
		"default":    {[]string{"default"}, ""},
		"monitoring": {[]string{"default", "prometheus", "network-policy"}, "{metrics: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}}, networkPolicy: {enabled: true}}"},
	} {
		t.Run(name, func(t *testing.T) {
			fromConfig := map[string]object{}
			for _, folder := range test.folders {
				maps.Copy(fromConfig, byID(built(t, folder)))
			}
			fromChart := byID(slices.DeleteFunc(rendered(t, test.values), func(o object) bool { return annotation(o, "helm.sh/hook") != "" }))
			kind, err := os.ReadFile(filepath.Join(chart, "crds", "chatclusters.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			maps.Copy(fromChart, byID(parse(t, "crds", kind)))
			delete(fromConfig, "Namespace <nil>/chatcluster-system") // helm makes it with --create-namespace
			if difference := cmp.Diff(fromConfig, fromChart); difference != "" {
				t.Errorf("config/ and the chart differ (-config +chart):\n%s", difference)
			}
		})
	}
}

// byID finds objects by what they are called, without what may differ.
func byID(objects []object) map[string]object {
	found := map[string]object{}
	for _, one := range objects {
		forget(one)
		found[id(one)] = one
	}
	return found
}

// forget takes away the labels that say who made an object.
func forget(value any) {
	fields, _ := value.(object)
	if labels, ok := fields["labels"].(object); ok {
		for _, label := range []string{"app.kubernetes.io/version", "app.kubernetes.io/managed-by", "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/part-of", "helm.sh/chart"} {
			delete(labels, label)
		}
		if len(labels) == 0 {
			delete(fields, "labels")
		}
	}
	for _, field := range fields {
		forget(field)
	}
}

func TestWhatIsDerivedIsUpToDate(t *testing.T) {
	if err := run(root, true); err != nil {
		t.Error(err)
	}
}
