package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// alerts are the expressions of all alerts by their names.
func alerts(t *testing.T) map[string]string {
	t.Helper()
	var rules struct {
		Spec struct {
			Groups []struct {
				Rules []struct{ Alert, Expr string }
			}
		}
	}
	readYAML(t, filepath.Join(root, "config", "prometheus", "alerts.yaml"), &rules)
	found := map[string]string{}
	for _, group := range rules.Spec.Groups {
		for _, rule := range group.Rules {
			found[rule.Alert] = rule.Expr
		}
	}
	if len(found) == 0 {
		t.Fatal("there are no alerts")
	}
	return found
}

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// alertTests are the files of the alerts' unit tests.
func alertTests(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "config", "prometheus", "tests", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no tests of alerts: %v", err)
	}
	return files
}

func TestEachAlertHasATestThatItFiresAndOneThatItDoesNot(t *testing.T) {
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, file := range alertTests(t) {
		var tests struct {
			Tests []struct {
				Cases []struct {
					Alert    string `json:"alertname"`
					Expected []any  `json:"exp_alerts"`
				} `json:"alert_rule_test"`
			}
		}
		readYAML(t, file, &tests)
		for _, test := range tests.Tests {
			for _, one := range test.Cases {
				if len(one.Expected) > 0 {
					fires[one.Alert] = true
				} else {
					quiet[one.Alert] = true
				}
			}
		}
	}
	for alert := range alerts(t) {
		if !fires[alert] || !quiet[alert] {
			t.Errorf("%s has a test that it fires: %v, that it does not: %v", alert, fires[alert], quiet[alert])
		}
	}
}

func TestAlertsFireWhenTheyShould(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("promtool is missing (Debian: prometheus): the alerts are not tested")
	}
	output, err := exec.Command("promtool", append([]string{"test", "rules"}, alertTests(t)...)...).CombinedOutput()
	if err != nil {
		t.Errorf("promtool: %v\n%s", err, output)
	}
}

// TestAlertsLookAtMetricsThatThereAre looks for each metric of ours in the pages, which are compared with the programs.
func TestAlertsLookAtMetricsThatThereAre(t *testing.T) {
	var pages strings.Builder
	for _, page := range []string{"server/host/README.md", "controllers/README.md"} {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		pages.Write(text)
	}
	ours := regexp.MustCompile(`\b(chatcluster|signalr)_[a-z_]+`)
	for alert, expression := range alerts(t) {
		for _, metric := range ours.FindAllString(expression, -1) {
			if !strings.Contains(pages.String(), "`"+metric+"`") {
				t.Errorf("%s looks at %s, which no page lists", alert, metric)
			}
		}
	}
}
