package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"sigs.k8s.io/yaml"
)

const (
	changelog = `# Changelog

Words before.

## Unreleased
- What comes.

## 1.2.3 (2026-11-24)
- What is new.
- What is mended.

## 1.2.3-rc.1
- What was tried.

## 1.2.0
`
	chart    = "apiVersion: v2\nname: chatcluster\nversion: 1.2.3\nappVersion: 1.2.3\n"
	manifest = `annotations:
  chatcluster.dev/version: 1.2.3
image: docker.io/chatcluster/operator:1.2.3
args:
  - --hub-image=docker.io/chatcluster/hubserver:1.2.3
  - --redis-image=docker.io/redis:7.0
`
	readme = `# Product
    helm install chatcluster oci://registry-1.docker.io/chatcluster/chatcluster --version 1.2.3
    make images VERSION=1.2.3-2
    helm upgrade chatcluster --set operator.image.tag=1.2.3-2
    docker push $REGISTRY/chatcluster/operator:1.2.3 && docker push $REGISTRY/redis:7.0.1
    go get github.com/chatcluster/chatcluster@v1.2.3
Node.js 20.19.0 or later.
`
	security = "    version=1.2.3\nAlso passes with Redis 8.0.2, and redis:8.0.2.\n"
)

func TestNotesAreTheSectionOfTheVersion(t *testing.T) {
	for version, want := range map[string]string{
		"1.2.3":      "- What is new.\n- What is mended.\n",
		"1.2.3-rc.1": "- What was tried.\n",
	} {
		if got, err := notesOf(changelog, version); err != nil || got != want {
			t.Errorf("notes of %s: %q, %v, want %q", version, got, err, want)
		}
	}
	for _, version := range []string{"1.2", "1.2.0", "2.0.0"} {
		if got, err := notesOf(changelog, version); err == nil || !strings.Contains(err.Error(), version) {
			t.Errorf("notes of %s, about which there is nothing: %q, %v", version, got, err)
		}
	}
}

func TestOnlyTagsOfVersionsAreReleased(t *testing.T) {
	for _, tag := range []string{"v1.2.3", "v10.0.0-rc.1"} {
		if got, err := versionOf(tag); err != nil || got != tag[1:] {
			t.Errorf("version of %s: %q, %v", tag, got, err)
		}
	}
	for _, tag := range []string{"", "1.2.3", "v1.2", "v1.2.3+build", "v1.2.3 ", "vnext", "v1.2.3-"} {
		if got, err := versionOf(tag); err == nil {
			t.Errorf("%q was taken for the tag of version %q", tag, got)
		}
	}
}

func TestAReleaseIsOfOneVersionThroughout(t *testing.T) {
	cases := map[string]struct {
		path, content string
		want          []string
	}{
		"all agree":            {"CHANGELOG.md", changelog, nil},
		"another changelog":    {"CHANGELOG.md", "## 1.2.4\n- x\n", []string{`"## 1.2.3"`}},
		"another chart":        {chartPath, "version: 1.2.2\nappVersion: 1.2.1\n", []string{`version is "1.2.2"`, `appVersion is "1.2.1"`}},
		"a chart that is none": {chartPath, "{", []string{chartPath}},
		"another image":        {manifestPath, strings.Replace(manifest, "hubserver:1.2.3", "hubserver:1.2.2", 1), []string{"hubserver:1.2.2"}},
		"another definition":   {manifestPath, strings.Replace(manifest, "version: 1.2.3", "version: 1.2.30", 1), []string{"definition of the kind of version 1.2.3"}},
		"no image":             {manifestPath, "", []string{"chatcluster/operator", "chatcluster/hubserver"}},
		"a README that waits":  {"README.md", "There is no release\nyet: make images.\n", []string{"README.md says"}},
		"another chart named":  {"README.md", strings.Replace(readme, "--version 1.2.3", "--version 1.2.2", 1), []string{`README.md says "--version 1.2.2"`}},
		"another one's image":  {"README.md", strings.Replace(readme, "operator:1.2.3", "operator:1.2.2", 1), []string{"operator:1.2.2"}},
		"another tag":          {"README.md", strings.Replace(readme, "tag=1.2.3-2", "tag=1.2.3-rc.2", 1), []string{"tag=1.2.3-rc.2"}},
		"another library":      {"README.md", strings.Replace(readme, "@v1.2.3", "@v1.2.30", 1), []string{"@v1.2.30"}},
		"another signature":    {"SECURITY.md", strings.Replace(security, "1.2.3", "1.2.2", 1), []string{`SECURITY.md says "version=1.2.2"`}},
		"an old changelog":     {"CHANGELOG.md", "The project has no release yet.\n\n" + changelog, []string{"CHANGELOG.md says"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			checkout := fstest.MapFS{
				"README.md": {Data: []byte(readme)}, "SECURITY.md": {Data: []byte(security)}, "CHANGELOG.md": {Data: []byte(changelog)},
				chartPath: {Data: []byte(chart)}, manifestPath: {Data: []byte(manifest)},
			}
			checkout[c.path] = &fstest.MapFile{Data: []byte(c.content)}
			_, err := release(checkout, "v1.2.3")
			if c.want == nil && err != nil {
				t.Fatalf("refused: %v", err)
			}
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want one that says %s", err, want)
				}
			}
		})
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	_, err := release(fstest.MapFS{"CHANGELOG.md": {Data: []byte(changelog)}}, "v1.2.3")
	if err == nil || !strings.Contains(err.Error(), chartPath) || !strings.Contains(err.Error(), manifestPath) ||
		!strings.Contains(err.Error(), "README.md") || !strings.Contains(err.Error(), "SECURITY.md") {
		t.Errorf("error %v, want one that names the files", err)
	}
}

func TestTheCheckoutIsOfOneVersion(t *testing.T) {
	if err := checkCheckout(os.DirFS("../..")); err != nil {
		t.Error(err)
	}
}

func TestBetweenReleasesPagesNameTheLastOne(t *testing.T) {
	of := func(version string) fstest.MapFS {
		return fstest.MapFS{
			"README.md": {Data: []byte("helm install --version 1.2.3\n")}, "SECURITY.md": {Data: []byte("version=1.2.3\n")},
			chartPath: {Data: []byte(strings.ReplaceAll(chart, "1.2.3", version))}, manifestPath: {Data: []byte(strings.ReplaceAll(manifest, "1.2.3", version))},
		}
	}
	for version, right := range map[string]bool{"1.2.3": true, "1.3.0-dev": true, "1.3.0": false} {
		if err := checkCheckout(of(version)); (err == nil) != right {
			t.Errorf("a chart of %s beside pages of 1.2.3: %v, want that it is right: %v", version, err, right)
		}
	}
}

// checkCheckout complains about a checkout that is not of its chart's version. Between releases that ends with -dev, and pages tell of
// the last release, which is what can be installed.
func checkCheckout(checkout fs.FS) error {
	content, err := fs.ReadFile(checkout, chartPath)
	if err != nil {
		return err
	}
	var chart struct{ Version string }
	if err := yaml.Unmarshal(content, &chart); err != nil {
		return err
	}
	err = errors.Join(checkChart(checkout, chart.Version), checkManifest(checkout, chart.Version))
	if !strings.HasSuffix(chart.Version, "-dev") {
		err = errors.Join(err, checkNamed(checkout, chart.Version))
	}
	if err != nil {
		return fmt.Errorf("the chart is of version %s, but:\n%w", chart.Version, err)
	}
	return nil
}
