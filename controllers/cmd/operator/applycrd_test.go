package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
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
