package walkthrough

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const page = `# Product
    not of the section

## Start
### Here
Type:

    make one
    make \
      two

Save this as ` + "`a.yaml` or `demo.yaml`" + `:

` + "```yaml\nkind: A\n    indented: true\n```" + `

` + "```go\n    package main\n```" + `
#### Deeper

    make three

### There

    make four
`

func TestASectionIsReadInItsOrder(t *testing.T) {
	want := []Step{
		{Command: "make one"},
		{Command: "make \\\n  two"},
		{File: "demo.yaml", Text: "kind: A\n    indented: true\n"},
		{Command: "make three"},
	}
	if difference := cmp.Diff(want, Section(page, "### Here")); difference != "" {
		t.Error(difference)
	}
	if got := Section(page, "## Start"); len(got) != 5 || got[4].Command != "make four" {
		t.Errorf("a section of a higher rank has its subsections: got %q", got)
	}
	if got := Section(page, "### Nowhere"); got != nil {
		t.Errorf("a heading that is not there has the steps %q", got)
	}
}

// The steps that the end-to-end suite does are there, and none is read wrongly.
func TestTheREADMEHasAWalkthrough(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	steps := Section(string(readme), "### On Kubernetes")
	for _, want := range []string{"make images ", "kind load ", "helm install ", "kubectl apply -f demo.yaml", "kubectl wait ", "helm upgrade ", "helm uninstall ", "kubectl delete crd "} {
		if !slices.ContainsFunc(steps, func(s Step) bool { return strings.HasPrefix(s.Command, want) }) {
			t.Errorf("README.md has no command that begins with %q: %q", want, steps)
		}
	}
	if !slices.ContainsFunc(steps, func(s Step) bool { return s.File == "demo.yaml" }) {
		t.Error("README.md does not say what demo.yaml is")
	}
}
