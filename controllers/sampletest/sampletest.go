// Package sampletest reads ChatClusters for tests as the API server would hand them out: with the defaults of the
// CustomResourceDefinition, which are written down nowhere else.
package sampletest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// Folder is where the samples are.
func Folder() string { return filepath.Join(root(), "config", "samples") }

// CRDFolder is where the CustomResourceDefinition is.
func CRDFolder() string { return filepath.Join(root(), "config", "crd", "bases") }

// root is the top of the repository.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Documents returns the documents of a sample.
func Documents(t testing.TB, file string) []map[string]any {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(Folder(), file)) //nolint:gosec // a test says which sample it reads
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, content)
}

func decode(t testing.TB, content []byte) []map[string]any {
	t.Helper()
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	var documents []map[string]any
	for {
		var document map[string]any
		err := decoder.Decode(&document)
		switch {
		case errors.Is(err, io.EOF):
			return documents
		case err != nil:
			t.Fatal(err)
		}
		documents = append(documents, document)
	}
}

// Cluster returns the ChatCluster of a sample.
func Cluster(t testing.TB, file string) *v1alpha1.ChatCluster {
	t.Helper()
	for _, document := range Documents(t, file) {
		if document["kind"] == "ChatCluster" {
			return withDefaults(t, document)
		}
	}
	t.Fatalf("%s has no ChatCluster", file)
	return nil
}

// Parse returns the ChatCluster that a manifest has.
func Parse(t testing.TB, manifest string) *v1alpha1.ChatCluster {
	t.Helper()
	return withDefaults(t, decode(t, []byte(manifest))[0])
}

func withDefaults(t testing.TB, document map[string]any) *v1alpha1.ChatCluster {
	t.Helper()
	defaulting.Default(document, schema(t))
	encoded, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	cluster := &v1alpha1.ChatCluster{}
	if err := json.Unmarshal(encoded, cluster); err != nil {
		t.Fatal(err)
	}
	if cluster.Namespace == "" {
		cluster.Namespace = "default"
	}
	cluster.UID, cluster.Generation = "11111111-2222-3333-4444-555555555555", 1
	return cluster
}

func schema(t testing.TB) *structuralschema.Structural {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(CRDFolder(), "chatcluster.dev_chatclusters.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	definition := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.Unmarshal(content, definition); err != nil {
		t.Fatal(err)
	}
	internal := &apiextensions.JSONSchemaProps{}
	err = apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
		definition.Spec.Versions[0].Schema.OpenAPIV3Schema, internal, nil)
	if err != nil {
		t.Fatal(err)
	}
	structural, err := structuralschema.NewStructural(internal)
	if err != nil {
		t.Fatal(err)
	}
	return structural
}
