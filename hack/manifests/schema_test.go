package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// foreign are the modules that define kinds which are not in a Kubernetes cluster by itself, and where in them the
// definitions are.
func foreign() map[string]string {
	return map[string]string{
		"github.com/prometheus-operator/prometheus-operator@v0.85.0": "example/prometheus-operator-crd/monitoring.coreos.com_*.yaml",
		"sigs.k8s.io/gateway-api@v1.6.0":                             "config/crd/standard/gateway.networking.k8s.io_*routes.yaml",
		"github.com/cert-manager/cert-manager@v1.21.2":               "deploy/crds/cert-manager.io_*.yaml",
		"github.com/kedacore/keda/v2@v2.21.0":                        "config/crd/bases/keda.sh_*.yaml",
	}
}

// All manifests of the project, those that builders make for the golden files included, are what the definitions of
// their kinds allow: no unknown field, no wrong value.
func TestManifestsAreWhatTheirKindsAllow(t *testing.T) {
	kinds := map[string]*kind{}
	addKinds(t, kinds, filepath.Join(root, "config", "crd", "bases", "*.yaml"))
	for module, pattern := range foreign() {
		addKinds(t, kinds, filepath.Join(download(t, module), filepath.FromSlash(pattern)))
	}
	checked := map[string]int{}
	for _, path := range manifests(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq("\n"+string(text), "\n---") {
			if strings.TrimSpace(document) == "" {
				continue
			}
			name, err := check(kinds, []byte(document))
			if err != nil {
				t.Errorf("%s: %s: %v", path, name, err)
			}
			checked[name]++
		}
	}
	for _, wanted := range []string{
		"ChatCluster", "Deployment", "ServiceMonitor", "PrometheusRule", "Certificate", "HorizontalPodAutoscaler", "ScaledObject", "HTTPRoute",
	} {
		if checked[wanted] == 0 {
			t.Errorf("there is no manifest of the kind %s: is it not where this test looks?", wanted)
		}
	}
	t.Logf("checked %v", checked)
}

// manifests are the files to be checked.
func manifests(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"config/samples/*.yaml", "config/install.yaml", "config/prometheus/[a-jl-z]*.yaml", "hack/manifests/testdata/*.golden.yaml"} {
		matches, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(matches) == 0 {
			t.Fatalf("no file is %s (%v)", pattern, err)
		}
		for _, match := range matches {
			if filepath.Base(match) != "kustomization.yaml" {
				found = append(found, match)
			}
		}
	}
	err := filepath.WalkDir(filepath.Join(root, "controllers"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.Contains(path, "testdata") && strings.HasSuffix(path, ".yaml") {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// kind is a version of a kind that a CustomResourceDefinition defines.
type kind struct {
	structural *schema.Structural
	validator  validation.SchemaValidator
}

// addKinds reads the definitions in files.
func addKinds(t *testing.T, kinds map[string]*kind, pattern string) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no file is %s (%v)", pattern, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var definition apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal(text, &definition); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, version := range definition.Spec.Versions {
			one, err := newKind(version)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			kinds[definition.Spec.Group+"/"+version.Name+" "+definition.Spec.Names.Kind] = one
		}
	}
}

func newKind(version apiextensionsv1.CustomResourceDefinitionVersion) (*kind, error) {
	var internal apiextensions.JSONSchemaProps
	err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(version.Schema.OpenAPIV3Schema, &internal, nil)
	if err != nil {
		return nil, err
	}
	structural, err := schema.NewStructural(&internal)
	if err != nil {
		return nil, err
	}
	validator, _, err := validation.NewSchemaValidator(&internal)
	return &kind{structural, validator}, err
}

// check returns the kind of a manifest and what is wrong with it.
func check(kinds map[string]*kind, text []byte) (name string, err error) {
	var manifest map[string]any
	if err := yaml.UnmarshalStrict(text, &manifest); err != nil {
		return "", err
	}
	name = fmt.Sprint(manifest["kind"])
	definition := kinds[fmt.Sprint(manifest["apiVersion"])+" "+name]
	if definition == nil {
		strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
		if name == "CustomResourceDefinition" {
			return name, yaml.UnmarshalStrict(text, &apiextensionsv1.CustomResourceDefinition{})
		}
		_, _, err := strict.Decode(text, nil, nil)
		return name, err
	}
	// In the order of the API server.
	var problems []error
	options := schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	for _, path := range pruning.PruneWithOptions(manifest, definition.structural, true, options) {
		problems = append(problems, fmt.Errorf("unknown field %s", path))
	}
	defaulting.Default(manifest, definition.structural)
	for _, problem := range validation.ValidateCustomResource(nil, manifest, definition.validator) {
		problems = append(problems, problem)
	}
	return name, errors.Join(problems...)
}

// download returns where a version of a module is after the module proxy was asked for it.
func download(t *testing.T, module string) string {
	t.Helper()
	command := exec.Command("go", "mod", "download", "-json", module)
	command.Dir = t.TempDir() // outside of this module, whose go.mod does not need it
	output, err := command.Output()
	if err != nil {
		t.Fatalf("downloading %s: %v %s", module, err, output)
	}
	var answer struct{ Dir string }
	if err := json.Unmarshal(output, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Dir
}
