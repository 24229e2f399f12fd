package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// packages are the main packages of the commands.
var packages = map[string]string{
	"kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
	"etcd":           "go.etcd.io/etcd/server/v3",
}

// cacheFolder is where the commands of a version are kept, outside of any checkout.
func cacheFolder(version string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("looking for a folder to keep what is built: %w", err)
	}
	return filepath.Join(cache, "chatcluster", "envtest", version+"-"+runtime.GOOS+"-"+runtime.GOARCH), nil
}

// buildInto builds all commands into folder. A build that is broken off leaves no folder that looks whole.
func buildInto(ctx context.Context, folder, version string) error {
	parent := filepath.Dir(folder)
	if err := os.MkdirAll(parent, 0o750); err != nil {
		return fmt.Errorf("making the folder for what is built: %w", err)
	}
	unfinished, err := os.MkdirTemp(parent, "unfinished-")
	if err != nil {
		return fmt.Errorf("making a folder to build in: %w", err)
	}
	defer func() { _ = os.RemoveAll(unfinished) }()
	for _, command := range commands {
		fmt.Fprintf(os.Stderr, "envtest: building %s %s; this takes a while\n", command, version)
		if err := buildCommand(ctx, filepath.Join(unfinished, command), packages[command], version); err != nil {
			return err
		}
	}
	if missingIn(folder) == "" {
		return nil // another build was faster
	}
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("removing an incomplete build: %w", err)
	}
	if err := os.Rename(unfinished, folder); err != nil {
		return fmt.Errorf("keeping what was built: %w", err)
	}
	return nil
}

// buildCommand builds one main package, with the version that a kube-apiserver of a release tells its clients.
func buildCommand(ctx context.Context, output, pkg, version string) error {
	numbers := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	const variables = "k8s.io/component-base/version."
	flags := fmt.Sprintf("-s -w -X %[1]sgitVersion=%[2]s -X %[1]sgitMajor=%[3]s -X %[1]sgitMinor=%[4]s",
		variables, version, numbers[0], numbers[1])
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", flags, "-o", output, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building %s: %w", pkg, err)
	}
	return nil
}
