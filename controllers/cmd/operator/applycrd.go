package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	semantic "k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/yaml"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// applyCRDCommand is the first argument that makes the operator do nothing but that: helm installs a
// CustomResourceDefinition and never changes it again, so the chart lets a Job do it before each upgrade.
const applyCRDCommand = "apply-crd"

// applyCRD makes the definition in the cluster the one in a file. Where there is none it says so and leaves it at that: Argo CD lets the
// Job run before it makes the definition, and somebody else may bring it later.
func applyCRD(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) != 1 {
		return errors.New("apply-crd: give it the file of a CustomResourceDefinition")
	}
	wanted, err := readCRD(args[0])
	if err != nil {
		return fmt.Errorf("apply-crd: %w", err)
	}
	connection, err := config.GetConfig()
	if err != nil {
		return fmt.Errorf("apply-crd: finding the cluster: %w", err)
	}
	cluster, err := client.New(connection, client.Options{})
	if err != nil {
		return fmt.Errorf("apply-crd: connecting to the cluster: %w", err)
	}
	err = retry.RetryOnConflict(retry.DefaultBackoff, func() error { return replaceCRD(ctx, cluster, wanted, stdout) })
	if err != nil {
		return fmt.Errorf("apply-crd: %w", err)
	}
	return nil
}

// replaceCRD replaces the spec as a whole: server-side apply would leave fields that are gone from the new definition,
// because they belong to whoever made the old one. It does not go back: the operator of another namespace may need what a newer
// definition has, and the API server would drop that from all ChatClusters.
func replaceCRD(ctx context.Context, cluster client.Client, wanted *unstructured.Unstructured, stdout io.Writer) error {
	present := &unstructured.Unstructured{}
	present.SetGroupVersionKind(wanted.GroupVersionKind())
	err := cluster.Get(ctx, client.ObjectKeyFromObject(wanted), present)
	if apierrors.IsNotFound(err) {
		_, _ = fmt.Fprintf(stdout, "%s is not there: there is nothing to bring up to date\n", wanted.GetName())
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", wanted.GetName(), err)
	}
	if later(present, wanted) {
		_, _ = fmt.Fprintf(stdout, "%s stays as it is, of version %s; this one is of %s. To go back all the same, do this and install again: kubectl annotate crd %s %s-\n",
			present.GetName(), versionOf(present), versionOf(wanted), present.GetName(), v1alpha1.AnnotationVersion)
		return nil
	}
	annotations := present.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	delete(annotations, v1alpha1.AnnotationVersion)
	maps.Copy(annotations, wanted.GetAnnotations())
	present.SetAnnotations(annotations)
	present.Object["spec"] = wanted.Object["spec"]
	if err := cluster.Update(ctx, present); err != nil {
		return fmt.Errorf("updating %s: %w", wanted.GetName(), err)
	}
	return nil
}

// later tells whether one definition is of a later version than another. Nobody knows of one without a version, or with one that is
// no semantic version.
func later(one, other *unstructured.Unstructured) bool {
	left, leftErr := semantic.ParseSemantic(versionOf(one))
	right, rightErr := semantic.ParseSemantic(versionOf(other))
	return leftErr == nil && rightErr == nil && right.LessThan(left)
}

func versionOf(definition *unstructured.Unstructured) string {
	return definition.GetAnnotations()[v1alpha1.AnnotationVersion]
}

func readCRD(path string) (*unstructured.Unstructured, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{}
	if err := yaml.UnmarshalStrict(text, &object.Object); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if kind := object.GetKind(); kind != "CustomResourceDefinition" {
		return nil, fmt.Errorf("%s has a %q, not a CustomResourceDefinition", path, kind)
	}
	return object, nil
}
