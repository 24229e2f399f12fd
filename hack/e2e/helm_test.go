package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func findHelm(t *testing.T) string {
	t.Helper()
	if named := os.Getenv("HELM"); named != "" {
		return named
	}
	if found, err := exec.LookPath("helm"); err == nil {
		return found
	}
	built, err := filepath.Abs(filepath.Join("..", "..", "bin", "helm"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(built); err != nil {
		t.Fatal("there is no helm: make bin/helm builds it, or set HELM")
	}
	return built
}

// runHelm runs helm with the cluster's kubeconfig and returns what it printed.
func (s *suite) runHelm(t *testing.T, args ...string) string {
	t.Helper()
	text, err := s.tryHelm(t.Context(), args...)
	if err != nil {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, text)
	}
	return text
}

func (s *suite) tryHelm(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	command := exec.CommandContext(ctx, s.helm, args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+s.kubeconfig)
	command.WaitDelay = 10 * time.Second
	text, err := command.CombinedOutput()
	return string(text), err
}

// chartValues are the flags of helm that make it use the images of this checkout.
func (s *suite) chartValues() []string {
	var args []string
	for prefix, reference := range map[string]string{"operator.image": s.images.operator, "hubImage": s.images.hub, "redisImage": s.images.redis} {
		args = append(args, imageValues(prefix, reference)...)
	}
	return args
}

// imageValues are the arguments of helm that set the image under a prefix.
func imageValues(prefix, reference string) []string {
	registry, repository, tag := splitImage(reference)
	var args []string
	for key, value := range map[string]string{"registry": registry, "repository": repository, "tag": tag} {
		args = append(args, "--set-string", prefix+"."+key+"="+value)
	}
	return args
}

// splitImage splits a reference as the chart wants it.
func splitImage(reference string) (registry, repository, tag string) {
	repository, tag = reference, "latest"
	if colon := strings.LastIndexByte(reference, ':'); colon > strings.LastIndexByte(reference, '/') {
		repository, tag = reference[:colon], reference[colon+1:]
	}
	if first, rest, found := strings.Cut(repository, "/"); found && strings.ContainsAny(first, ".:") {
		registry, repository = first, rest
	}
	return registry, repository, tag
}
