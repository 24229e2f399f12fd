package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
)

const (
	root  = "../.."
	chart = root + "/charts/chatcluster"
)

// object is any Kubernetes object.
type object = map[string]any

// id is the kind, namespace and name of an object.
func id(o object) string {
	metadata, _ := o["metadata"].(map[string]any)
	return fmt.Sprintf("%v %v/%v", o["kind"], metadata["namespace"], metadata["name"])
}

func annotation(o object, name string) string {
	metadata, _ := o["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	text, _ := annotations[name].(string)
	return text
}

// installation is a release of the chart and the namespace that it is installed into.
type installation struct {
	release, namespace string
	// there is where the chart looks for what a Kubernetes cluster has; nowhere if it is nil, as with helm template.
	there engine.ClientProvider
}

// usual is what the README installs.
func usual() installation {
	return installation{release: "chatcluster", namespace: "chatcluster-system"}
}

// template is helm template of the chart as release chatcluster in chatcluster-system: each file and its text.
func template(values string) (map[string]string, error) { return usual().template(values) }

// template is helm template of the chart: each file and its text.
func (i installation) template(values string) (map[string]string, error) {
	loaded, err := loader.LoadDir(chart)
	if err != nil {
		return nil, err
	}
	given, err := loader.LoadValues(strings.NewReader(values))
	if err != nil {
		return nil, err
	}
	release := common.ReleaseOptions{Name: i.release, Namespace: i.namespace, Revision: 1, IsInstall: true}
	full, err := util.ToRenderValues(loaded, given, release, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	if i.there != nil {
		return engine.RenderWithClientProvider(loaded, full, i.there)
	}
	return engine.Render(loaded, full)
}

// rendered returns all objects that the chart makes with these values, in the order of their files.
func rendered(t *testing.T, values string) []object {
	t.Helper()
	return usual().rendered(t, values)
}

// rendered returns all objects that the chart makes with these values, in the order of their files.
func (i installation) rendered(t *testing.T, values string) []object {
	t.Helper()
	return i.read(t, values, parse)
}

// read is rendered with another way to read a file.
func (i installation) read(t *testing.T, values string, parse func(t *testing.T, name string, text []byte) []object) []object {
	t.Helper()
	files, err := i.template(values)
	if err != nil {
		t.Fatal(err)
	}
	var all []object
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if filepath.Ext(name) == ".yaml" {
			all = append(all, parse(t, name, []byte(files[name]))...)
		}
	}
	return all
}

// parse reads the documents of a file.
func parse(t *testing.T, name string, text []byte) []object {
	t.Helper()
	var all []object
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var one object
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if one != nil {
			all = append(all, one)
		}
	}
}

// built returns the objects of kustomize build.
func built(t *testing.T, folder string) []object {
	t.Helper()
	text, err := build(filepath.Join(root, "config", folder))
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, folder, text)
}

func write(t *testing.T, objects []object) string {
	t.Helper()
	var out strings.Builder
	for _, one := range objects {
		text, err := yaml.Marshal(one)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("---\n" + string(text))
	}
	return out.String()
}
