package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
)

// make undeploy deletes by labels, and those of Helm's releases are alike.
func TestUndeployTakesAwayWhatDeployMade(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`delete [^\n]* clusterrole,clusterrolebinding (?:\\\n\s*)?-l '?([^'\s]+)'?\n`).FindSubmatch(makefile)
	if command == nil {
		t.Fatal("the Makefile deletes no ClusterRoles by their labels")
	}
	selector, err := labels.Parse(string(command[1]))
	if err != nil {
		t.Fatal(err)
	}
	expectSelected(t, selector, built(t, "default"), true)
	expectSelected(t, selector, rendered(t, ""), false)
	expectSelected(t, selector, installation{release: "other", namespace: "elsewhere"}.rendered(t, "rbac: {namespaces: [one]}"), false)
}

// expectSelected complains about ClusterRoles and their bindings that are not selected as wanted.
func expectSelected(t *testing.T, selector labels.Selector, objects []object, want bool) {
	t.Helper()
	seen := 0
	for _, one := range objects {
		if one["kind"] != "ClusterRole" && one["kind"] != "ClusterRoleBinding" {
			continue
		}
		seen++
		metadata, _ := one["metadata"].(object)
		has, _ := metadata["labels"].(object)
		texts := labels.Set{}
		for label, text := range has {
			texts[label], _ = text.(string)
		}
		if got := selector.Matches(texts); got != want {
			t.Errorf("make undeploy deletes %s: %v, want %v", id(one), got, want)
		}
	}
	if seen == 0 {
		t.Error("there is no ClusterRole to look at")
	}
}
