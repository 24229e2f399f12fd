package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	semantic "k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

const crdFile = "../../../config/crd/bases/chatcluster.dev_chatclusters.yaml"

func TestReplaceCRDLeavesNothingOfTheOldSpecAndKeepsForeignAnnotations(t *testing.T) {
	wanted, err := readCRD(crdFile)
	if err != nil {
		t.Fatal(err)
	}
	old := wanted.DeepCopy()
	old.SetAnnotations(map[string]string{"example.com/owner": "somebody"})
	if err := unstructured.SetNestedField(old.Object, "Retired", "spec", "names", "singular"); err != nil {
		t.Fatal(err)
	}
	if err := unstructured.SetNestedStringSlice(old.Object, []string{"oldname"}, "spec", "names", "shortNames"); err != nil {
		t.Fatal(err)
	}
	cluster := fake.NewClientBuilder().WithObjects(old).Build()
	if err := replaceCRD(t.Context(), cluster, wanted, io.Discard); err != nil {
		t.Fatal(err)
	}
	got := old.DeepCopy()
	if err := cluster.Get(t.Context(), client.ObjectKeyFromObject(old), got); err != nil {
		t.Fatal(err)
	}
	names, _, err := unstructured.NestedStringSlice(got.Object, "spec", "names", "shortNames")
	if err != nil || len(names) != 1 || names[0] != "cc" {
		t.Errorf("the short names are %q (%v), want those of the new definition alone", names, err)
	}
	if got.GetAnnotations()["example.com/owner"] != "somebody" {
		t.Error("an annotation of somebody else is gone")
	}
}

// Charts of several versions can be in one Kubernetes cluster, and each brings the one definition of the kind.
func TestTheDefinitionDoesNotGoBackToAnOlderVersion(t *testing.T) {
	for name, c := range map[string]struct {
		present, wanted string
		stays           bool
	}{
		"newer":                        {"1.2.0", "1.10.0", false},
		"the same":                     {"1.2.0", "1.2.0", false},
		"older":                        {"1.10.0", "1.2.0", true},
		"a candidate of what is there": {"1.2.0", "1.2.0-rc.1", true},
		"what the candidate became":    {"1.2.0-rc.1", "1.2.0", false},
		"older, tagged":                {"v1.3.0", "v1.2.0", true},
		"over what has no version":     {"", "1.2.0", false},
		"what has no version":          {"1.2.0", "", false},
		"a build of somebody":          {"1.2.0", "dev", false},
		"over a build of somebody":     {"8256c99", "1.2.0", false},
	} {
		t.Run(name, func(t *testing.T) {
			present, wanted := definition(t, c.present, "there"), definition(t, c.wanted, "wanted")
			cluster, said := fake.NewClientBuilder().WithObjects(present).Build(), &strings.Builder{}
			if err := replaceCRD(t.Context(), cluster, wanted, said); err != nil {
				t.Fatal(err)
			}
			got := present.DeepCopy()
			if err := cluster.Get(t.Context(), client.ObjectKeyFromObject(present), got); err != nil {
				t.Fatal(err)
			}
			singular, _, err := unstructured.NestedString(got.Object, "spec", "names", "singular")
			if err != nil || (singular == "there") != c.stays {
				t.Errorf("the definition is the one that was %s (%v)", singular, err)
			}
			if !c.stays {
				if said.Len() > 0 || versionOf(got) != c.wanted {
					t.Errorf("it is of version %q, and it says %q", versionOf(got), said)
				}
				return
			}
			for _, part := range []string{
				"of version " + c.present, "of " + c.wanted, "kubectl annotate crd chatclusters.chatcluster.dev chatcluster.dev/version-",
			} {
				if strings.Count(said.String(), part) != 1 || strings.Count(said.String(), "\n") != 1 {
					t.Errorf("it says %q, want one line with %q", said, part)
				}
			}
		})
	}
}

// definition is the one of the project, as if it were of another version, told from others by the singular of its names.
func definition(t *testing.T, version, singular string) *unstructured.Unstructured {
	t.Helper()
	made, err := readCRD(crdFile)
	if err != nil {
		t.Fatal(err)
	}
	annotations := made.GetAnnotations()
	annotations[v1alpha1.AnnotationVersion] = version
	if version == "" {
		delete(annotations, v1alpha1.AnnotationVersion)
	}
	made.SetAnnotations(annotations)
	if err := unstructured.SetNestedField(made.Object, singular, "spec", "names", "singular"); err != nil {
		t.Fatal(err)
	}
	return made
}

func TestTheDefinitionSaysOfWhichVersionItIs(t *testing.T) {
	made, err := readCRD(crdFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := semantic.ParseSemantic(versionOf(made)); err != nil {
		t.Errorf("the version of %s: %v", crdFile, err)
	}
}

func TestACRDThatIsNotThereIsLeftToOthers(t *testing.T) {
	wanted, err := readCRD(crdFile)
	if err != nil {
		t.Fatal(err)
	}
	cluster, said := fake.NewClientBuilder().Build(), &strings.Builder{}
	if err := replaceCRD(t.Context(), cluster, wanted, said); err != nil {
		t.Error(err)
	}
	if want := "chatclusters.chatcluster.dev is not there"; !strings.Contains(said.String(), want) {
		t.Errorf("it says %q, want %q", said, want)
	}
}

func TestReadCRDSaysWhatIsWrongWithTheFile(t *testing.T) {
	write := func(text string) string {
		path := filepath.Join(t.TempDir(), "crd.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, want := range map[string]string{
		"there/is/none.yaml":       "no such file",
		write("kind: Service"):     `has a "Service"`,
		write("kind: [unfinished"): "reading",
	} {
		if _, err := readCRD(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("readCRD(%q) gives %v, want it to say %q", path, err, want)
		}
	}
}
