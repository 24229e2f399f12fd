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
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/yaml"
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
// because they belong to whoever made the old one.
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
	annotations := present.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	maps.Copy(annotations, wanted.GetAnnotations())
	present.SetAnnotations(annotations)
	present.Object["spec"] = wanted.Object["spec"]
	if err := cluster.Update(ctx, present); err != nil {
		return fmt.Errorf("updating %s: %w", wanted.GetName(), err)
	}
	return nil
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
