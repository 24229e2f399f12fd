package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/hack/e2e/crowd"
	"github.com/chatcluster/chatcluster/hack/e2e/walkthrough"
)

// checkout is the folder in which people type the commands of the README.
const checkout = "../.."

// readme is what the README names: its ChatCluster is in the namespace that kubectl takes by itself.
func (s *suite) readme() *chat { return &chat{suite: s, namespace: "default", name: "demo"} }

// TestREADME does what the README says under "On Kubernetes", word for word: quick start, upgrade, uninstall. Only the images
// are built by Go on this machine, which takes a minute instead of ten, unless E2E_IMAGES says otherwise.
func TestREADME(t *testing.T) {
	s := newSuite(t)
	if os.Getenv("KIND_CLUSTER_NAME") == "" {
		t.Skip("KIND_CLUSTER_NAME is not set: the README loads images into a kind cluster")
	}
	page, err := os.ReadFile(filepath.Join(checkout, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cleanUpAfterREADME(t) })
	for _, step := range walkthrough.Section(string(page), "### On Kubernetes") {
		switch {
		case step.File != "":
			s.save(t, step)
		case strings.HasPrefix(step.Command, "make images ") && os.Getenv("E2E_IMAGES") != "containers":
			s.typed(t, strings.Replace(step.Command, "make images ", "make images-from-host ", 1))
		case strings.Contains(step.Command, "port-forward"):
			s.chatThroughForward(t, step.Command)
		default:
			s.typed(t, step.Command)
		}
		if strings.Contains(step.Command, "upgrade-images") {
			s.expectUpgrade(t)
		}
	}
	s.expectNothingLeft(t)
}

// save writes a file that the README says to save. It is gone when the test ends.
func (s *suite) save(t *testing.T, step walkthrough.Step) {
	t.Helper()
	path := filepath.Join(checkout, step.File)
	if _, err := os.Stat(path); err == nil {
		t.Fatalf("there is a file %s already", step.File)
	}
	if err := os.WriteFile(path, []byte(step.Text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(path) })
}

// shell prepares a command that somebody types in the checkout.
func (s *suite) shell(ctx context.Context, t *testing.T, command string) *exec.Cmd {
	t.Helper()
	helm, err := filepath.Abs(filepath.Dir(s.helm))
	if err != nil {
		t.Fatal(err)
	}
	shell := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", command)
	shell.Dir = checkout
	shell.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+string(os.PathListSeparator)+helm, "KUBECONFIG="+s.kubeconfig)
	shell.WaitDelay = 10 * time.Second
	return shell
}

// typed runs a command, which must succeed.
func (s *suite) typed(t *testing.T, command string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	begin := time.Now()
	text, err := s.shell(ctx, t, command).CombinedOutput()
	if err != nil {
		t.Fatalf("$ %s\n%s%v", command, text, err)
	}
	t.Logf("$ %s    # %v\n%s", command, time.Since(begin).Round(100*time.Millisecond), text)
}

// chatThroughForward opens the page and chats, while kubectl forwards its port.
func (s *suite) chatThroughForward(t *testing.T, command string) {
	t.Helper()
	const address = "http://localhost:8080"
	ctx, cancel := context.WithCancel(t.Context())
	forward := s.shell(ctx, t, "exec "+command)
	if err := forward.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- forward.Wait() }()
	defer func() {
		cancel()
		<-ended
	}()
	await(t, "the page at "+address, patience, func(ctx context.Context) (string, error) {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("$ %s\nended: %v", command, err)
		default:
		}
		text, err := page(ctx, address)
		if err == nil && !strings.Contains(text, "<chat-page") {
			return "what is served is not the page", nil
		}
		return "", err
	})
	people := s.gather(t, crowd.Options{URL: address + "/chatHub", Go: 2})
	defer people.Stop()
	if got := people.RollCall(ctx); got.Said != 2 || got.Lost+got.Doubled+got.Failed != 0 {
		t.Errorf("two people at %s: %+v", address, got)
	}
	t.Logf("$ %s    # the page is there, and two people talk", command)
}

// page is what a browser gets.
func page(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return string(text), err
}

// expectUpgrade waits until the operator has answered the annotation, and all runs.
func (s *suite) expectUpgrade(t *testing.T) {
	t.Helper()
	await(t, "an answer to the annotation", patience, func(ctx context.Context) (string, error) {
		object, err := s.readme().get(ctx)
		if err != nil {
			return "", err
		}
		wanted, answered := object.Annotations[v1alpha1.AnnotationUpgradeImages], object.Status.Images.Request
		if wanted == "" || answered != wanted {
			return fmt.Sprintf("status.images answers %q, not %q", answered, wanted), nil
		}
		return "", nil
	})
	if err := s.readme().awaitWorkloads(t.Context()); err != nil {
		t.Errorf("after the upgrade: %v", err)
	}
}

// expectNothingLeft waits until nothing of the README's ChatCluster is there, and no ChatCluster kind.
func (s *suite) expectNothingLeft(t *testing.T) {
	t.Helper()
	await(t, "the end of all that the README made", patience, func(ctx context.Context) (string, error) {
		if exists, err := s.kindExists(ctx); err != nil || exists {
			return "the kind is still there", err
		}
		if left, err := s.labelled(ctx, v1alpha1.LabelInstance, release, s.readme().name); err != nil || len(left) > 0 {
			return strings.Join(left, ", "), err
		}
		return "", nil
	})
}

// cleanUpAfterREADME takes away what a test that failed in the middle has left.
func (s *suite) cleanUpAfterREADME(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	if !t.Failed() {
		return
	}
	s.collect(ctx, t, s.readme().namespace, operatorNamespace)
	_, _ = s.tryHelm(ctx, "uninstall", release, "--namespace", operatorNamespace, "--ignore-not-found", "--wait")
	object := &v1alpha1.ChatCluster{}
	object.Namespace, object.Name = s.readme().namespace, s.readme().name
	_ = s.client.Delete(ctx, object)
	namespace := &corev1.Namespace{}
	namespace.Name = operatorNamespace
	_ = ctrl.IgnoreNotFound(s.client.Delete(ctx, namespace))
}
