package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// downloadTimeout is generous for 100 MB and still lets a machine behind a silent firewall go on.
const downloadTimeout = 3 * time.Minute

// download asks setup-envtest, which keeps what it downloads, for the newest patch of the version's minor.
func download(ctx context.Context, version string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	minor := version[1:strings.LastIndexByte(version, '.')]
	command := exec.CommandContext(ctx, "go", "tool", "setup-envtest", "use", "--print", "path", minor+".x")
	command.WaitDelay = time.Second
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("downloading Kubernetes %s for tests: %w", minor, explain(err))
	}
	folder := strings.TrimSpace(string(output))
	if missing := missingIn(folder); missing != "" {
		return "", fmt.Errorf("setup-envtest named %s, which has no %s", folder, missing)
	}
	return folder, nil
}

// explain gives a failed command's last line instead of its exit code.
func explain(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) || len(exit.Stderr) == 0 {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(exit.Stderr)), "\n")
	return errors.New(lines[len(lines)-1])
}

// kubernetesVersion is that of k8s.io/kubernetes in go.mod, such as v1.36.3.
func kubernetesVersion(ctx context.Context) (string, error) {
	output, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes").Output()
	if err != nil {
		return "", fmt.Errorf("asking for the version of Kubernetes (run this in hack/envtest): %w", explain(err))
	}
	return strings.TrimSpace(string(output)), nil
}
