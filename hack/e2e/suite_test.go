package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

const (
	// operatorNamespace is where the chart is installed.
	operatorNamespace = "chatcluster-system"
	// release is the name under which it is.
	release = "chatcluster"
	// patience bounds what may take long on a slow machine: pulling an image, starting a pod, rolling a workload.
	patience = 5 * time.Minute
)

// suite is what all tests share.
type suite struct {
	t          *testing.T
	full       bool
	config     *rest.Config
	client     ctrl.Client
	kubernetes kubernetes.Interface
	kubeconfig string
	helm       string
	images     images
	before     *before // nil: the suite begins with this checkout's chart
	artifacts  string
	table      *table
}

type images struct{ operator, hub, hubNext, example, redis string }

// newSuite connects to the cluster, or skips the test in one line that says what is missing.
func newSuite(t *testing.T) *suite {
	t.Helper()
	depth := os.Getenv("E2E")
	if depth != "ci" && depth != "full" {
		t.Skip("E2E is not set to ci or full: the end-to-end suite is skipped")
	}
	kubeconfig := os.Getenv("KUBECONFIG")
	if kubeconfig == "" {
		t.Fatal("KUBECONFIG must name the cluster")
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 50, 100
	config.WarningHandler = rest.NoWarnings{} // of old kinds, when the suite lists all there are
	log.SetLogger(logr.Discard())             // what the library logs is of no use here; without this it complains
	s := &suite{
		t: t, full: depth == "full", kubeconfig: kubeconfig, table: &table{},
		config: config, client: newClient(t, config), kubernetes: kubernetes.NewForConfigOrDie(config),
		images: images{
			operator: must(t, "E2E_OPERATOR_IMAGE"), hub: must(t, "E2E_HUB_IMAGE"), hubNext: must(t, "E2E_HUB_IMAGE_NEXT"),
			example: os.Getenv("E2E_EXAMPLE_IMAGE"), redis: or("E2E_REDIS_IMAGE", "docker.io/redis:7.0"),
		},
		before:    beforeFromEnvironment(),
		helm:      findHelm(t),
		artifacts: or("E2E_ARTIFACTS", filepath.Join("..", "..", "bin", "e2e")),
	}
	return s
}

func newClient(t *testing.T, config *rest.Config) ctrl.Client {
	t.Helper()
	client, err := ctrl.New(config, ctrl.Options{Scheme: newScheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// newScheme knows the kinds of Kubernetes and ours.
func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

func must(t *testing.T, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		t.Fatalf("%s must be set: make e2e does", variable)
	}
	return value
}

func or(variable, standard string) string {
	if value := os.Getenv(variable); value != "" {
		return value
	}
	return standard
}

// await calls check until it returns nothing to wait for. The last thing waited for is in the failure.
func await(t *testing.T, what string, limit time.Duration, check func(ctx context.Context) (waitingFor string, err error)) {
	t.Helper()
	if err := awaitError(t.Context(), what, limit, check); err != nil {
		t.Fatal(err)
	}
}

func awaitError(ctx context.Context, what string, limit time.Duration, check func(ctx context.Context) (string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	waitingFor := "the first look"
	for {
		now, err := check(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			waitingFor = err.Error() // the API server may be busy; go on asking
		case err == nil && now == "":
			return nil
		case err == nil:
			waitingFor = now
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not happen in %v: %s", what, limit, waitingFor)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
